/// The packed table of elements with two hash tables on top, built once at first use (a few hundred microseconds).
///
/// Invariant for Sendable: nothing is written after `init`, and nothing is ever freed.
struct ElementIndex: @unchecked Sendable {
    static let shared = ElementIndex()

    /// One element of the table by tag: 8 bytes, so that a probe touches one cache line. An empty one has row `none`.
    private struct Slot {
        var tag: UInt32
        var vr: UInt16
        var row: UInt16
    }

    private struct Repeating {
        var tag: UInt32
        var mask: UInt32
        var row: Int
    }

    private static let none = UInt16.max
    /// Slots for each table, 2 to this power: three times as many as elements.
    private static let slotBits = 14
    private static let slotCount = 1 << slotBits

    private let text: UnsafePointer<UInt8>
    /// Where each line starts, and behind the last one where the text ends.
    private let starts: UnsafePointer<UInt32>
    private let byTag: UnsafePointer<Slot>
    private let byKeyword: UnsafePointer<UInt16>
    /// The rows of repeating groups. Looked through where no other row has the tag: (0028,0400) has one of its own
    /// beside (0028,04x0).
    private let repeating: [Repeating]

    private init() {
        let table = DataDictionary.elements
        let count = DataDictionary.elementCount
        precondition(count < Self.slotCount / 2, "more elements than the index was made for: raise slotBits")
        let text = table.utf8Start
        let starts = UnsafeMutablePointer<UInt32>.allocate(capacity: count + 1)
        let byTag = UnsafeMutablePointer<Slot>.allocate(capacity: Self.slotCount)
        byTag.initialize(repeating: Slot(tag: 0, vr: 0, row: Self.none), count: Self.slotCount)
        let byKeyword = UnsafeMutablePointer<UInt16>.allocate(capacity: Self.slotCount)
        byKeyword.initialize(repeating: Self.none, count: Self.slotCount)

        let masks = DataDictionary.masks
        var repeating: [Repeating] = []

        var at = 0
        for row in 0..<count {
            starts[row] = UInt32(at)
            let line = Line(text: text + at)
            if line.maskIndex == 0 {
                var slot = Self.slot(of: line.tag)
                while byTag[slot].row != Self.none { slot = (slot + 1) & (Self.slotCount - 1) }
                byTag[slot] = Slot(tag: line.tag, vr: line.defaultVR.rawValue, row: UInt16(row))
            } else {
                repeating.append(Repeating(tag: line.tag, mask: masks[line.maskIndex], row: row))
            }
            let keyword = line.keyword
            if !keyword.isEmpty {
                var slot = Self.slot(
                    of: UnsafeBufferPointer(start: line.text + keyword.lowerBound, count: keyword.count))
                while byKeyword[slot] != Self.none { slot = (slot + 1) & (Self.slotCount - 1) }
                byKeyword[slot] = UInt16(row)
            }
            at += line.length
        }
        starts[count] = UInt32(at)
        self.text = text
        self.starts = UnsafePointer(starts)
        self.byTag = UnsafePointer(byTag)
        self.byKeyword = UnsafePointer(byKeyword)
        self.repeating = repeating
    }

    func withLine<Result>(_ row: Int, _ body: (Line) -> Result) -> Result {
        body(Line(text: text + Int(starts[row])))
    }

    func tag(row: Int) -> Tag { withLine(row) { Tag($0.tag) } }

    func row(of tag: Tag) -> Int? {
        find(tag.rawValue).map { Int($0.row) } ?? findRepeating(tag)
    }

    func vr(of tag: Tag) -> VR {
        if let slot = find(tag.rawValue) { return VR(rawValue: slot.vr) }
        return vrWithoutRow(tag)
    }

    @inline(never)
    private func vrWithoutRow(_ tag: Tag) -> VR {
        if tag.group == 0, let vr = CommandElements.vr(of: tag.element) { return vr }
        if tag.element == 0 { return .ul }
        if tag.isPrivate { return tag.isPrivateCreator ? .lo : .un }
        return findRepeating(tag).map { withLine($0) { $0.defaultVR } } ?? .un
    }

    /// The row of the repeating groups that the tag is in; these are even, and their elements 0 are group lengths.
    private func findRepeating(_ tag: Tag) -> Int? {
        guard !tag.isPrivate, tag.element != 0 else { return nil }
        return repeating.first { tag.rawValue & $0.mask == $0.tag }?.row
    }

    @inline(__always)
    private func find(_ tag: UInt32) -> Slot? {
        var slot = Self.slot(of: tag)
        while true {
            let found = byTag[slot]
            if found.row == Self.none { return nil }
            if found.tag == tag { return found }
            slot = (slot + 1) & (Self.slotCount - 1)
        }
    }

    func row(keyword: String) -> Int? {
        var keyword = keyword
        return keyword.withUTF8 { row(keyword: $0) }
    }

    private func row(keyword: UnsafeBufferPointer<UInt8>) -> Int? {
        guard !keyword.isEmpty else { return nil }
        var slot = Self.slot(of: keyword)
        while byKeyword[slot] != Self.none {
            let row = Int(byKeyword[slot])
            let isSame = withLine(row) { line in
                UnsafeBufferPointer(start: line.text + line.keyword.lowerBound, count: line.keyword.count)
                    .elementsEqual(keyword)
            }
            if isSame { return row }
            slot = (slot + 1) & (Self.slotCount - 1)
        }
        return nil
    }

    @inline(__always)
    private static func slot(of tag: UInt32) -> Int {
        Int((tag &* 0x9E37_79B1) >> UInt32(32 - slotBits))
    }

    private static func slot(of keyword: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt32 = 2_166_136_261
        for byte in keyword { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int((hash &* 0x9E37_79B1) >> UInt32(32 - slotBits))
    }
}

/// A line of the packed table: `00080005` `0` `-` `CS` tab `1-n` tab keyword tab name newline.
struct Line {
    /// The line's first byte. Lines are ours, generated, and end with a newline.
    let text: UnsafePointer<UInt8>

    var tag: UInt32 {
        var tag: UInt32 = 0
        for index in 0..<8 {
            let digit = text[index]
            tag =
                tag << 4
                | UInt32(digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "A") + 10)
        }
        return tag
    }

    var maskIndex: Int { Int(text[8] - UInt8(ascii: "0")) }

    /// Where each VR starts.
    var vrs: StrideTo<Int> { stride(from: 10, to: field(0).upperBound, by: 2) }

    var defaultVR: VR {
        let end = field(0).upperBound
        guard end > 10 else { return .un }
        let first = VR(text[10], text[11])
        return first == .ob && end > 12 && VR(text[12], text[13]) == .ow ? .ow : first
    }

    var vm: Range<Int> { field(1) }
    var keyword: Range<Int> { field(2) }
    var name: Range<Int> { field(3) }
    /// With the newline.
    var length: Int { name.upperBound + 1 }

    private func field(_ number: Int) -> Range<Int> {
        var start = 10
        var end = start
        var left = number
        while true {
            if text[end] == UInt8(ascii: "\n") { return start..<end }
            if text[end] == UInt8(ascii: "\t") {
                if left == 0 { return start..<end }
                left -= 1
                start = end + 1
            }
            end += 1
        }
    }

    func string(_ range: Range<Int>) -> String {
        String(decoding: UnsafeBufferPointer(start: text + range.lowerBound, count: range.count), as: UTF8.self)
    }
}
