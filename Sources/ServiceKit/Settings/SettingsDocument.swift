/// Help and documentation of settings.
extension SettingsCatalogue {
    /// The text of `--help` below the usage line, of these sections (nil: all), 100 columns wide.
    public func help(sections wanted: [String]? = nil) -> String {
        var text = ""
        for section in sections where wanted?.contains(section.name) ?? true {
            text += "\n\(section.title)\n"
            for setting in section.settings {
                let declaration = setting.declaration
                text += "  \(declaration.flag)\(declaration.kind == .flag ? "" : " ")\(declaration.form)\n"
                let value = declaration.defaultText.isEmpty ? "none" : declaration.defaultText
                for line in wrap("\(declaration.meaning) Default: \(value).", width: 92) { text += "        \(line)\n" }
            }
        }
        text += """

            Each setting may also stand in the environment (--dicom-port: WADO_DICOM_PORT) or in a YAML file
            (--config FILE or WADO_CONFIG; section dicom, name port). A flag wins over the environment, that over the
            file. Several values of a list have commas between them. Of what is true or false the flag alone means
            true, and with --no- in front of its name false.

            """
        return text
    }

    /// The tables of docs/settings.md.
    public var markdown: String {
        var text = ""
        for section in sections {
            text +=
                "## \(section.title)\n\n| setting | flag and variable | type | default | meaning |\n|---|---|---|---|---|\n"
            for setting in section.settings {
                let declaration = setting.declaration
                let value = declaration.defaultText.isEmpty ? "" : "`\(cell(declaration.defaultText))`"
                text += "| `\(declaration.name)` | `\(declaration.flag)` `\(declaration.variable)` "
                text += "| \(cell(type(declaration))) | \(value) | \(cell(declaration.meaning)) |\n"
            }
            text += "\n"
        }
        return text
    }

    private func type(_ declaration: SettingDeclaration) -> String {
        let unit = declaration.unit.isEmpty ? "" : " \(declaration.unit)"
        let secret = declaration.isSecret ? ", secret" : ""
        switch declaration.kind {
        case .text: return "text\(secret)"
        case .path: return "path"
        case .integer(let range):
            return range.upperBound == .max
                ? "\(range.lowerBound) or more\(unit)" : "\(range.lowerBound) to \(range.upperBound)\(unit)"
        case .flag: return "true or false"
        case .choice(let choices): return choices.map { "`\($0)`" }.joined(separator: ", ")
        case .list: return "list"
        case .map: return "map"
        }
    }

    private func cell(_ text: String) -> String { text.map { $0 == "|" ? "\\|" : String($0) }.joined() }

    private func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + word.count < width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
