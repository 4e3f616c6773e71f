import ArchiveSchema
import DICOMDictionary
import DICOMWeb

/// Which attributes the answer to a search has, and where each comes from; made once for a search, used for each row.
struct AnswerPlan {
    private indirect enum Field {
        /// A column of the result.
        case column(Int, ColumnSchema)
        case sequence([(Tag, Field)])
        /// The same in every answer: everything between `"vr"` and the closing brace, in JSON.
        case constant([UInt8])
        case retrieveURL
        case modalities
        case number(Int, VR)
    }

    /// Names of the columns to select, in the order of the result.
    let columns: [String]
    /// True when the answer needs what is counted over the study's series.
    let needsStudy: Bool
    private var fields: [(Tag, Field)] = []
    private let retrieveRoot: String?
    private let isSeries: Bool
    /// Places in the result behind the columns.
    private let studyUID: Int
    private let seriesUID: Int
    private let modalities: Int

    init(_ query: QIDOQuery, retrieveRoot: String?) {
        self.retrieveRoot = retrieveRoot
        isSeries = query.level == .series
        let level: QueryLevel = query.level == .studies ? .study : .series
        let wanted = Set(query.returnedTags)
        var names: [String] = ["study_uid", "series_uid"]
        studyUID = 0
        seriesUID = 1
        var leaves: [([Tag], Field)] = []
        for column in DicomStateMetaRow.table.postgresColumns {
            guard let own = column.level, own <= level, let root = column.path.first,
                query.includesAll || wanted.contains(root)
            else { continue }
            let place: Int
            if let known = names.firstIndex(of: column.name) {
                place = known
            } else {
                place = names.count
                names.append(column.name)
            }
            leaves.append((column.path, .column(place, column)))
        }
        columns = names
        modalities = names.count
        let computed: [(UInt32, Field)] = [
            (0x0008_0005, .constant(Array(",\"Value\":[\"ISO_IR 192\"]".utf8))),
            (0x0008_0056, .constant(Array(",\"Value\":[\"ONLINE\"]".utf8))),
            (0x0008_0061, .modalities),
            (0x0020_1206, .number(names.count + 1, .is)),
            (0x0020_1208, .number(names.count + 2, .is)),
            (0x0020_1209, .number(names.count + 3, .is)),
        ]
        var needsStudy = false
        for (number, field) in computed {
            let tag = Tag(number)
            if number == 0x0020_1209 && !isSeries { continue }
            guard query.includesAll || wanted.contains(tag) else { continue }
            if number == 0x0008_0061 || number == 0x0020_1206 || number == 0x0020_1208 { needsStudy = true }
            leaves.append(([tag], field))
        }
        if retrieveRoot != nil { leaves.append(([Tag(0x0008_1190)], .retrieveURL)) }
        self.needsStudy = needsStudy
        fields = Self.nest(leaves)
    }

    private static func nest(_ leaves: [([Tag], Field)]) -> [(Tag, Field)] {
        var fields: [(Tag, Field)] = []
        for (root, group) in Dictionary(grouping: leaves, by: { $0.0[0] }) {
            if let leaf = group.first(where: { $0.0.count == 1 }) {
                fields.append((root, leaf.1))
            } else {
                fields.append((root, .sequence(nest(group.map { (Array($0.0.dropFirst()), $0.1) }))))
            }
        }
        return fields.sorted { $0.0 < $1.0 }
    }

