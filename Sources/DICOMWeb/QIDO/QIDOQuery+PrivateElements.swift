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
            tags[depth] = tag.isPrivateCreator ? block : block.inBlock(tag.element)
        }
        return AttributePath(tags: tags)
    }

    private static func block(of name: String, in blocks: [Tag: String], like creator: Tag) -> Tag? {
        blocks.first { $0.key.group == creator.group && $0.value == name }?.key
    }
}
