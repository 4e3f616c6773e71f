/// Pieces of Doris' SQL.
package enum DorisText {
    /// A string in double quotes, with backslash escapes.
    package static func string(_ text: String) -> String {
        // By scalars: a quote with an accent upon it is still a quote for Doris.
        var result: String.UnicodeScalarView = "\"".unicodeScalars
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: ["\\", "n"])
            default: result.append(scalar)
            }
        }
        result.append("\"")
        return String(result)
    }

    /// A name in backticks, reserved or not.
    package static func name(_ name: String) -> String {
        var result: String.UnicodeScalarView = "`".unicodeScalars
        for scalar in name.unicodeScalars { result.append(contentsOf: scalar == "`" ? ["`", "`"] : [scalar]) }
        result.append("`")
        return String(result)
    }

    /// Names with commas between them.
    package static func names(_ names: [String]) -> String { names.map(name).joined(separator: ", ") }

    /// `"name" = "value"` with commas between them, on lines of their own.
    package static func properties(_ entries: [(String, String)]) -> String {
        entries.map { "    \(string($0.0)) = \(string($0.1))" }.joined(separator: ",\n")
    }
}
