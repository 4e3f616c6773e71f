/// The name that a keyword of the standard has in Swift. One rule for all that is generated.
public enum KeywordNames {
    /// `SOPInstanceUID` is `sopInstanceUID`, `KVP` is `kvp`: the first word in small letters, the rest as it is.
    /// A keyword that starts with a digit gets an underscore in front. Not quoted: see `swiftIdentifier`.
    public static func swiftName(_ keyword: String) -> String {
        let words = words(keyword)
        guard let first = words.first else { return "" }
        let name = first.lowercased() + words.dropFirst().joined()
        return name.first.map(\.isNumber) ?? false ? "_" + name : name
    }

    /// The Swift name, in backticks where it is a reserved word.
    public static func swiftIdentifier(_ keyword: String) -> String {
        let name = swiftName(keyword)
        return reserved.contains(name) ? "`\(name)`" : name
    }

    /// `SOPInstanceUID` is `SOP`, `Instance`, `UID`.
    ///
    /// A word is a capital with small letters (`Instance`), or capitals (`UID`), plural too (`IDs`); the last of
    /// several capitals before a small letter starts the next word. Digits belong to the capitals before them
    /// (`HL7`), but start a word after small letters (`Ray`, `3D`). What is no letter or digit only separates.
    static func words(_ keyword: String) -> [String] {
        let text = Array(keyword.utf8)
        var words: [String] = []
        var at = 0
        while at < text.count {
            let end = irregularEnd(text, at, after: words.last) ?? wordEnd(text, at)
            if end == at {
                at += 1
                continue
            }
            words.append(String(decoding: text[at..<end], as: UTF8.self))
            at = end
        }
        return words
    }

    /// The end of the word that starts here, or here when none does.
    private static func wordEnd(_ text: [UInt8], _ start: Int) -> Int {
        var end = start
        while end < text.count, isCapital(text[end]) || isDigit(text[end]) { end += 1 }
        guard end < text.count, isSmall(text[end]) else { return end }
        let run = end - start
        if run >= 2, text[end] == UInt8(ascii: "s"), end + 1 == text.count || isCapital(text[end + 1]),
            text[start..<end].allSatisfy(isCapital)
        {
            return end + 1
        }
        if run >= 2, isCapital(text[end - 1]) { return end - 1 }
        while end < text.count, isSmall(text[end]) { end += 1 }
        return end
    }

    /// The end of a word that the rule would tear: `CTDIvol`, and units after `In`.
    private static func irregularEnd(_ text: [UInt8], _ start: Int, after previous: String?) -> Int? {
        for word in previous == "In" ? units : irregular {
            let end = start + word.utf8.count
            guard end <= text.count, text[start..<end].elementsEqual(word.utf8) else { continue }
            if end == text.count || isCapital(text[end]) { return end }
        }
        if previous != "In", text.count > start + 2, text[start] == UInt8(ascii: "I"),
            text[start + 1] == UInt8(ascii: "n"),
            irregularEnd(text, start + 2, after: "In") != nil
        {
            return start + 2
        }
        return nil
    }

    private static let irregular = ["CTDIvol", "CIExy", "dBdt"]
    private static let units = ["mAs", "uAs", "mA", "uA", "ms", "uS", "mGy"]

    private static func isCapital(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") }
    private static func isSmall(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static let reserved: Set<String> = [
        "actor", "any", "as", "associatedtype", "async", "await", "borrowing", "break", "case", "catch", "class",
        "consuming", "continue", "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough",
        "false",
        "fileprivate", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is", "let", "nil",
        "open", "operator", "package", "precedencegroup", "private", "protocol", "public", "repeat", "rethrows",
        "return", "self", "some", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try",
        "typealias", "var", "where", "while",
    ]
}
