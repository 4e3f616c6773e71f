public import DICOMDictionary

/// What a query looks for (PS3.18 10.6).
public enum QIDOLevel: Int, Hashable, Sendable, CaseIterable, Comparable {
    case studies, series, instances

    public static func < (a: QIDOLevel, b: QIDOLevel) -> Bool { a.rawValue < b.rawValue }
}

/// A parsed QIDO-RS request (PS3.18 8.3.4, 10.6).
public struct QIDOQuery: Hashable, Sendable {
    /// Bounds on a query; what exceeds them is answered 400.
    public struct Limits: Hashable, Sendable {
        /// Bytes of the raw query string.
        public var queryBytes = 65_536
        /// Parameters.
        public var parameters = 256
        /// Values of a UID list or another list.
        public var listValues = 2_000
        /// Characters of one value to be matched, lists excepted.
        public var valueCharacters = 1_024
        public var includeFields = 1_000

        public init() {}
    }

    /// A name and a value, percent-decoded.
    public typealias Item = (name: String, value: String)

    public var level: QIDOLevel
    /// In the order of the request, UIDs of the path first; at most one for each attribute, except a UID that was in the
    /// path and the query: both must hold.
    public var matches: [QIDOMatch] = []
    /// The most results to return; nil when not asked for. At least 0; larger numbers than an Int32 holds are cut to it.
    public var limit: Int?
    /// Results to skip. At least 0.
    public var offset = 0
    public var fuzzyMatching = false
    /// `includefield=all`.
    public var includesAll = false
    /// Each once, in the order of the request.
    public var includeFields: [AttributePath] = []
    /// How many UIDs the path named: the study's, and the series'.
    public private(set) var pathUIDs = 0
    /// Whose blocks the request means by private tags at the root, by the tags that reserve them (`resolvePrivateElements`).
    public internal(set) var privateCreators: [Tag: String] = [:]
    /// What was passed over, for the response's Warning header (`299`).
    public var warnings: [String] = []

    /// - Parameters:
    ///   - studyUID: From the path, as are the others.
    ///   - queryItems: Percent-decoded, in their order, duplicates kept.
    public init(
        level: QIDOLevel, studyUID: String? = nil, seriesUID: String? = nil, queryItems: [Item],
        limits: Limits = Limits()
    ) throws(QIDOError) {
        self.level = level
        for (tag, uid) in [(Tag(0x0020_000D), studyUID), (Tag(0x0020_000E), seriesUID)] {
            guard let uid else { break }
            pathUIDs += 1
            let path = AttributePath(tag)
            guard UIDRule.isUID(uid.utf8) else {
                throw QIDOError(.invalidValue, path.description, "the UID in the path is not one")
            }
            matches.append(QIDOMatch(path: path, vr: .ui, matching: .uidList([uid])))
        }
        guard queryItems.count <= limits.parameters else {
            throw QIDOError(.tooLarge, nil, "more than \(limits.parameters) query parameters")
        }
        var emptyValueMatching = false
        for item in queryItems where item.name == "emptyvaluematching" {
            emptyValueMatching = try Self.boolean(item)
        }
        var sent: [AttributePath: String] = [:]
        var included: Set<AttributePath> = []
        var offset: Int?
        var fuzzy: Bool?
        for item in queryItems {
            switch item.name {
            case "limit": limit = try Self.once(limit, Self.number(item), item.name)
            case "offset": offset = try Self.once(offset, Self.number(item), item.name)
            case "fuzzymatching": fuzzy = try Self.once(fuzzy, Self.boolean(item), item.name)
            case "includefield": try include(item.value, &included, limits)
            case "multiplevaluematching":
                if try Self.boolean(item) { warnings.append("multiplevaluematching is not supported and was ignored") }
            case "emptyvaluematching", "accept", "charset", "": break
            default:
                // PS3.18 8.3: an unsupported parameter is ignored; who mistyped an attribute learns it from the warning.
                guard let path = AttributePath(item.name) else {
                    warn(
                        "\(Self.word(item.name[...], or: "a parameter")) is neither a parameter of a search nor an"
                            + " attribute (PatientID, 00100020, 00400275.00400009) and was ignored", limits)
                    continue
                }
                if let earlier = sent.updateValue(item.value, forKey: path) {
                    // Some viewers send StudyInstanceUID twice.
                    guard earlier == item.value else {
                        throw QIDOError(.duplicate, item.name, "given twice with different values; send one")
                    }
                    continue
                }
                let parser = QIDOValueParser(
                    name: item.name, path: path, limits: limits, emptyValueMatching: emptyValueMatching)
                matches.append(QIDOMatch(path: path, vr: path.vr, matching: try parser.parse(item.value)))
            }
        }
        self.offset = offset ?? 0
        fuzzyMatching = fuzzy ?? false
    }

    /// Parses the part of a URI behind the question mark.
    public init(
        level: QIDOLevel, studyUID: String? = nil, seriesUID: String? = nil, query: String, limits: Limits = Limits()
    ) throws(QIDOError) {
        let items = try Self.items(query, limits: limits)
        try self.init(level: level, studyUID: studyUID, seriesUID: seriesUID, queryItems: items, limits: limits)
    }

    private mutating func include(
        _ value: String, _ included: inout Set<AttributePath>, _ limits: Limits
    ) throws(QIDOError) {
        for name in value.split(separator: ",") {
            if name == "all" {
                includesAll = true
                continue
            }
            guard let path = AttributePath(Self.trimmed(name)) else {
                let field = Self.word(name, or: "")
                warn("includefield\(field.isEmpty ? "" : " " + field) is no known attribute and was ignored", limits)
                continue
            }
            guard included.insert(path).inserted else { continue }
            guard included.count <= limits.includeFields else {
                throw QIDOError(.tooLarge, "includefield", "more than \(limits.includeFields) attributes")
            }
            includeFields.append(path)
        }
    }

    private mutating func warn(_ warning: String, _ limits: Limits) {
        if !warnings.contains(warning), warnings.count < limits.parameters { warnings.append(warning) }
    }

    /// The name itself when a header may hold it, and it is no longer than a name.
    private static func word(_ name: Substring, or other: String) -> String {
        name.utf8.count <= 64 && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
            ? String(name) : other
    }

    private static func once<Value: Equatable>(
        _ earlier: Value?, _ value: Value, _ name: String
    ) throws(QIDOError) -> Value {
        guard earlier == nil || earlier == value else {
            throw QIDOError(.duplicate, name, "given twice with different values; send one")
        }
        return value
    }

    private static func number(_ item: Item) throws(QIDOError) -> Int {
        let digits = item.value.utf8
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { throw QIDOError(.invalidValue, item.name, "not a whole number of 0 or more") }
        return min(Int(item.value) ?? .max, Int(Int32.max))
    }

    private static func boolean(_ item: Item) throws(QIDOError) -> Bool {
        switch item.value.lowercased() {
        case "true": return true
        case "false": return false
        default: throw QIDOError(.invalidValue, item.name, "neither true nor false")
        }
    }

    static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.utf8.first == 0x20 { text.removeFirst() }
        while text.utf8.last == 0x20 { text.removeLast() }
        return String(text)
    }
}
