public import DICOMDictionary

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
                guard let value = own[creator.inBlock(tag.element)],
                    try JSONInstanceReader.string(creator, in: json) == name
                else { continue }
                chosen[tag] = value
                chosen[tag.privateCreator] = own[creator]
                break
            }
        }
        return (all + chosen.map { ($0.key, $0.value) }).sorted { $0.0 < $1.0 }
    }
}
