internal import Archive
internal import ArchiveSchema
internal import ServiceKit
internal import Wiring

/// A flag of a command that is no setting.
struct CommandOption: Sendable {
    /// `--rate`.
    let name: String
    /// What stands behind it, in a letter or a word; nil: nothing does.
    let value: String?
    let meaning: String

    init(_ name: String, takes value: String? = nil, _ meaning: String) {
        self.name = name
        self.value = value
        self.meaning = meaning
    }

    /// For `--help`.
    var help: (flag: String, meaning: String) { (name + (value.map { " \($0)" } ?? ""), meaning) }

    static let tenant = CommandOption("--tenant", takes: "T", "of one tenant")
    static let since = CommandOption(
        "--since", takes: "D", "since a day (2026-11-01), a moment, or for so long (7d, 12h, 90m)")
    static let study = CommandOption("--study", takes: "UID", "of one study")
    static let forms = [CommandOption("--json", "for scripts"), CommandOption("--csv", "for scripts")]
}

/// The flags of one command, taken out of its arguments, so that the rest are settings.
struct CommandOptions {
    private var values: [String: String] = [:]
    private(set) var rest: [String] = []

    init(_ arguments: [String], _ known: [CommandOption]) throws(SettingsError) {
        let flags = Set(known.filter { $0.value == nil }.map(\.name))
        let options = Set(known.filter { $0.value != nil }.map(\.name))
        var left = arguments[...]
        while let argument = left.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            if flags.contains(name) {
                // As a flag that is a setting.
                switch parts.count > 1 ? parts[1] : "true" {
                case "true": values[name] = ""
                case "false": values[name] = nil
                default: throw SettingsError(problems: ["\(argument): write \(name), or \(name)=false"])
                }
            } else if options.contains(name) {
                guard values[name] == nil else { throw SettingsError(problems: ["\(name) is there twice"]) }
                guard let value = parts.count > 1 ? String(parts[1]) : left.popFirst(), !value.isEmpty,
                    !value.hasPrefix("--")
                else {
                    throw SettingsError(problems: ["\(name) needs a value"])
                }
                values[name] = value
            } else {
                rest.append(argument)
            }
        }
    }

    func has(_ flag: String) -> Bool { values[flag] != nil }
    subscript(_ option: String) -> String? { values[option] }

    /// A whole number of 1 or more.
    func number(_ option: String) throws(SettingsError) -> Int? {
        guard let text = values[option] else { return nil }
        guard let number = Int(text), number > 0 else {
            throw SettingsError(problems: ["\(option): '\(text)' is no number of 1 or more"])
        }
        return number
    }

    /// Of `--tenant`; nil: of all.
    func tenant() throws(SettingsError) -> TenantID? {
        guard let name = values["--tenant"] else { return nil }
        guard let tenant = TenantID(name) else { throw SettingsError(problems: ["'\(name)' is no tenant"]) }
        return tenant
    }

    /// Of `--rule`; nil: of all.
    func rule() throws(SettingsError) -> String? {
        guard let rule = values["--rule"] else { return nil }
        try ProblemRules.check(rule)
        return rule
    }

    /// A day, `2025-03-01`, or a moment of it in UTC, `2025-03-01 12:00:00`.
    func time(_ option: String) throws(SettingsError) -> Timestamp? {
        guard let text = values[option] else { return nil }
        if let date = CalendarDate(text) {
            return Timestamp(microsecondsSince1970: Int64(date.daysSince1970) * 86_400_000_000)
        }
        guard let time = Timestamp(text) else {
            throw SettingsError(problems: ["\(option): '\(text)' is neither a day, such as 2025-03-01, nor a time"])
        }
        return time
    }
}