    /// One DICOM JSON object.
    func object(_ result: PostgresResult, _ row: Int) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(1_024)
        write(fields, result, row, &out)
        return out
    }

    private func write(_ fields: [(Tag, Field)], _ result: PostgresResult, _ row: Int, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "{"))
        var isFirst = true
        for (tag, field) in fields {
            if case .sequence(let parts) = field, !parts.contains(where: { has($0.1, result, row) }) { continue }
            if !isFirst { out.append(UInt8(ascii: ",")) }
            isFirst = false
            out.append(UInt8(ascii: "\""))
            out.append(tag)
            out.append(contentsOf: "\":{\"vr\":\"".utf8)
            switch field {
            case .column(let column, let schema):
                let vr = schema.vr ?? .un
                out.append(vr)
                out.append(UInt8(ascii: "\""))
                value(result, row, column, schema, vr, &out)
            case .sequence(let parts):
                out.append(contentsOf: "SQ\",\"Value\":[".utf8)
                write(parts, result, row, &out)
                out.append(UInt8(ascii: "]"))
            case .constant(let bytes):
                out.append(contentsOf: "CS\"".utf8)
                out.append(contentsOf: bytes)
            case .retrieveURL:
                out.append(contentsOf: "UR\",\"Value\":[\"".utf8)
                out.appendEscaped((retrieveRoot ?? "").utf8)
                out.append(contentsOf: "/studies/".utf8)
                result.withBytes(row, studyUID) { out.appendEscaped($0) }
                if isSeries {
                    out.append(contentsOf: "/series/".utf8)
                    result.withBytes(row, seriesUID) { out.appendEscaped($0) }
                }
                out.append(contentsOf: "\"]".utf8)
            case .modalities:
                out.append(contentsOf: "CS\"".utf8)
                result.withBytes(row, modalities) { bytes in
                    if !bytes.isEmpty { out.appendTexts(bytes) }
                }
            case .number(let column, let vr):
                out.append(vr)
                out.append(contentsOf: "\",\"Value\":[".utf8)
                out.append(contentsOf: "\(result.integer(row, column) ?? 0)".utf8)
                out.append(UInt8(ascii: "]"))
            }
            out.append(UInt8(ascii: "}"))
        }
        out.append(UInt8(ascii: "}"))
    }

    private func has(_ field: Field, _ result: PostgresResult, _ row: Int) -> Bool {
        switch field {
        case .column(let column, _): !result.isNull(row, column)
        case .sequence(let parts): parts.contains { has($0.1, result, row) }
        default: true
        }
    }

    /// `,"Value":[...]`, or nothing for NULL and for an empty text.
    private func value(
        _ result: PostgresResult, _ row: Int, _ column: Int, _ schema: ColumnSchema, _ vr: VR, _ out: inout [UInt8]
    ) {
        if result.isNull(row, column) { return }
        var text: String?
        switch schema.type {
        case .text, .ascii:
            result.withBytes(row, column) { bytes in
                if bytes.isEmpty { return }
                switch vr {
                case .pn: out.appendName(bytes)
                case .lt, .st, .ut, .ur:
                    out.append(contentsOf: ",\"Value\":[\"".utf8)
                    out.appendEscaped(bytes)
                    out.append(contentsOf: "\"]".utf8)
                default: out.appendTexts(bytes)
                }
            }
            return
        case .int, .bigint: text = result.integer(row, column).map { "\($0)" }
        case .double: text = result.double(row, column).flatMap { $0.isFinite ? "\($0)" : nil }
        case .date:
            let days = result.integer(row, column).flatMap { Int32(exactly: $0 + 10_957) }
            text = days.flatMap { CalendarDate(daysSince1970: $0) }.map { "\"\($0.dicomValue)\"" }
        case .time:
            text = result.integer(row, column).flatMap { ClockTime(microseconds: $0) }.map { "\"\($0.dicomValue)\"" }
        case .timestamp: text = nil
        }
        guard let text else { return }
        out.append(contentsOf: ",\"Value\":[".utf8)
        out.append(contentsOf: text.utf8)
        out.append(UInt8(ascii: "]"))
    }
}

extension [UInt8] {
    /// Eight hexadecimal digits.
    mutating func append(_ tag: Tag) {
        for shift in stride(from: UInt32(28), through: 4, by: -4) { append(hexadecimal: tag.rawValue >> shift) }
        append(hexadecimal: tag.rawValue)
    }

    /// Its two letters.
    mutating func append(_ vr: VR) { append(bigEndian: vr.rawValue) }

    private mutating func append(hexadecimal value: UInt32) {
        let digit = UInt8(truncatingIfNeeded: value & 15)
        append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
    }

    /// The inside of a JSON string.
    mutating func appendEscaped(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                append(contentsOf: "\\u00".utf8)
                append(UInt8(ascii: byte < 16 ? "0" : "1"))
                let digit = byte & 15
                append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            default: append(byte)
            }
        }
    }

    /// `,"Value":["a","b"]` of values between backslashes; an empty one among several is null (PS3.18 F.2.5).
    mutating func appendTexts(_ bytes: UnsafeRawBufferPointer) {
        append(contentsOf: ",\"Value\":[".utf8)
        for (index, part) in bytes.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            if part.isEmpty {
                append(contentsOf: "null".utf8)
            } else {
                append(UInt8(ascii: "\""))
                appendEscaped(part)
                append(UInt8(ascii: "\""))
            }
        }
        append(UInt8(ascii: "]"))
    }

    /// `,"Value":[{"Alphabetic":...}]` of a person name's component groups (PS3.18 F.2.2); empty ones are left out.
    mutating func appendName(_ bytes: UnsafeRawBufferPointer) {
        let names = bytes.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false)
        append(contentsOf: ",\"Value\":[".utf8)
        for (index, name) in names.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            append(UInt8(ascii: "{"))
            var isFirst = true
            let groups = name.split(separator: UInt8(ascii: "="), maxSplits: 2, omittingEmptySubsequences: false)
            for (group, title) in zip(groups, ["Alphabetic", "Ideographic", "Phonetic"]) where !group.isEmpty {
                append(contentsOf: "\(isFirst ? "" : ",")\"\(title)\":\"".utf8)
                appendEscaped(group)
                append(UInt8(ascii: "\""))
                isFirst = false
            }
            append(UInt8(ascii: "}"))
        }
        append(UInt8(ascii: "]"))
    }
}
