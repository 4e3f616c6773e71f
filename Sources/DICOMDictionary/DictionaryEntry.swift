/// A row of the registry of data elements (PS3.6 Tables 6-1, 7-1, 8-1, 9-1). A reference into the table: costs nothing
/// to make or copy; texts are made when asked for.
public struct DictionaryEntry: Hashable, Sendable {
    /// The tag that was looked up, also within repeating groups.
    public let tag: Tag
    /// The number of the row, ascending by tag.
    let row: Int

    /// The first VR of the row; UN where it names none (item delimiters, removed elements).
    public var vr: VR { vrs.first ?? .un }

    /// All VRs of the row, `US or SS`, in its order; empty where it names none.
    public var vrs: [VR] {
        ElementIndex.shared.withLine(row) { line in
            line.vrs.map { VR(line.text[$0], line.text[$0 + 1]) }
        }
    }

    /// The multiplicity as the standard writes it: `1`, `1-3`, `2-n`, `2-2n`, `1-n or 1`. Empty in a few retired rows.
    public var vm: String { ElementIndex.shared.withLine(row) { $0.string($0.vm) } }
    /// `PatientName`; empty in a few retired rows.
    public var keyword: String { ElementIndex.shared.withLine(row) { $0.string($0.keyword) } }
    /// `Patient's Name`; empty in a few retired rows.
    public var name: String { ElementIndex.shared.withLine(row) { $0.string($0.name) } }
    public var isRetired: Bool { ElementIndex.shared.withLine(row) { $0.text[9] == UInt8(ascii: "R") } }
    /// True for a row of repeating groups, `(60xx,3000)`.
    public var isRepeating: Bool { ElementIndex.shared.withLine(row) { $0.maskIndex != 0 } }
}
