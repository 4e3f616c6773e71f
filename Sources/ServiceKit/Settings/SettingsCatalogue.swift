/// A declared setting of any type.
public struct AnySetting: Sendable {
    public let declaration: SettingDeclaration
    let parse: @Sendable (RawSetting) throws(SettingProblem) -> any Sendable

    public init<Value>(_ setting: Setting<Value>) {
        declaration = setting.declaration
        let parse = setting.parse
        self.parse = { raw throws(SettingProblem) in try parse(raw) }
    }
}

/// All the settings there are, in the order of their documentation.
public struct SettingsCatalogue: Sendable {
    /// Settings whose names begin alike.
    public struct Section: Sendable {
        /// The part of the names before the dot.
        public let name: String
        public let title: String
        public let settings: [AnySetting]

        public init(_ name: String, _ title: String, _ settings: [AnySetting]) {
            self.name = name
            self.title = title
            self.settings = settings
        }
    }

    public let sections: [Section]
    /// Variables that begin with `WADO_` and are no settings.
    let otherVariables: Set<String>
    private let byName: [String: AnySetting]
    private let flags: [String: SettingDeclaration]
    private let variables: [String: String]

    public init(_ sections: [Section], otherVariables: Set<String> = []) {
        self.sections = sections
        self.otherVariables = otherVariables
        let settings = sections.flatMap(\.settings)
        byName = Dictionary(uniqueKeysWithValues: settings.map { ($0.declaration.name, $0) })
        flags = Dictionary(uniqueKeysWithValues: settings.map { ($0.declaration.flag, $0.declaration) })
        variables = Dictionary(
            uniqueKeysWithValues: settings.map { ($0.declaration.variable, $0.declaration.name) })
    }

    public var declarations: [SettingDeclaration] { sections.flatMap { $0.settings.map(\.declaration) } }

    /// The longest settings file that is read, in bytes.
    static let maximumFileSize = 1 << 20

    /// Reads flags, variables and the settings file (`--config FILE` or `WADO_CONFIG`).
    /// - Parameters:
    ///   - arguments: the command line without the program's name.
    ///   - environment: all variables; those that do not begin with `WADO_` are nobody's business here.
    /// - Throws: all that is wrong, with what to do about it.
    public func read(arguments: [String], environment: [String: String]) throws(SettingsError) -> Settings {
        var problems: [String] = []
        var settings = Settings(catalogue: self)
        let (flags, others, flagProblems) = readFlags(arguments)
        settings.arguments = others
        let file = flags.last { $0.name == nil }?.value ?? environment["WADO_CONFIG"]
        if let file, !file.isEmpty { readFile(file, into: &settings, &problems) }
        readVariables(environment, into: &settings, &problems)
        problems += flagProblems
        for (name, values) in group(flags) {
            let raw: RawSetting = values.count == 1 ? .scalar(values[0].value) : .list(values.map(\.value))
            collect(&problems) { () throws(SettingsError) in
                try put(raw, name: name, source: .flag(values[0].flag), into: &settings)
            }
        }
        if !problems.isEmpty { throw SettingsError(problems: problems) }
        return settings
    }

    private func collect(_ problems: inout [String], _ body: () throws(SettingsError) -> Void) {
        do throws(SettingsError) {
            try body()
        } catch {
            problems += error.problems
        }
    }

