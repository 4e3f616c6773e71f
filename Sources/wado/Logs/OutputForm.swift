internal import ArchiveSchema
internal import Foundation
internal import ServiceKit

/// How a list is written.
enum OutputForm {
    case text, json, csv

    init(_ options: CommandOptions) throws(SettingsError) {
        switch (options.has("--json"), options.has("--csv")) {
        case (true, true): throw SettingsError(problems: ["--json and --csv exclude each other"])
        case (true, false): self = .json
        case (false, true): self = .csv
        case (false, false): self = .text
        }
    }

    /// One object on one line; absent values are null.
    static func object(_ fields: [(String, Any?)]) -> String {
        var text = "{"
        for (index, field) in fields.enumerated() {
            if index > 0 { text += "," }
            text += "\(encoded(field.0)):\(field.1.map { encoded($0) } ?? "null")"
        }
        return text + "}"
    }

    /// The members of a JSON object as text, in this order.
    static func values(ofJSON json: [UInt8], _ names: [String]) -> [String?] {
        let object = (try? JSONSerialization.jsonObject(with: Data(json))) as? [String: Any] ?? [:]
        return names.map { name in
            guard let value = object[name], !(value is NSNull) else { return nil }
            return value as? String ?? "\(value)"
        }
    }

    private static func encoded(_ value: Any) -> String {
        let data = try? JSONSerialization.data(
            withJSONObject: value, options: [.fragmentsAllowed, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }
}

extension CommandOptions {
    /// `--since`: a day, a moment, or how long ago: `90m`, `12h`, `7d`.
    func since() throws(SettingsError) -> Timestamp? {
        guard let seconds = sinceSeconds else { return try time("--since") }
        return Timestamp(microsecondsSince1970: Timestamp.now.microsecondsSince1970 - seconds * 1_000_000)
    }

    /// `--since` says how long ago.
    var isSinceRelative: Bool { sinceSeconds != nil }

    private var sinceSeconds: Int64? {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400]
        guard let text = self["--since"], let unit = text.last.flatMap({ units[$0] }),
            let count = Int64(text.dropLast()), (0..<100_000).contains(count)
        else { return nil }
        return count * unit
    }
}
