import Dictionary

/// Private elements (PS3.5 7.8), which the spec names by their creator: `(0029,"SIEMENS CSA HEADER",08)`.
extension ModelChecker {
    /// An element of a path, and who reserves its block if it is private.
    typealias PathElement = (entry: ElementEntry, creator: AttributePath.Creator?)

    /// The element that a part of a path names. Of a private one the spec tells VR and VM; sequences are SQ.
    mutating func pathElement(_ name: Marked<String>, _ spec: ColumnSpec, isSequence: Bool) -> PathElement? {
        guard name.value.hasPrefix("("), name.value.contains("\"") else {
            guard let entry = element(name) else { return nil }
            if !isSequence, let given = spec.vr ?? spec.vm {
                error("the dictionary tells VR and VM of \(entry.keyword); leave this out", given.mark)
            }
            return (entry, nil)
        }
        guard let (group, creator, element) = Self.privateElement(name.value) else {
            error(
                "`\(name.value)` is no private tag; write (gggg,\"CREATOR\",ee): group and element in hexadecimal digits, "
                    + "without the block, and the creator as files have it", name.mark)
            return nil
        }
        // PS3.5 7.1 and 7.8: groups 0001 to 0007 and FFFF are nobody's.
        guard group & 1 == 1, group > 8, group != 0xFFFF else {
            error(
                "group \(SQLText.hexadecimal(UInt32(group)).suffix(4)) is not private; private groups are odd",
                name.mark)
            return nil
        }
        guard isSequence || spec.vr != nil else {
            error("no dictionary tells the VR of a private element; add a `vr:`, such as `vr: LO`", name.mark)
            return nil
        }
        var vr = ValueRepresentation.sq
        if !isSequence, let written = spec.vr {
            guard let known = one(of: ValueRepresentation.allCases, written, "VR") else { return nil }
            vr = known
        }
        var vm = "1"
        if !isSequence, let written = spec.vm {
            if Self.isMultiplicity(written.value) {
                vm = written.value
            } else {
                error("`\(written.value)` is no VM; write 1, 3, 1-n or 2-4, as the standard does", written.mark)
            }
        }
        let tag = UInt32(group) << 16
        let block = block(of: creator, group)
        return (
            ElementEntry(
                tag: tag | block << 8 | UInt32(element), name: "", keyword: name.value, vrs: [vr], vm: vm,
                isRetired: false, line: 0),
            AttributePath.Creator(name: creator, tag: tag | block)
        )
    }

    /// Creators of a group have blocks in the order of the spec, so that no two elements have one tag.
    private mutating func block(of creator: String, _ group: UInt16) -> UInt32 {
        let known = creators[group, default: []]
        let place = known.firstIndex(of: creator) ?? known.count
        if place == known.count { creators[group] = known + [creator] }
        return UInt32(0x10 + place)
    }

    /// Reads `(gggg,"CREATOR",ee)`.
    static func privateElement(_ text: String) -> (group: UInt16, creator: String, element: UInt8)? {
        guard text.hasPrefix("("), text.hasSuffix(")"), let open = text.firstIndex(of: "\""),
            let close = text.lastIndex(of: "\""), open < close
        else { return nil }
        let first = text[text.index(after: text.startIndex)..<open]
        let last = text[text.index(after: close)...].dropLast()
        let creator = text[text.index(after: open)..<close]
        guard first.utf8.count == 5, first.hasSuffix(","), let group = UInt16(first.dropLast(), radix: 16),
            last.utf8.count == 3, last.hasPrefix(","), let element = UInt8(last.dropFirst(), radix: 16),
            1...64 ~= creator.unicodeScalars.count, creator.first != " ", creator.last != " ",
            creator.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "\"" && $0 != "\\" && $0.value != 0x7F })
        else { return nil }
        return (group, String(creator), element)
    }

    private static func isMultiplicity(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first.flatMap({ Int($0) }), first > 0 else { return false }
        return parts.count == 1 || parts[1] == "n" || Int(parts[1]).map { $0 >= first } ?? false
    }

    /// The parts of a path: full stops between, but for those in the name of a creator.
    static func parts(of path: String) -> [Substring] {
        var parts: [Substring] = []
        var start = path.startIndex
        var isQuoted = false
        for index in path.indices {
            if path[index] == "\"" { isQuoted.toggle() }
            if path[index] == ".", !isQuoted {
                parts.append(path[start..<index])
                start = path.index(after: index)
            }
        }
        return parts + [path[start...]]
    }
}
