public import DICOMDictionary

/// Private elements (PS3.5 7.8): a tag alone says nothing, since a creator's block lies elsewhere in each data set.
extension QIDOQuery {
    /// Gives private elements the blocks that searches know them by. A request says whose block it means by a match of the
    /// element that reserves it (`00291108=X&00290011=ACME`, PS3.18 8.3.4.3); what it says nothing of is in these blocks.
    /// - Parameter blocks: creators of elements that can be searched for, by the tags that reserve their blocks.
    /// - Returns: what was to be matched of other creators' elements; it is taken out.
    public mutating func resolvePrivateElements(_ blocks: [Tag: String]) -> [AttributePath] {
        var names: [[Tag]: String] = [:]
        for match in matches where match.path.tag.isPrivateCreator {
            if case .single(let name) = match.matching { names[match.path.tags] = name }
        }
        privateCreators = blocks
        guard !names.isEmpty else { return [] }
        var others: [AttributePath] = []
        for (path, name) in names where path.count == 1 && Self.block(of: name, in: blocks, like: path[0]) == nil {
            privateCreators[path[0]] = name
        }
        var resolved: [QIDOMatch] = []
        for var match in matches where names[match.path.tags] == nil {
            if let path = Self.resolved(match.path, names, blocks) {
                match.path = path
                resolved.append(match)
            } else {
                others.append(match.path)
            }
        }
        matches = resolved
        includeFields = includeFields.map { Self.resolved($0, names, blocks) ?? $0 }
        return others
    }

    /// nil when it is of a creator that has no block.
    private static func resolved(
        _ path: AttributePath, _ names: [[Tag]: String], _ blocks: [Tag: String]
    ) -> AttributePath? {
        var tags = path.tags
        for (depth, tag) in path.tags.enumerated() where tag.isPrivate && tag.element >= 0x0010 {
            let creator = tag.isPrivateCreator ? tag : tag.privateCreator
            guard let name = names[path.tags[..<depth] + [creator]] else { continue }
            guard let block = block(of: name, in: blocks, like: creator) else { return nil }
            tags[depth] =
                tag.isPrivateCreator ? block : Tag(group: tag.group, element: block.element << 8 | tag.element & 0xFF)
        }
        return AttributePath(tags: tags)
    }

    private static func block(of name: String, in blocks: [Tag: String], like creator: Tag) -> Tag? {
        blocks.first { $0.key.group == creator.group && $0.value == name }?.key
    }
}

extension Tag {
    /// It reserves a block.
    var isPrivateCreator: Bool { isPrivate && (0x0010...0x00FF).contains(element) }
    /// The element that reserves the block of this one.
    var privateCreator: Tag { Tag(group: group, element: element >> 8) }
}

/// Finds attributes that an answer has in the stored JSON of instances. A private one is found by its creator, wherever
/// its block lies, and comes with the element that names the creator (PS3.18 10.6.3.3).
public struct QIDOAttributeFinder: Sendable {
    private let reader: JSONInstanceReader
    private let privateTags: [Tag]
    private let creators: [Tag: String]

    /// - Parameter tags: at the root.
    public init(_ tags: some Sequence<Tag>, of query: QIDOQuery) {
        reader = JSONInstanceReader(tags: tags.filter { !$0.isPrivate })
        privateTags = tags.filter(\.isPrivate)
        creators = query.privateCreators
    }

    /// The attributes that the object has, and where their values, `{"vr":...}`, lie; ascending.
    public func find(in json: RawSpan) throws(DICOMJSONError) -> [(Tag, Range<Int>)] {
        var found: [Range<Int>] = []
        try reader.find(in: json, &found)
        let all = zip(reader.tags, found).filter { !$0.1.isEmpty }.map { ($0, $1) }
        if privateTags.isEmpty { return all }
        let groups = Set(privateTags.map(\.group))
        var own: [Tag: Range<Int>] = [:]
        try JSONInstanceReader.forEachAttribute(in: json) { tag, range in
            if groups.contains(tag.group) { own[tag] = range }
        }
        var chosen: [Tag: Range<Int>] = [:]
        for tag in privateTags {
            guard tag.element > 0x00FF, let name = creators[tag.privateCreator] else {
                chosen[tag] = own[tag]
                if tag.element > 0x00FF, own[tag] != nil { chosen[tag.privateCreator] = own[tag.privateCreator] }
                continue
            }
            for creator in own.keys.sorted() where creator.group == tag.group && creator.isPrivateCreator {
                let element = Tag(group: tag.group, element: creator.element << 8 | tag.element & 0xFF)
                guard let value = own[element], try JSONInstanceReader.string(creator, in: json) == name else {
                    continue
                }
                chosen[tag] = value
                chosen[tag.privateCreator] = own[creator]
                break
            }
        }
        return (all + chosen.map { ($0.key, $0.value) }).sorted { $0.0 < $1.0 }
    }
}
