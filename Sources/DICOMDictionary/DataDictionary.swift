/// The registry of data elements (PS3.6), by tag and by keyword. Immutable; looked up without allocation or locks.
public enum DataDictionary {
    /// The row for a tag, also in repeating groups, `(6002,3000)`; nil for private and unknown tags, and for group lengths
    /// that have no row of their own.
    public static func entry(for tag: Tag) -> DictionaryEntry? {
        ElementIndex.shared.row(of: tag).map { DictionaryEntry(tag: tag, row: $0) }
    }

    /// The row for a keyword, spelled exactly so; for repeating groups with the first tag, `(6000,3000)`.
    public static func entry(keyword: String) -> DictionaryEntry? {
        ElementIndex.shared.row(keyword: keyword).map {
            DictionaryEntry(tag: ElementIndex.shared.tag(row: $0), row: $0)
        }
    }

    /// The VR to read or write an element in when nothing else says.
    ///
    /// The first VR of its row, but OW for `OB or OW` (PS3.5 A.1: what has no VR in the stream is implicit VR, where
    /// these are OW). UL for group lengths (gggg,0000), LO for private creators (gggg,0010-00FF with an odd group), UN
    /// for everything else that has no row. Also knows the elements of commands, group 0000 (PS3.7 E).
    public static func vr(of tag: Tag) -> VR {
        ElementIndex.shared.vr(of: tag)
    }

    /// Every row, ascending by tag; those of repeating groups with their first tag.
    public static var allEntries: [DictionaryEntry] {
        (0..<elementCount).map { DictionaryEntry(tag: ElementIndex.shared.tag(row: $0), row: $0) }
    }
}
