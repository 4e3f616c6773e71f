internal import DICOMDictionary

/// Decides whether an instance's DICOM JSON satisfies matches: those that the index has no columns for, and all matches
/// of instances. A value matches when one of several does (PS3.4 C.2.2.3); in a sequence, when one item does.
public struct QIDOMatcher: Sendable {
    fileprivate enum Test: Sendable {
        case anything
        case never
        case absent
        /// Exactly these bytes (padding trimmed).
        case bytes([[UInt8]])
        case patterns([TextPattern])
        case number(Double)
        case range(QIDORange, VR)
    }

    private struct Compiled: Sendable {
        var tags: [Tag]
        /// The place of the first tag in the reader's.
        var root: Int
        var test: Test
    }

    private let reader: JSONInstanceReader
    private let matches: [Compiled]

    /// - Parameter fuzzy: The query's `fuzzyMatching`.
    public init(_ matches: [QIDOMatch], fuzzy: Bool = false) {
        let matches = matches.filter { $0.matching != .universal }
        let reader = JSONInstanceReader(tags: matches.map { $0.path.tags[0] })
        self.reader = reader
        self.matches = matches.map { match in
            Compiled(
                tags: match.path.tags, root: reader.tags.firstIndex(of: match.path.tags[0]) ?? 0,
                test: Self.test(match, fuzzy))
        }
    }

    /// Nothing to decide: every instance matches.
    public var isTrivial: Bool { matches.isEmpty }

    /// Whether the instance satisfies all matches. Throws when the bytes are not a DICOM JSON object, as far as it read.
    public func matches(_ json: RawSpan) throws(DICOMJSONError) -> Bool {
        if isTrivial { return true }
        let result = json.withUnsafeBytes { bytes -> Result<Bool, DICOMJSONError> in
            do throws(DICOMJSONError) { return .success(try matches(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func matches(_ bytes: UnsafeRawBufferPointer) throws(DICOMJSONError) -> Bool {
        var found: [Range<Int>] = []
        try reader.find(in: bytes, &found)
        for match in matches {
            guard try evaluate(match.tags[...], match.test, bytes, found[match.root]) else { return false }
        }
        return true
    }

    private func evaluate(
        _ tags: ArraySlice<Tag>, _ test: Test, _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>
    ) throws(DICOMJSONError) -> Bool {
        if tags.count > 1 {
            guard !range.isEmpty else { return test.isAbsent }
            let inner = JSONInstanceReader(tags: [tags[tags.startIndex + 1]])
            var result = false
            var hasItem = false
            try JSONAttribute(bytes: bytes, range: range).forEachValue { value throws(DICOMJSONError) in
                guard case .item(let item) = value else { return true }
                hasItem = true
                var found: [Range<Int>] = []
                let slice = UnsafeRawBufferPointer(rebasing: bytes[item])
                try inner.find(in: slice, &found)
                result = try evaluate(tags.dropFirst(), test, slice, found.first ?? 0..<0)
                return !result
            }
            return hasItem ? result : test.isAbsent
        }
        var hasValue = false
        var result = false
        if !range.isEmpty {
            let parser = JSONPullParser(bytes)
            try JSONAttribute(bytes: bytes, range: range).forEachValue { value throws(DICOMJSONError) in
                if case .null = value { return true }
                hasValue = true
                result = try test.accepts(value, parser)
                return !result
            }
        }
        return test.isAbsent ? !hasValue : result
    }

    private static func test(_ match: QIDOMatch, _ fuzzy: Bool) -> Test {
        switch match.matching {
        case .universal: return .anything
        case .empty: return .absent
        case .uidList(let uids): return uids.isEmpty ? .never : .bytes(uids.map { Array($0.utf8) })
        case .range(let range): return .range(range, match.vr)
        case .single(let text):
            switch match.vr {
            case .da, .tm, .dt: return .range(QIDORange(lower: text, upper: text), match.vr)
            case .is, .ds, .fl, .fd, .ss, .us, .sl, .ul, .sv, .uv: return Double(text).map { .number($0) } ?? .never
            case .pn: return .patterns([TextPattern(text, hasWildcards: false, isName: true, isFuzzy: fuzzy)])
            case .un: return .patterns([TextPattern(text, hasWildcards: false, isName: false, isFuzzy: false)])
            default: return .bytes([Array(text.utf8)])
            }
        case .wildcard(let text):
            return .patterns([TextPattern(text, hasWildcards: true, isName: match.vr == .pn, isFuzzy: false)])
        case .anyOf(let parts):
            return .patterns(
                parts.compactMap { part in
                    switch part {
                    case .single(let text): TextPattern(text, hasWildcards: false, isName: false, isFuzzy: false)
                    case .wildcard(let text): TextPattern(text, hasWildcards: true, isName: false, isFuzzy: false)
                    default: nil
                    }
                })
        }
    }
}

extension QIDOMatcher.Test {
    fileprivate var isAbsent: Bool { if case .absent = self { true } else { false } }

    fileprivate func accepts(_ value: JSONAttribute.Value, _ parser: JSONPullParser) throws(DICOMJSONError) -> Bool {
        switch (self, value) {
        case (.anything, _): return true
        case (.never, _), (.absent, _), (_, .null), (_, .item): return false
        case (.bytes(let wanted), .text(let text)):
            guard text.hasEscapes else {
                let range = Self.trimmed(text.range, parser.bytes)
                return wanted.contains { $0.count == range.count && $0.elementsEqual(parser.bytes[range]) }
            }
            let content = try parser.content(text)
            return content.withUnsafeBytes { bytes in
                let range = Self.trimmed(0..<bytes.count, bytes)
                return wanted.contains { $0.elementsEqual(bytes[range]) }
            }
        case (.bytes, _): return false
        case (.patterns(let patterns), .text(let text)):
            let string = QIDOQuery.trimmed(try parser.string(text)[...])
            return patterns.contains { $0.matches(string) }
        case (.patterns(let patterns), .number(let range)):
            let string = String(decoding: parser.bytes[range], as: UTF8.self)
            return patterns.contains { $0.matches(string) }
        case (.patterns(let patterns), .name(let groups)):
            var names: [String] = []
            for group in groups { names.append(try parser.string(group)) }
            // A name may be asked for by one component group or by all of them.
            names.append(names.joined(separator: "="))
            return names.contains { name in patterns.contains { $0.matches(name) } }
        case (.number(let wanted), .number(let range)):
            return Double(String(decoding: parser.bytes[range], as: UTF8.self)) == wanted
        case (.number(let wanted), .text(let text)): return Double(try parser.string(text)) == wanted
        case (.number, .name), (.range, .number), (.range, .name): return false
        case (.range(let bounds, let vr), .text(let text)):
            let range = Self.trimmed(text.range, parser.bytes)
            guard !text.hasEscapes, let value = TemporalValue(Array(parser.bytes[range])[...], vr) else { return false }
            return (bounds.lower ?? "") <= value.lower && bounds.upper.map { value.lower <= $0 } ?? true
        }
    }

    private static func trimmed(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, bytes[start] == 0x20 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 { end -= 1 }
        return start..<end
    }
}
