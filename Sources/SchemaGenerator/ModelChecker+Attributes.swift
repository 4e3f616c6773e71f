import Dictionary

extension ModelChecker {
    /// The element that a keyword or a (gggg,eeee) names.
    mutating func element(_ name: Marked<String>) -> ElementEntry? {
        let element: ElementEntry?
        if name.value.hasPrefix("(") {
            guard let tag = Self.tag(name.value) else {
                error("`\(name.value)` is no tag; write (gggg,eeee) in hexadecimal digits", name.mark)
                return nil
            }
            guard tag & 0x1_0000 == 0 else {
                error(
                    "\(name.value) is private, and its block differs from file to file; name its creator instead, as in "
                        + "(\(name.value.dropFirst().prefix(4)),\"CREATOR\",\(name.value.dropLast().suffix(2)))",
                    name.mark)
                return nil
            }
            element = registry.element(tag: tag)
            if element == nil { error("the dictionary has no \(name.value)", name.mark) }
        } else {
            element = registry.element(keyword: name.value)
            if element == nil {
                let hint = registry.nearestKeyword(to: name.value).map { "; did you mean `\($0)`?" } ?? ""
                error("the dictionary has no keyword `\(name.value)`\(hint)", name.mark)
            }
        }
        guard let element else { return nil }
        if element.isRetired {
            warn("\(element.keyword) is retired; few instances will have it", name.mark)
        }
        if element.isRepeating {
            error("\(element.keyword) stands in repeating groups; one column cannot hold them", name.mark)
            return nil
        }
        if element.tag >> 16 == 2 {
            error(
                "\(element.keyword) is file meta information, which no data set has; see `from: transfer_syntax_uid` "
                    + "and `from: sop_class_uid`", name.mark)
            return nil
        }
        return element
    }

    /// Reads `A[0].B[1].C`.
    mutating func attributePath(_ spec: ColumnSpec, _ written: Marked<String>) -> AttributePath? {
        var steps: [AttributePath.Step] = []
        var mark = written.mark
        let parts = Self.parts(of: written.value)
        if parts.count > 8 {
            error("a path of \(parts.count) parts; more than 8 are not followed", mark)
            return nil
        }
        for (position, part) in parts.enumerated() {
            var name = part
            var item: AttributePath.Item?
            // The name of a creator may have brackets.
            if let bracket = part.lastIndex(of: "["), part.last == "]" || !part.contains("\"") {
                name = part[..<bracket]
                guard part.last == "]", let written = Self.item(part[part.index(after: bracket)...].dropLast()) else {
                    error("`\(part)` must end in an item's number, [0] for the first, or in [*] for all", mark)
                    return nil
                }
                item = written
            }
            let isLast = position == parts.count - 1
            let named = pathElement(Marked(value: String(name), mark: mark), spec, isSequence: !isLast)
            guard let (element, creator) = named else { return nil }
            if !isLast {
                guard element.vrs == [.sq] else {
                    error(
                        "\(element.keyword) is \(Self.vrs(element)) and no sequence, so nothing can be inside of it",
                        mark)
                    return nil
                }
                guard let item else {
                    error(
                        "\(element.keyword) is a sequence; say which item, \(element.keyword)[0] for the first or "
                            + "\(element.keyword)[*] for all", mark)
                    return nil
                }
                steps.append(AttributePath.Step(sequence: element, creator: creator, item: item))
            } else {
                if item != nil {
                    error(
                        element.vrs == [.sq]
                            ? "\(part) is an item; say which attribute of it, as in \(part).CodeValue"
                            : "\(element.keyword) is no sequence; for one of several values write `index: N`, for all `values: all`",
                        mark)
                    return nil
                }
                return attributePath(spec, steps, (element, creator), written.mark)
            }
            mark.column += part.utf8.count + 1
        }
        return nil
    }

    private mutating func attributePath(
        _ spec: ColumnSpec, _ steps: [AttributePath.Step], _ named: PathElement, _ mark: Mark
    ) -> AttributePath? {
        let element = named.entry
        let usable = element.vrs.filter { !TypeModel.choices(of: $0).isEmpty }
        guard let vr = usable.first else {
            let what =
                element.vrs == [.sq]
                ? "is a sequence; take an attribute of an item, as in \(element.keyword)[0].CodeValue"
                : "is \(Self.vrs(element)), which no column can hold"
            error("\(element.keyword) \(what)", mark)
            return nil
        }
        let root = steps.first?.sequence ?? element
        if root.tag >= 0x7FE0_0008 {
            error("\(root.keyword) stands behind Pixel Data, where instances are not read", mark)
            return nil
        }
        let choice = choice(spec, element, vr, mark)
        if element.isSingleValued, choice != .single,
            let mark = spec.index?.mark ?? spec.join?.mark ?? spec.values?.mark
        {
            error("\(element.keyword) has one value only; leave this out", mark)
        }
        let path = AttributePath(steps: steps, element: element, creator: named.creator, vr: vr, choice: choice)
        if !element.isSingleValued, choice == .single {
            let all = path.takesAllItems ? "" : ", `values: all` for all in an array,"
            error(
                "\(element.keyword) can have several values (VM \(element.vm)); add `index: 0` for the first\(all) or "
                    + "`join: true` for all as one text", mark)
        }
        if choice == .all, path.takesAllItems, let mark = spec.values?.mark {
            error(
                "[*] makes an array with one element of each item; take one value of each by `index: N`, or all as one "
                    + "text by `join: true`", mark)
        }
        return path
    }

    /// Which of several values.
    private mutating func choice(
        _ spec: ColumnSpec, _ element: ElementEntry, _ vr: ValueRepresentation, _ mark: Mark
    ) -> AttributePath.Choice {
        if let values = spec.values, values.value != "all" {
            error("`values` can only be all, and this is `\(values.value)`", values.mark)
        }
        let isJoined = spec.join?.value == true
        let marks = [spec.index?.mark, isJoined ? spec.join?.mark : nil, spec.values?.mark].compactMap { $0 }
        if marks.count > 1, let first = marks.first {
            error(
                "`index` takes one value, `join` all as one text and `values` all as an array; use one of them", first)
        }
        if let index = spec.index { return .index(index.value) }
        if isJoined {
            if !TypeModel.choices(of: vr).contains("text(N)") {
                error("\(element.keyword) is \(vr.rawValue), whose values are no text and cannot be joined", mark)
            }
            return .joined
        }
        return spec.values == nil ? .single : .all
    }

    private static func item(_ text: Substring) -> AttributePath.Item? {
        if text == "*" { return .all }
        return Int(text).flatMap { (0..<1000).contains($0) ? .number($0) : nil }
    }

    private static func vrs(_ element: ElementEntry) -> String {
        element.vrs.isEmpty ? "without a VR" : element.vrs.map(\.rawValue).joined(separator: " or ")
    }

    /// Reads `(gggg,eeee)`.
    static func tag(_ text: String) -> UInt32? {
        let bytes = Array(text.utf8)
        guard bytes.count == 11, bytes[5] == UInt8(ascii: ","), bytes[10] == UInt8(ascii: ")"),
            let group = UInt16(String(decoding: bytes[1..<5], as: UTF8.self), radix: 16),
            let element = UInt16(String(decoding: bytes[6..<10], as: UTF8.self), radix: 16)
        else { return nil }
        return UInt32(group) << 16 | UInt32(element)
    }
}
