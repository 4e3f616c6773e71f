import Synchronization

/// A body made of bytes and ranges of files, one after another: multipart around file ranges, many files in a row. At
/// most one file is open at a time, and no file is held in memory.
public final class HTTPSegments: HTTPBodyStream {
    public enum Segment: Sendable {
        case bytes([UInt8])
        case file(HTTPFile, offset: Int, length: Int)
        /// Bytes that are computed: the closure fills the whole buffer with those that begin at a position.
        case made(length: Int, @Sendable (UnsafeMutableRawBufferPointer, Int) throws -> Void)

        public var length: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(_, _, let length), .made(let length, _): length
            }
        }
    }

    public struct CutShort: Error {}

    public let length: Int?
    private let state: Mutex<State>

    private struct State {
        var next: @Sendable () throws -> Segment?
        var current: Segment?
        var position = 0
    }

    /// `next` is called when a segment has been sent, on the connection's thread, and returns nil at the end.
    public init(length: Int?, next: @escaping @Sendable () throws -> Segment?) {
        self.length = length
        state = Mutex(State(next: next))
    }

    /// The segments of an array; the length is their sum.
    public convenience init(_ segments: [Segment]) {
        let length = segments.reduce(0) { $0 + $1.length }
        let row = Row(segments)
        self.init(length: length) { row.next() }
    }

    private final class Row: Sendable {
        private let index = Atomic(0)
        private let segments: [Segment]

        init(_ segments: [Segment]) { self.segments = segments }

        func next() -> Segment? {
            let index = index.add(1, ordering: .relaxed).oldValue
            return index < segments.count ? segments[index] : nil
        }
    }

    /// The next segment, for one who sends them all himself; nil at the end.
    func next() throws -> Segment? { try state.withLock { try $0.next() } }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try state.withLock { state in
            var filled = 0
            while filled < buffer.count {
                if state.current == nil {
                    // What has been filled is sent before the next segment is asked for, which may take its time.
                    if filled > 0, length == nil { break }
                    state.current = try state.next()
                    state.position = 0
                }
                guard let segment = state.current else { break }
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let left: Int
                switch segment {
                case .bytes(let bytes):
                    let count = min(rest.count, bytes.count - state.position)
                    bytes.withUnsafeBytes {
                        rest.copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: $0[state.position..<state.position + count]))
                    }
                    state.position += count
                    filled += count
                    left = bytes.count - state.position
                case .file(let file, let offset, let length):
                    let count = min(rest.count, length - state.position)
                    let read = file.read(
                        into: UnsafeMutableRawBufferPointer(rebasing: rest[..<count]), at: offset + state.position)
                    guard read == count else { throw CutShort() }
                    state.position += count
                    filled += count
                    left = length - state.position
                case .made(let length, let fill):
                    let count = min(rest.count, length - state.position)
                    if count > 0 { try fill(UnsafeMutableRawBufferPointer(rebasing: rest[..<count]), state.position) }
                    state.position += count
                    filled += count
                    left = length - state.position
                }
                if left <= 0 { state.current = nil }
            }
            return filled
        }
    }
}
