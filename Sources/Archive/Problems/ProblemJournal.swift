internal import ArchiveSchema
internal import Synchronization

/// Rows of `dicom_problem_meta` on their way to the event bus, in a file of fixed size (docs/problems.md): those that
/// were appended are read again after a kill or a power cut.
///
/// The file has some places for rows that are written over and over, such as counts, then the rows one behind the other.
/// Each is a frame: a number of the round, the length and a CRC-32 in little endian, then its JSON. When all rows are
/// taken, the next round begins at the start, and frames of former rounds count no more.
final class ProblemJournal: Sendable {
    private struct State {
        let file: any OpenFile
        /// Where rows end at the latest.
        let limit: Int
        var round: UInt32
        /// Where the first row is that was not taken, and where the next one goes.
        var head: Int
        var tail: Int
    }

    /// Bytes in front of a row's JSON.
    private static let prefix = 12
    /// No row is longer.
    private static let maximumFrame = 16_384
    /// The places, and their bytes: enough for a row that names no element.
    static let places = 16
    private static let placeBytes = 4_096
    private static let rowsStart = places * placeBytes

    private let state: Mutex<State>

    /// Opens the file, or makes it with all its bytes, so that a full disk hinders nothing later.
    /// - Parameter bytes: for rows; of those that there are now, about 600 a row.
    init(_ path: String, bytes: Int, fileSystem: any FileSystem) throws(FileSystemError) {
        let size = Self.rowsStart + bytes
        var file: any OpenFile
        do {
            file = try fileSystem.open(path, forWriting: true)
        } catch {
            guard error.isNotFound else { throw error }
            file = try fileSystem.create(path)
        }
        var written = Int(try file.size())
        if written < size {
            let zeros = [UInt8](repeating: 0, count: 1 << 16)
            while written < size {
                let count = min(zeros.count, size - written)
                try file.write(Array(zeros.prefix(count)), at: Int64(written))
                written += count
            }
            try file.synchronize()
        }
        if let folder = PosixFileSystem.parent(of: path) { try fileSystem.synchronizeFolder(folder) }
        // A first frame that is none may be one that was not synced whole, with those of the round before behind it.
        let round = Self.number(try file.read(Self.prefix, at: Int64(Self.rowsStart)), at: 0) &+ 1
        var state = State(file: file, limit: size, round: round, head: Self.rowsStart, tail: Self.rowsStart)
        // Rows of an earlier process.
        if let first = try Self.frame(of: file, at: state.tail, before: size) {
            state.round = first.round
            while let next = try Self.frame(of: file, at: state.tail, before: size), next.round == first.round {
                state.tail = next.end
            }
        }
        self.state = Mutex(state)
    }

    /// Puts rows on stable storage, in one step.
    /// - Returns: how many; the others have no room until some are taken.
    func append(_ rows: [DicomProblemMetaRow]) throws(FileSystemError) -> Int {
        try locked { state throws(FileSystemError) in
            var bytes: [UInt8] = []
            var count = 0
            for row in rows {
                let frame = Self.frame(row, round: state.round)
                guard frame.count <= Self.maximumFrame, state.tail + bytes.count + frame.count <= state.limit else {
                    break
                }
                bytes += frame
                count += 1
            }
            if count > 0 {
                try state.file.write(bytes, at: Int64(state.tail))
                try state.file.synchronize()
                state.tail += bytes.count
            }
            return count
        }
    }

    /// The rows that were appended first, and where they end.
    func first(_ limit: Int) throws(FileSystemError) -> (rows: [DicomProblemMetaRow], end: Int) {
        try locked { state throws(FileSystemError) in
            var rows: [DicomProblemMetaRow] = []
            var end = state.head
            while rows.count < limit, end < state.tail {
                guard let next = try Self.frame(of: state.file, at: end, before: state.tail) else {
                    // Its bytes are gone: nothing behind it can be found.
                    end = state.tail
                    break
                }
                if let row = try? DicomProblemMetaRow(json: next.json) { rows.append(row) }
                end = next.end
            }
            return (rows, end)
        }
    }

    /// Forgets the rows up to there.
    func remove(before end: Int) throws(FileSystemError) {
        try locked { state throws(FileSystemError) in
            state.head = max(state.head, end)
            guard state.head >= state.tail, state.tail > Self.rowsStart else { return }
            state.head = Self.rowsStart
            state.tail = Self.rowsStart
            state.round &+= 1
            // Not synced: should they come back, they are published once more, which changes nothing.
            var empty: [UInt8] = []
            empty.append(littleEndian: state.round)
            empty += repeatElement(0, count: Self.prefix - 4)
            try state.file.write(empty, at: Int64(Self.rowsStart))
        }
    }

    /// Bytes of rows that wait.
    var pendingBytes: Int { state.withLock { $0.tail - $0.head } }

    // MARK: Places

    /// Keeps a row in its place, where a kill leaves it. It is not synced.
    func put(_ row: DicomProblemMetaRow, in place: Int) throws(FileSystemError) {
        let bytes = Self.frame(row, round: 0)
        guard bytes.count <= Self.placeBytes else { return }
        try locked { state throws(FileSystemError) in
            try state.file.write(bytes, at: Int64(place * Self.placeBytes))
        }
    }

    /// What stands in the places.
    func placed() throws(FileSystemError) -> [Int: DicomProblemMetaRow] {
        try locked { state throws(FileSystemError) in
            var rows: [Int: DicomProblemMetaRow] = [:]
            for place in 0..<Self.places {
                let start = place * Self.placeBytes
                guard let frame = try Self.frame(of: state.file, at: start, before: start + Self.placeBytes) else {
                    continue
                }
                rows[place] = try? DicomProblemMetaRow(json: frame.json)
            }
            return rows
        }
    }

    // MARK: Frames

    private func locked<R>(
        _ body: (inout State) throws(FileSystemError) -> R
    ) throws(FileSystemError) -> R where R: Sendable {
        try state.withLock { state -> Result<R, FileSystemError> in
            do throws(FileSystemError) { return .success(try body(&state)) } catch { return .failure(error) }
        }.get()
    }

    private static func frame(_ row: DicomProblemMetaRow, round: UInt32) -> [UInt8] {
        var json: [UInt8] = []
        row.encodeJSON(into: &json)
        var frame: [UInt8] = []
        frame.append(littleEndian: round)
        frame.append(littleEndian: UInt32(json.count))
        frame.append(littleEndian: CRC32.of(frame + json))
        return frame + json
    }

    /// nil where none is.
    private static func frame(
        of file: any OpenFile, at start: Int, before limit: Int
    ) throws(FileSystemError) -> (round: UInt32, json: [UInt8], end: Int)? {
        guard start + prefix <= limit else { return nil }
        let head = try file.read(prefix, at: Int64(start))
        let length = Int(number(head, at: 4))
        guard head.count == prefix, length > 0, length <= maximumFrame - prefix, start + prefix + length <= limit else {
            return nil
        }
        let json = try file.read(length, at: Int64(start + prefix))
        guard json.count == length, CRC32.of(head[..<8] + json) == number(head, at: 8) else { return nil }
        return (number(head, at: 0), json, start + prefix + length)
    }

    private static func number(_ bytes: [UInt8], at place: Int) -> UInt32 {
        bytes.count < place + 4 ? 0 : bytes.withUnsafeBytes { $0.number(place, as: UInt32.self) }
    }
}
