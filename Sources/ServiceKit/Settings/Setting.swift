/// What a setting is, written down once. Flag, environment variable, place in the YAML file, help and documentation
/// follow from it.
public struct SettingDeclaration: Sendable {
    /// What a value may be.
    public enum Kind: Sendable, Equatable {
        case text
        case path
        case integer(ClosedRange<Int>)
        case flag
        case choice([String])
        /// Texts; with commas between them in flags and variables, a sequence in YAML.
        case list
        /// Texts by name; `NAME=VALUE` with commas between them in flags and variables, a mapping in YAML.
        case map
    }

    /// `section.name`, in lower case with underscores; its place in the YAML file.
    public let name: String
    public let kind: Kind
    /// As a flag would give it.
    public let defaultText: String
    /// One sentence for help and documentation.
    public let meaning: String
    /// `seconds`, `bytes`, ...; empty when it has none.
    public let unit: String
    /// Never printed or logged.
    public let isSecret: Bool

    /// `--dicom-port` of `dicom.port`.
    public var flag: String {
        "--" + name.map { $0 == "." || $0 == "_" ? "-" : String($0) }.joined()
    }

    /// `WADO_DICOM_PORT` of `dicom.port`.
    public var variable: String {
        "WADO_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    /// What a value looks like, for help and errors.
    public var form: String {
        switch kind {
        case .text: "TEXT"
        case .path: "PATH"
        case .integer: unit.isEmpty ? "N" : unit.uppercased()
        case .flag: "[=true|false]"
        case .choice(let choices): choices.joined(separator: "|")
        case .list: "A,B,.."
        case .map: "NAME=VALUE,.."
        }
    }

    /// What a value must be, for errors.
    var requirement: String {
        switch kind {
        case .text: "a text"
        case .path: "a path"
        case .integer(let range):
            "a whole number\(unit.isEmpty ? "" : " of \(unit)")"
                + (range.upperBound == .max
                    ? " of \(range.lowerBound) or more" : " from \(range.lowerBound) to \(range.upperBound)")
        case .flag: "true or false"
        case .choice(let choices): "one of " + choices.joined(separator: ", ")
        case .list: "texts with commas between them"
        case .map: "NAME=VALUE pairs with commas between them"
        }
    }
}

/// A declared setting with the type of its value.
public struct Setting<Value: Sendable>: Sendable {
    public let declaration: SettingDeclaration
    public let defaultValue: Value
    /// The value of what a source gave, or what is wrong with it.
    let parse: @Sendable (RawSetting) throws(SettingProblem) -> Value

    public var name: String { declaration.name }
}

/// A value as a source gives it.
package enum RawSetting: Sendable, Equatable {
    case scalar(String)
    case list([String])
    case map([String: String])

    /// As a flag would give it.
    var text: String {
        switch self {
        case .scalar(let text): text
        case .list(let texts): texts.joined(separator: ",")
        case .map(let map): map.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
    }
}

/// Why a value does not do; the rest of the message says of which setting.
package struct SettingProblem: Error {
    let message: String
}

/// What a value has to obey beyond its type: nil, or what is wrong.
public typealias SettingCheck<Value> = @Sendable (Value) -> String?

extension Setting {
    private init(
        _ name: String, _ kind: SettingDeclaration.Kind, default value: Value, text: String, unit: String = "",
        isSecret: Bool = false, _ meaning: String, check: SettingCheck<Value>?,
        convert: @escaping @Sendable (RawSetting) -> Value?
    ) {
        let declaration = SettingDeclaration(
            name: name, kind: kind, defaultText: text, meaning: meaning, unit: unit, isSecret: isSecret)
        self.init(declaration: declaration, defaultValue: value) { raw throws(SettingProblem) in
            guard let value = convert(raw) else {
                let found = isSecret ? "the value" : "'\(raw.text)'"
                throw SettingProblem(message: "\(found) is not \(declaration.requirement)")
            }
            if let problem = check?(value) { throw SettingProblem(message: problem) }
            return value
        }
    }
}

extension Setting where Value == String {
    public static func text(
        _ name: String, default value: String, isSecret: Bool = false, _ meaning: String,
        check: SettingCheck<String>? = nil
    ) -> Setting {
        Setting(name, .text, default: value, text: value, isSecret: isSecret, meaning, check: check) { $0.scalar }
    }

    /// A relative path in a settings file starts from the folder of that file.
    public static func path(_ name: String, default value: String, _ meaning: String) -> Setting {
        Setting(name, .path, default: value, text: value, meaning, check: nil) { $0.scalar }
    }

    public static func choice(
        _ name: String, _ choices: [String], default value: String, _ meaning: String
    ) -> Setting {
        Setting(name, .choice(choices), default: value, text: value, meaning, check: nil) { raw in
            raw.scalar.flatMap { choices.contains($0) ? $0 : nil }
        }
    }
}

extension Setting where Value == Int {
    public static func integer(
        _ name: String, in range: ClosedRange<Int>, default value: Int, unit: String = "", _ meaning: String
    ) -> Setting {
        Setting(name, .integer(range), default: value, text: String(value), unit: unit, meaning, check: nil) { raw in
            raw.scalar.flatMap { Int($0) }.flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension Setting where Value == Bool {
    public static func flag(_ name: String, default value: Bool, _ meaning: String) -> Setting {
        Setting(name, .flag, default: value, text: value ? "true" : "false", meaning, check: nil) { raw in
            switch raw.scalar?.lowercased() {
            case "true", "yes", "on", "1": true
            case "false", "no", "off", "0": false
            default: nil
            }
        }
    }
}

extension Setting where Value == [String] {
    public static func list(
        _ name: String, default value: [String], _ meaning: String, check: SettingCheck<[String]>? = nil
    ) -> Setting {
        Setting(
            name, .list, default: value, text: value.joined(separator: ","), meaning, check: check
        ) { raw in
            switch raw {
            case .scalar(let text): text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
            case .list(let texts): texts
            case .map: nil
            }
        }
    }
}

extension Setting where Value == [String: String] {
    public static func map(
        _ name: String, default value: [String: String], _ meaning: String,
        check: SettingCheck<[String: String]>? = nil
    ) -> Setting {
        Setting(
            name, .map, default: value, text: RawSetting.map(value).text, meaning, check: check
        ) { raw in
            let pairs: [String]
            switch raw {
            case .map(let map): return map
            case .scalar(let text): pairs = text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
            case .list(let texts): pairs = texts
            }
            var map: [String: String] = [:]
            for pair in pairs {
                guard let mark = pair.firstIndex(of: "="), mark > pair.startIndex else { return nil }
                let key = pair[..<mark].trimmed
                guard map.updateValue(pair[pair.index(after: mark)...].trimmed, forKey: key) == nil else { return nil }
            }
            return map
        }
    }
}

extension RawSetting {
    var scalar: String? {
        if case .scalar(let text) = self { text } else { nil }
    }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        var slice = self[...]
        while slice.first?.isWhitespace == true { slice.removeFirst() }
        while slice.last?.isWhitespace == true { slice.removeLast() }
        return String(slice)
    }
}
