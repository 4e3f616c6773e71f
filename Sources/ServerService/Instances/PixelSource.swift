internal import DICOMCore
internal import HTTPServer

/// The file ended within what its header promises.
struct PixelsCutShort: Error {}

/// Uncompressed pixel data as little endian bytes, by ranges.
struct PixelSource: Sendable {
    private enum Bytes: Sendable {
        case file(HTTPFile)
        case inflated(InflatedFile)
    }

    private let bytes: Bytes
    private let pixels: NativePixels

    init(_ instance: StoredInstance, _ pixels: NativePixels) {
        self.pixels = pixels
        bytes = instance.inflated.map { Bytes.inflated($0) } ?? .file(instance.file)
    }

    /// The segment of a range of bytes of Pixel Data.
    func segment(_ range: Range<Int>) -> HTTPSegments.Segment {
        if case .file(let file) = bytes, pixels.wordSize == 1 {
            return .file(file, offset: pixels.offset + range.lowerBound, length: range.count)
        }
        return .made(length: range.count) { buffer, position in
            try read(into: buffer, at: range.lowerBound + position)
        }
    }

    /// The segment of a frame of which the first pixel need not begin a byte (Bits Allocated 1). Its first pixel
    /// becomes the lowest bit of the first byte.
    func segment(bits: Range<Int>) -> HTTPSegments.Segment {
        let count = (bits.count + 7) / 8
        let shift = UInt8(bits.lowerBound & 7)
        guard shift != 0 || bits.count & 7 != 0 else {
            return segment(bits.lowerBound / 8..<bits.lowerBound / 8 + count)
        }
        return .made(length: count) { buffer, position in
            let start = bits.lowerBound / 8 + position
            let end = min(start + buffer.count + 1, (bits.upperBound + 7) / 8)
            var input = [UInt8](repeating: 0, count: buffer.count + 1)
            try input.withUnsafeMutableBytes {
                try read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<(end - start)]), at: start)
            }
            for index in 0..<buffer.count {
                let pair = UInt16(input[index]) | UInt16(input[index + 1]) << 8
                var byte = UInt8(truncatingIfNeeded: pair >> UInt16(shift))
                if position + index == count - 1, bits.count & 7 != 0 { byte &= UInt8(1 << (bits.count & 7)) - 1 }
                buffer[index] = byte
            }
        }
    }

    /// Whole words are read, turned, and what was asked for of them is taken.
    private func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws {
        let size = pixels.wordSize
        guard size > 1 else { return try readStored(into: buffer, at: position) }
        let start = position / size * size
        let end = min((position + buffer.count + size - 1) / size * size, pixels.length)
        var words = [UInt8](repeating: 0, count: end - start)
        try words.withUnsafeMutableBytes { try readStored(into: $0, at: start) }
        var word = 0
        while word + size <= words.count {
            for index in 0..<size / 2 { words.swapAt(word + index, word + size - 1 - index) }
            word += size
        }
        words.withUnsafeBytes {
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: $0[position - start..<position - start + buffer.count]))
        }
    }

    private func readStored(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws {
        guard position >= 0, position <= pixels.length - buffer.count else { throw PixelsCutShort() }
        let offset = pixels.offset + position
        switch bytes {
        case .file(let file):
            guard file.read(into: buffer, at: offset) == buffer.count else { throw PixelsCutShort() }
        case .inflated(let file): try file.read(into: buffer, at: offset)
        }
    }
}