    /// Checks a value and puts it in.
    func put(
        _ raw: RawSetting, name: String, source: Settings.Source, into settings: inout Settings
    ) throws(SettingsError) {
        guard let setting = byName[name] else {
            throw SettingsError(problems: ["\(source): there is no setting '\(name)'"])
        }
        var raw = raw
        if case .file(let path, _, _) = source, case .path = setting.declaration.kind, let text = raw.scalar,
            !text.isEmpty, !text.hasPrefix("/")
        {
            raw = .scalar(
                path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
            raw = .scalar((raw.text.isEmpty ? (path.hasPrefix("/") ? "/" : "") : raw.text + "/") + text)
        }
        do throws(SettingProblem) {
            let value = try setting.parse(raw)
            settings.entries[name] = Settings.Entry(raw: raw, source: source, value: value)
        } catch {
            throw SettingsError(problems: [
                "\(source): \(error.message); \(name) is \(setting.declaration.requirement): "
                    + setting.declaration.meaning
            ])
        }
    }

    // MARK: Flags

    /// A flag with its value; `name` is nil for `--config`.
    private typealias Flag = (name: String?, flag: String, value: String)

    private func readFlags(_ arguments: [String]) -> (flags: [Flag], others: [String], problems: [String]) {
        var found: [Flag] = []
        var others: [String] = []
        var problems: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                others += rest
                break
            }
            guard argument.hasPrefix("--") else {
                others.append(argument)
                continue
            }
            let mark = argument.firstIndex(of: "=")
            let flag = mark.map { String(argument[..<$0]) } ?? argument
            let attached = mark.map { String(argument[argument.index(after: $0)...]) }
            if attached == nil, flag.hasPrefix("--no-"), let declaration = flags["--" + flag.dropFirst(5)],
                case .flag = declaration.kind
            {
                found.append((name: declaration.name, flag: flag, value: "false"))
                continue
            }
            let declaration = flags[flag]
            guard declaration != nil || flag == "--config" else {
                problems.append("there is no flag \(flag)\(suggestion(flag, among: Array(flags.keys) + ["--config"]))")
                if attached == nil, let next = rest.first, !next.hasPrefix("-") { rest.removeFirst() }
                continue
            }
            if let attached {
                found.append((name: declaration?.name, flag: flag, value: attached))
            } else if case .flag? = declaration?.kind {
                // What follows is not its value, even if it looks like one.
                if let next = rest.first, ["true", "false"].contains(next) {
                    problems.append("\(flag) \(next): write \(flag)=\(next)")
                    rest.removeFirst()
                }
                found.append((name: declaration?.name, flag: flag, value: "true"))
            } else if let next = rest.popFirst() {
                found.append((name: declaration?.name, flag: flag, value: next))
            } else {
                problems.append("\(flag) needs a value: \(flag) \(declaration?.form ?? "PATH")")
            }
        }
        return (found, others, problems)
    }

    /// Flags by setting; several of a list or map add up, of the others the last one counts.
    private func group(_ flags: [Flag]) -> [(String, [Flag])] {
        var groups: [(String, [Flag])] = []
        for flag in flags {
            guard let name = flag.name else { continue }
            if let index = groups.firstIndex(where: { $0.0 == name }) {
                switch byName[name]?.declaration.kind {
                case .list, .map: groups[index].1.append(flag)
                default: groups[index].1 = [flag]
                }
            } else {
                groups.append((name, [flag]))
            }
        }
        return groups
    }

    // MARK: Environment variables

    private func readVariables(
        _ environment: [String: String], into settings: inout Settings, _ problems: inout [String]
    ) {
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix("WADO_") {
            guard let name = variables[variable] else {
                if variable != "WADO_CONFIG", !otherVariables.contains(variable), !isServiceLink(variable) {
                    problems.append(
                        "environment variable \(variable): there is no such setting"
                            + suggestion(variable, among: Array(variables.keys) + ["WADO_CONFIG"]))
                }
                continue
            }
            collect(&problems) { () throws(SettingsError) in
                try put(.scalar(value), name: name, source: .variable(variable), into: &settings)
            }
        }
    }

    /// Kubernetes sets `WADO_SERVER_SERVICE_HOST`, `WADO_SERVER_PORT_9999_TCP_ADDR` and such of its own accord.
    private func isServiceLink(_ variable: String) -> Bool {
        let parts = variable.split(separator: "_")
        return variable.hasSuffix("_SERVICE_HOST") || variable.hasSuffix("_SERVICE_PORT")
            || parts.contains("TCP") || parts.contains("UDP") || variable.hasSuffix("_PORT")
            || variable.contains("_SERVICE_PORT_")
    }

    // MARK: The settings file

    private func readFile(_ path: String, into settings: inout Settings, _ problems: inout [String]) {
        guard let bytes = ProcessFiles.bytes(path, limit: SettingsCatalogue.maximumFileSize + 1) else {
            problems.append("\(path): the settings file cannot be read; check --config or WADO_CONFIG, and its owner")
            return
        }
        guard bytes.count <= SettingsCatalogue.maximumFileSize else {
            problems.append("\(path): larger than 1 MiB; this is no settings file")
            return
        }
        do throws(YAMLError) {
            guard let root = try SettingsYAML.parse(bytes) else { return }
            readNode(root, prefix: "", path: path, into: &settings, &problems)
        } catch {
            problems.append("\(path):\(error.place.line):\(error.place.column): \(error.message)")
        }
    }

    private func readNode(
        _ node: YAMLNode, prefix: String, path: String, into settings: inout Settings, _ problems: inout [String]
    ) {
        func at(_ place: YAMLPlace) -> Settings.Source {
            .file(path: path, line: place.line, column: place.column)
        }
        guard case .mapping(let pairs) = node.content else {
            if case .scalar(let text) = node.content, text.isEmpty || text == "~" { return }
            let name = prefix.isEmpty ? "the file" : prefix
            problems.append("\(at(node.place)): \(name) holds settings: write 'name: value' lines below it")
            return
        }
        for (key, value) in pairs {
            let name = prefix.isEmpty ? key.text : "\(prefix).\(key.text)"
            if byName[name] != nil {
                guard let raw = raw(value) else {
                    problems.append("\(at(value.place)): \(name) is no nested value")
                    continue
                }
                if raw == .scalar("~") || raw == .scalar("null") { continue }
                collect(&problems) { () throws(SettingsError) in
                    try put(raw, name: name, source: at(value.place), into: &settings)
                }
            } else if byName.keys.contains(where: { $0.hasPrefix(name + ".") }) {
                readNode(value, prefix: name, path: path, into: &settings, &problems)
            } else {
                let names = Array(byName.keys) + sections.map(\.name)
                problems.append("\(at(key.place)): there is no setting '\(name)'\(suggestion(name, among: names))")
            }
        }
    }

    private func raw(_ node: YAMLNode) -> RawSetting? {
        func scalar(_ node: YAMLNode) -> String? {
            if case .scalar(let text) = node.content { text } else { nil }
        }
        switch node.content {
        case .scalar(let text): return .scalar(text)
        case .sequence(let nodes):
            let texts = nodes.compactMap(scalar)
            return texts.count == nodes.count ? .list(texts) : nil
        case .mapping(let pairs):
            var map: [String: String] = [:]
            for (key, value) in pairs {
                guard let text = scalar(value) else { return nil }
                map[key.text] = text
            }
            return .map(map)
        }
    }

    // MARK: Suggestions

    private func suggestion(_ name: String, among names: [String]) -> String {
        guard let nearest = Nearest.name(to: name, among: names) else { return "; --help lists them" }
        return "; did you mean \(nearest)?"
    }
}
