/// Pieces of generated Swift.
enum SwiftText {
    static func header(_ specPath: String) -> String {
        "// Generated from \(specPath) by schema-generator. Do not edit.\n"
    }

    /// A string literal.
    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    result += "\\u{\(String(scalar.value, radix: 16))}"
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }

    /// A literal of many lines, indented by four.
    static func text(_ text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let body = lines.map { $0.isEmpty ? "" : "        \($0)" }.joined(separator: "\n")
        return "##\"\"\"\n\(body)\n        \"\"\"##"
    }

    /// `0x0010_0020`.
    static func tag(_ tag: UInt32) -> String {
        let digits = SQLText.hexadecimal(tag)
        return "0x\(digits.prefix(4))_\(digits.suffix(4))"
    }

    static func tags(_ tags: [UInt32]) -> String { tags.map(tag).joined(separator: ", ") }
}
