internal import Synchronization

/// The memory that answers hold until they have been sent, of all connections together: converted data sets. Clients
/// read as slowly as they like, so what each may hold says nothing of the whole.
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

    private let capacity: Int
    /// Bytes in use.
    private let taken = Mutex(0)

    static let busy = RequestFailure(
        503, "the server's memory for converted instances is in use by other answers; try again later")

    /// - Parameter capacity: bytes.
    init(capacity: Int) { self.capacity = max(0, capacity) }

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
}
