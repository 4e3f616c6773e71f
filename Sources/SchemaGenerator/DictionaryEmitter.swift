public import Dictionary

/// Writes the Swift sources of DICOMDictionary from the registry.
public enum DictionaryEmitter {
    /// The files, always these and in this order: the build plugin declares them.
    public static let fileNames = [
        "Tag+Elements.swift", "DataDictionary+Elements.swift", "UIDs.swift", "UIDRegistry+Entries.swift",
    ]

    /// Generates the files of `fileNames`.
    /// - Parameters:
    ///   - path: how diagnostics name the document, for example `dictionary/part06.xml`.
    /// - Throws: when two keywords become one Swift name.
    public static func files(path: String, registry: Registry) throws(GeneratorFailure) -> [GeneratedFile] {
        try checkNames(registry.elements.map { ($0.keyword, $0.line) }, path)
        try checkNames(registry.uids.map { ($0.keyword, $0.line) }, path)
        let heading = "// Generated from \(path), PS3.6 \(registry.edition). Do not edit.\n\n"
        return [
            GeneratedFile(name: fileNames[0], contents: heading + tagConstants(registry.elements)),
            GeneratedFile(name: fileNames[1], contents: heading + elementTable(registry)),
            GeneratedFile(name: fileNames[2], contents: heading + uidConstants(registry.uids)),
            GeneratedFile(name: fileNames[3], contents: heading + uidTable(registry.uids)),
        ]
    }

    private static func checkNames(_ keywords: [(String, Int)], _ path: String) throws(GeneratorFailure) {
        var first: [String: String] = [:]
        var problems: [Diagnostic] = []
        for (keyword, line) in keywords where !keyword.isEmpty {
            let name = KeywordNames.swiftName(keyword)
            if let other = first.updateValue(keyword, forKey: name) {
                problems.append(
                    Diagnostic(
                        path: path, line: line, severity: .error,
                        message: "the keywords \(other) and \(keyword) both become `\(name)` in Swift; "
                            + "change the rule in KeywordNames"))
            }
        }
        guard problems.isEmpty else { throw GeneratorFailure(problems) }
    }

    private static func tagConstants(_ elements: [ElementEntry]) -> String {
        var text = "extension Tag {\n"
        text.reserveCapacity(elements.count * 200)
        for element in elements where !element.keyword.isEmpty {
            let vr = element.vrs.isEmpty ? "none" : element.vrs.map(\.rawValue).joined(separator: " or ")
            text += "    /// \(element.writtenTag) VR=\(vr) VM=\(element.vm) \(element.name)"
            if element.isRetired { text += " (retired)" }
            if element.isRepeating { text += "; this is the first of them" }
            text += "\n    @inlinable public static var \(KeywordNames.swiftIdentifier(element.keyword)): Tag { "
            text += "Tag(0x\(SQLText.hexadecimal(element.tag))) }\n"
        }
        return text + "}\n"
    }

    /// The lines are in the order of tags: tag, index of the mask, `R` when retired, VRs, VM, keyword, name.
    private static func elementTable(_ registry: Registry) -> String {
        let masks = registry.masks
        var lines = ""
        lines.reserveCapacity(registry.elements.count * 80)
        for element in registry.elements {
            lines += SQLText.hexadecimal(element.tag)
            lines += String(masks.firstIndex(of: element.mask) ?? 0)
            lines += element.isRetired ? "R" : "-"
            for vr in element.vrs { lines += vr.rawValue }
            lines += "\t\(element.vm)\t\(element.keyword)\t\(escaped(element.name))\n"
        }
        return """
            extension DataDictionary {
                /// The edition of PS3.6 that this is.
                public static var edition: String { "\(escaped(registry.edition))" }

                /// Which bits of a tag are fixed, by the digit in each line; the first is of tags that have no `x`.
                static var masks: [UInt32] { [\(masks.map { "0x" + SQLText.hexadecimal($0) }.joined(separator: ", "))] }

                /// How many lines there are.
                static var elementCount: Int { \(registry.elements.count) }

                /// Each line: tag, digit of the mask, `R` when retired or `-`, VRs, then VM, keyword and name after tabs;
                /// each ends with a newline.
                static var elements: StaticString {
            \"""
            \(lines)
            \"""
                }
            }

            """
    }

    private static func uidConstants(_ uids: [UIDEntry]) -> String {
        var text = "/// The UIDs of PS3.6 Table A-1 by their keywords.\npublic enum UIDs {\n"
        for uid in uids where !uid.keyword.isEmpty {
            text += "    /// \(uid.uid) \(uid.kind): \(uid.name)\(uid.isRetired ? " (retired)" : "")\n"
            text += "    public static var \(KeywordNames.swiftIdentifier(uid.keyword)): String { \"\(uid.uid)\" }\n"
        }
        return text + "}\n"
    }

    private static func uidTable(_ uids: [UIDEntry]) -> String {
        var lines = ""
        for uid in uids {
            lines += "\(uid.isRetired ? "R" : "-")\(uid.isStorageSOPClass ? "S" : "-")\t\(uid.uid)\t"
            lines += "\(escaped(uid.kind))\t\(uid.keyword)\t\(escaped(uid.name))\n"
        }
        return """
            extension UIDRegistry {
                /// Each line: `R` when retired or `-`, `S` for a storage SOP class or `-`, then UID, type, keyword and
                /// name after tabs.
                static var entries: StaticString {
            \"""
            \(lines)\"""
                }
            }

            """
    }

    /// For the inside of a Swift literal; tabs separate columns, so none may be in a column (the reader leaves none).
    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") }) else { return text }
        return text.reduce(into: "") { result, character in
            if character == "\\" || character == "\"" { result.append("\\") }
            result.append(character)
        }
    }
}

extension Registry {
    /// The masks of the elements, that of ordinary ones first.
    fileprivate var masks: [UInt32] {
        [.max] + Set(elements.map(\.mask)).subtracting([.max]).sorted(by: >)
    }
}

extension UIDEntry {
    /// True for a SOP class whose instances are sent by C-STORE (PS3.4 B.5), those retired included: the name ends in
    /// `Storage`, or has a variant behind it (`Storage - For Processing`). The media storage directory is a file only
    /// (PS3.4 I.4.1.1), and storage commitment is another service. A retired row whose name was removed counts when
    /// its UID is among those of storage: an archive that is sent one had better keep it.
    public var isStorageSOPClass: Bool {
        // The edition of 2013 has the type of the colour palette cut off.
        guard kind == "SOP Class" || kind == "Transfer" else { return false }
        if name.isEmpty { return isRetired && uid.hasPrefix("1.2.840.10008.5.1.4.1.1.") }
        guard name != "Media Storage Directory Storage" else { return false }
        var name = name[...]
        if name.hasSuffix(" SOP Class") { name = name.dropLast(10) }
        return name.hasSuffix("Storage") || name.contains("Storage - ")
    }
}

extension GeneratorFailure {
    /// What is wrong with a PS3.6 file, with the path of the file.
    public init(path: String, _ failure: RegistryFailure) {
        self.init(
            failure.problems.map {
                Diagnostic(path: path, line: $0.line, severity: .error, message: $0.message)
            })
    }
}
