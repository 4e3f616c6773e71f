/// An attribute's tag, (gggg,eeee) (PS3.5 7.1). Ordered as data sets are: by group, then by element.
public struct Tag: RawRepresentable, Hashable, Comparable, Sendable {
    /// The group in the upper 16 bits, the element in the lower.
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable public init(group: UInt16, element: UInt16) {
        rawValue = UInt32(group) << 16 | UInt32(element)
    }

    @inlinable public var group: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 16) }
    @inlinable public var element: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
    /// Odd groups are private (PS3.5 7.8).
    @inlinable public var isPrivate: Bool { group & 1 == 1 }
    /// It reserves a block of a private group for the creator that it names (PS3.5 7.8.1).
    @inlinable public var isPrivateCreator: Bool { isPrivate && (0x0010...0x00FF).contains(element) }
    /// The element that reserves the block which this private one lies in.
    @inlinable public var privateCreator: Tag { Tag(group: group, element: element >> 8) }
    /// The element of this number in the block that this one reserves; of a longer number the last eight bits count.
    @inlinable public func inBlock(_ number: UInt16) -> Tag {
        Tag(group: group, element: element << 8 | number & 0xFF)
    }

    @inlinable public static func < (a: Tag, b: Tag) -> Bool { a.rawValue < b.rawValue }
}

extension Tag: CustomStringConvertible {
    /// `00100020`, as in DICOM JSON and in URLs.
    public var hexadecimal: String { rawValue.hexadecimal(digits: 8) }

    /// `(0010,0020)`.
    public var description: String { "(\(group.hexadecimal(digits: 4)),\(element.hexadecimal(digits: 4)))" }
}

extension FixedWidthInteger {
    /// In hexadecimal, with zeros in front.
    package func hexadecimal(digits: Int, uppercase: Bool = true) -> String {
        let text = String(self, radix: 16, uppercase: uppercase)
        return String(repeating: "0", count: Swift.max(0, digits - text.utf8.count)) + text
    }
}
