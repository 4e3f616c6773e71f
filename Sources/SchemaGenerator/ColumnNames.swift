/// Names of tables and columns in Swift.
package enum ColumnNames {
    /// `study_uid` is `studyUID`, `sop_class_uid` is `sopClassUID`, `patient_id` is `patientID`.
    package static func swiftName(_ column: String) -> String {
        let words = column.split(separator: "_").map(String.init)
        guard let first = words.first else { return column }
        let name =
            first + words.dropFirst().map { acronyms.contains($0) ? $0.uppercased() : capitalized($0) }.joined()
        // What every row has already.
        return ["self", "init", "hashValue"].contains(name) ? name + "Column" : name
    }

    /// As the label of an argument.
    package static func swiftLabel(_ column: String) -> String {
        let name = swiftName(column)
        return ["inout", "var", "let"].contains(name) ? "`\(name)`" : name
    }

    /// In backticks where it is a reserved word.
    package static func swiftIdentifier(_ column: String) -> String {
        let name = swiftName(column)
        return reserved.contains(name) ? "`\(name)`" : name
    }

    /// `dicom_state_meta` is `DicomStateMetaRow`.
    package static func rowName(_ table: String) -> String {
        table.split(separator: "_").map { capitalized(String($0)) }.joined() + "Row"
    }

    /// A small letter, then small letters, digits and single underscores; what both databases take without quotes.
    package static func isLegal(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard let first = bytes.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first, bytes.count <= 63,
            bytes.last != UInt8(ascii: "_"), !name.contains("__")
        else { return false }
        return bytes.allSatisfy {
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                || $0 == UInt8(ascii: "_")
        }
    }

    private static func capitalized(_ word: String) -> String { word.prefix(1).uppercased() + word.dropFirst() }

    private static let acronyms: Set<String> = ["ae", "id", "ip", "json", "sop", "ts", "uid", "uri", "url", "utc"]

    private static let reserved: Set<String> = [
        "actor", "any", "as", "associatedtype", "async", "await", "break", "case", "catch", "class", "continue",
        "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for",
        "func", "guard", "if", "import", "in", "inout", "internal", "is", "let", "nil", "open", "operator",
        "precedencegroup", "private", "protocol", "public", "repeat", "rethrows", "return", "some", "static",
        "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var", "where",
        "while",
    ]
}
