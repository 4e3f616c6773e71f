/// What is wrong with the settings, all of it at once.
public struct SettingsError: Error, CustomStringConvertible {
    /// Each names the setting, where its value came from, and what to do.
    public let problems: [String]
    public var description: String { problems.joined(separator: "\n") }

    public init(problems: [String]) { self.problems = problems }
}

/// The values of a catalogue of settings: of each the flag if there is one, else the environment variable, else the
/// value in the settings file, else the default.
public struct Settings: Sendable {
    /// Where a value came from.
    public enum Source: Sendable, Equatable, CustomStringConvertible {
        case `default`
        case file(path: String, line: Int, column: Int)
        case variable(String)
        case flag(String)

        public var description: String {
            switch self {
            case .default: "default"
            case .file(let path, let line, let column): "\(path):\(line):\(column)"
            case .variable(let name): "environment variable \(name)"
            case .flag(let name): "flag \(name)"
            }
        }
    }

    struct Entry: Sendable {
        let raw: RawSetting
        let source: Source
        let value: any Sendable
    }

    let catalogue: SettingsCatalogue
    var entries: [String: Entry] = [:]
    /// What was on the command line beside settings.
    public internal(set) var arguments: [String] = []

    public subscript<Value>(setting: Setting<Value>) -> Value {
        (entries[setting.name]?.value as? Value) ?? setting.defaultValue
    }

    /// Where the value of the setting came from.
    package func source<Value>(of setting: Setting<Value>) -> Source { entries[setting.name]?.source ?? .default }

    /// Whether anyone gave the setting a value.
    public func isSet<Value>(_ setting: Setting<Value>) -> Bool { entries[setting.name] != nil }

    /// Sets a value, as by its flag.
    public mutating func set<Value>(_ setting: Setting<Value>, to text: String) throws(SettingsError) {
        try catalogue.put(.scalar(text), name: setting.name, source: .flag(setting.declaration.flag), into: &self)
    }

    /// Takes values from flags of the form `--name=value`, of settings that nobody gave a value.
    public mutating func setMissing(_ flags: [String]) throws(SettingsError) {
        for flag in flags {
            guard let mark = flag.firstIndex(of: "="),
                let declaration = catalogue.declarations.first(where: { $0.flag == flag[..<mark] }),
                entries[declaration.name] == nil
            else { continue }
            try catalogue.put(
                .scalar(String(flag[flag.index(after: mark)...])), name: declaration.name,
                source: .flag(declaration.flag), into: &self)
        }
    }

    /// The settings that differ from their defaults, as flags that give another program the same values.
    public var flags: [String] {
        catalogue.declarations.compactMap { declaration in
            guard let entry = entries[declaration.name], !declaration.isSecret else { return nil }
            return "\(declaration.flag)=\(entry.raw.text)"
        }
    }

    /// The secret settings that were given, as environment variables for another program (a command line can be read
    /// by everyone on the machine).
    public var secretVariables: [String: String] {
        var variables: [String: String] = [:]
        for declaration in catalogue.declarations where declaration.isSecret {
            if let entry = entries[declaration.name] { variables[declaration.variable] = entry.raw.text }
        }
        return variables
    }

    /// The settings that were given, for the log; secrets hidden.
    public var logFields: Logger.Fields {
        var fields: Logger.Fields = [:]
        for declaration in catalogue.declarations {
            guard let entry = entries[declaration.name] else { continue }
            fields.append(declaration.name, .string(declaration.isSecret ? "***" : entry.raw.text))
        }
        return fields
    }
}
