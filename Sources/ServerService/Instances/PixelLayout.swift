internal import DICOMCore
internal import DICOMDictionary
internal import HTTPServer

/// Where Pixel Data lies in an instance's file, and which bytes of it are which frame.
enum PixelLayout: Sendable {
    case none
    case native(NativePixels)
    case encapsulated(EncapsulatedPixels)
}

/// Pixel Data as one value (PS3.5 8.1.1).
struct NativePixels: Sendable {
    var tag: Tag
    /// In bytes: of the file, or of the inflated data set.
    var offset: Int
    var length: Int
    /// How many of these bytes are in the file.
    var available: Int
    /// Bits of a frame; 0 when the data set does not say how large an image is.
    var frameBits: Int
    var frameCount: Int
    /// Bytes of the words to be turned to get little endian; 1: none.
    var wordSize: Int

    /// The bits of a frame, numbered from 0; nil when Pixel Data does not hold it.
    func bits(ofFrame index: Int) -> Range<Int>? {
        guard index >= 0, index < frameCount, frameBits > 0 else { return nil }
        let (start, overflow) = index.multipliedReportingOverflow(by: frameBits)
        guard !overflow, start <= available * 8 - frameBits else { return nil }
        return start..<start + frameBits
    }
}

/// Pixel Data as a sequence of fragments (PS3.5 A.4).
struct EncapsulatedPixels: Sendable {
    struct Fragment: Sendable {
        var offset: Int
        var length: Int
    }

    var fragments: [Fragment]
    /// Frame n is in fragments `starts[n]` up to `starts[n + 1]`; empty when nothing tells where frames begin.
    var starts: [Int]

    var frameCount: Int { max(0, starts.count - 1) }

    func fragments(ofFrame index: Int) -> ArraySlice<Fragment>? {
        guard index >= 0, index < frameCount else { return nil }
        return fragments[starts[index]..<starts[index + 1]]
    }
}

extension NativePixels {
    /// Number of Frames, 1 when it is not there; what no file can hold is brought down to what can be computed with.
    static func frameCount(_ header: DataSet) -> Int {
        let value = header.integer(.numberOfFrames) ?? 1
        return Int(min(max(1, value), Int64(Int32.max)))
    }

    /// - Parameter header: the data set before Pixel Data.
    init(_ element: Element, header: DataSet, isOtherWayRound: Bool) {
        tag = element.tag
        offset = element.valueOffset
        length = element.length
        available = element.length
        func number(_ tag: Tag) -> Int { header.integer(tag).map { Int(clamping: $0) } ?? 0 }
        let rows = number(.rows)
        let columns = number(.columns)
        let samples = max(1, number(.samplesPerPixel))
        var bits = number(.bitsAllocated)
        // Float and Double Float Pixel Data have their size by their name (PS3.3 C.7.6.24, C.7.6.25).
        if element.tag == .floatPixelData { bits = 32 }
        if element.tag == .doubleFloatPixelData { bits = 64 }
        frameCount = Self.frameCount(header)
        // 16 bits in a data set that is right; whatever the VR in the file allows in others.
        let isSane =
            (1...65_535).contains(rows) && (1...65_535).contains(columns) && samples <= 65_535 && bits > 0
            && bits <= 65_535
        // Without compression 4:2:2 has two samples for each pixel (PS3.3 C.7.6.3.1.2).
        let isSubsampled = header.string(.photometricInterpretation)?.hasPrefix("YBR_FULL_422") == true
        let perPixel = isSubsampled && samples == 3 ? 2 : samples
        if isSane {
            let (product, overflow) = (rows * columns).multipliedReportingOverflow(by: perPixel * bits)
            frameBits = overflow ? 0 : product
        } else {
            frameBits = 0
        }
        wordSize = element.isBigEndian || isOtherWayRound ? element.vr.wordSize : 1
    }
}

/// Finds fragments and frames of encapsulated Pixel Data in a file.
struct FragmentScanner {
    private let file: HTTPFile
    private var window: [UInt8] = []
    private var windowStart = 0
    private static let windowSize = 4_096
    /// More than any real file has; a file of nothing but empty fragments ends here.
    private static let maximumFragments = 1_000_000

    init(_ file: HTTPFile) { self.file = file }

    /// - Parameters:
    ///   - start: where the value begins.
    ///   - header: the data set before Pixel Data.
    /// - Returns: nil when the fragments are broken.
    static func scan(_ file: HTTPFile, from start: Int, header: DataSet) -> EncapsulatedPixels? {
        var scanner = FragmentScanner(file)
        return scanner.scan(from: start, header: header)
    }

