internal import DICOMCore
internal import HTTPServer
internal import Synchronization

/// The memory that answers hold until they have been sent, of all connections together: inflated and converted data
/// sets. Clients read as slowly as they like, so what each may hold says nothing of the whole.
final class AnswerMemory: Sendable {
    /// A part of it; given back when nobody refers to it any more.
    final class Share: Sendable {
        private let owner: AnswerMemory
        private let count: Int

        fileprivate init(_ owner: AnswerMemory, _ count: Int) {
            self.owner = owner
            self.count = count
        }

        deinit { owner.taken.withLock { $0 -= count } }
    }

    private struct Inflated {
        weak var file: WholeFile?
    }

    private let capacity: Int
    /// Bytes in use. A lock of its own, since a share may be given back anywhere, also while the other one is held.
    private let taken = Mutex(0)
    private let inflated = Mutex<[HTTPFile.Identity: Inflated]>([:])
    /// One file is inflated at a time, so that the memory for it is there, and two who want the same share it.
    private let inflating = Mutex(())

    static let busy = RequestFailure(
        503, "the server's memory for converted instances is in use by other answers; try again later")

    /// - Parameter capacity: bytes.
    init(capacity: Int) { self.capacity = max(0, capacity) }

    /// Bytes in use.
    var used: Int { taken.withLock { $0 } }

    /// What one conversion may take at most, bytes.
    var largestConversion: Int { capacity / 2 }

    /// Throws 503 when there is not so much left.
    func take(_ count: Int) throws(RequestFailure) -> Share {
        let isThere = taken.withLock { taken in
            guard count >= 0, count <= capacity - taken else { return false }
            taken += count
            return true
        }
        guard isThere else { throw Self.busy }
        return Share(self, count)
    }

    /// A deflated file, inflated: once for all who want it at the same time.
    ///
    /// Throws 503 when there is too little memory now, 406 when it inflates to more than is ever allowed, 500 when the
    /// file is damaged.
    func inflate(_ file: HTTPFile) throws(RequestFailure) -> WholeFile {
        if let shared = living(file.identity) { return shared }
        return try inflating.withLock { _ throws(RequestFailure) in
            if let shared = living(file.identity) { return shared }
            let free = capacity - used
            var options = ReadOptions.whole
            options.maximumInflatedBytes = min(options.maximumInflatedBytes, free)
            let read: DICOMFile
            do throws(DICOMError) {
                read = try file.withDescriptor { descriptor throws(DICOMError) in
                    try DICOMFile(storage: ByteStorage(mapping: descriptor), options: options)
                }
            } catch {
                let limit = min(capacity, ReadOptions.whole.maximumInflatedBytes)
                if error.code == .inflatesTooFar {
                    guard free >= limit else { throw Self.busy }
                    throw .notAcceptable(
                        "the stored instance is deflated and inflates to more than \(limit) bytes, the most that this"
                            + " server takes; application/dicom with transfer-syntax=* gets it as it is stored")
                }
                throw .failed("the stored file cannot be inflated", error)
            }
            let whole = WholeFile(read, try take(read.dataSet.storage.count))
            inflated.withLock { inflated in
                inflated = inflated.filter { $0.value.file != nil }
                inflated[file.identity] = Inflated(file: whole)
            }
            return whole
        }
    }

    private func living(_ identity: HTTPFile.Identity) -> WholeFile? {
        inflated.withLock { $0[identity]?.file }
    }
}

/// A file read as a whole: mapped, or inflated with the memory that this takes.
final class WholeFile: Sendable {
    let file: DICOMFile
    private let share: AnswerMemory.Share?

    init(_ file: DICOMFile, _ share: AnswerMemory.Share? = nil) {
        self.file = file
        self.share = share
    }
}