    private mutating func scan(from start: Int, header: DataSet) -> EncapsulatedPixels? {
        var position = start
        var items: [EncapsulatedPixels.Fragment] = []
        while let item = bytes(at: position, count: 8) {
            let tag = littleEndian(item, 0, 2) << 16 | littleEndian(item, 2, 2)
            let length = littleEndian(item, 4, 4)
            guard tag == 0xFFFE_E000 else {
                guard tag == 0xFFFE_E0DD else { return nil }
                break
            }
            guard length <= file.size - position - 8, items.count < Self.maximumFragments else { return nil }
            items.append(.init(offset: position + 8, length: length))
            position += 8 + length
        }
        guard let table = items.first else { return nil }
        let fragments = Array(items.dropFirst())
        let frameCount = NativePixels.frameCount(header)
        var result = EncapsulatedPixels(fragments: fragments, starts: [])
        guard !fragments.isEmpty else { return result }
        result.starts =
            extendedStarts(header, fragments, frameCount) ?? basicStarts(table, fragments, frameCount)
            ?? startsByCount(fragments, frameCount) ?? []
        return result
    }

    /// By the Extended Offset Table (7FE0,0001) (PS3.3 C.7.6.3.1.8).
    private func extendedStarts(
        _ header: DataSet, _ fragments: [EncapsulatedPixels.Fragment], _ frameCount: Int
    ) -> [Int]? {
        guard let element = header.element(.extendedOffsetTable), frameCount <= fragments.count else { return nil }
        let range = header.storedRange(of: element)
        guard range.count == frameCount * 8, let bytes = file.bytes(at: range.lowerBound, count: range.count) else {
            return nil
        }
        let offsets = bytes.withUnsafeBytes { bytes in
            (0..<frameCount).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self).littleEndian }
        }
        return starts(offsets.map { Int(clamping: $0) }, fragments)
    }

    /// By the Basic Offset Table, the first item (PS3.5 A.4).
    private mutating func basicStarts(
        _ table: EncapsulatedPixels.Fragment, _ fragments: [EncapsulatedPixels.Fragment], _ frameCount: Int
    ) -> [Int]? {
        guard table.length == frameCount * 4, frameCount <= fragments.count,
            let bytes = file.bytes(at: table.offset, count: table.length)
        else { return nil }
        return starts((0..<frameCount).map { littleEndian(bytes[...], $0 * 4, 4) }, fragments)
    }

    /// Offsets are those of items, from the first one behind the table.
    private func starts(_ offsets: [Int], _ fragments: [EncapsulatedPixels.Fragment]) -> [Int]? {
        guard let first = fragments.first, offsets.first == 0 else { return nil }
        var starts: [Int] = []
        var index = 0
        for offset in offsets {
            while index < fragments.count, fragments[index].offset - first.offset < offset { index += 1 }
            guard index < fragments.count, fragments[index].offset - first.offset == offset,
                index > starts.last ?? -1
            else { return nil }
            starts.append(index)
        }
        starts.append(fragments.count)
        return starts
    }

    /// One fragment a frame; one frame; or frames that begin where a fragment begins like a JPEG or JPEG 2000 stream.
    private mutating func startsByCount(
        _ fragments: [EncapsulatedPixels.Fragment], _ frameCount: Int
    ) -> [Int]? {
        if fragments.count == frameCount { return Array(0...frameCount) }
        if frameCount == 1 { return [0, fragments.count] }
        guard frameCount < fragments.count else { return nil }
        var starts: [Int] = []
        for (index, fragment) in fragments.enumerated() where fragment.length >= 2 {
            guard let mark = bytes(at: fragment.offset, count: 2) else { return nil }
            let value = littleEndian(mark, 0, 2)
            if value == 0xD8FF || value == 0x4FFF { starts.append(index) }
        }
        guard starts.count == frameCount, starts.first == 0 else { return nil }
        return starts + [fragments.count]
    }

    /// A few bytes, from a window of the file.
    private mutating func bytes(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, offset <= file.size - count else { return nil }
        if offset < windowStart || offset + count > windowStart + window.count {
            guard let read = file.bytes(at: offset, count: min(Self.windowSize, file.size - offset)) else { return nil }
            window = read
            windowStart = offset
        }
        return window[offset - windowStart..<offset - windowStart + count]
    }

    private func littleEndian(_ bytes: ArraySlice<UInt8>, _ offset: Int, _ count: Int) -> Int {
        var value = 0
        for index in (0..<count).reversed() { value = value << 8 | Int(bytes[bytes.startIndex + offset + index]) }
        return value
    }
}
