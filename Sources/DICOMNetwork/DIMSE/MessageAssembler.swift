/// Puts fragments together to DIMSE messages (PS3.7 6.3, PS3.8 annex E): a command set, collected, and its data set,
/// handed on in pieces. Messages follow each other; the next may begin in the same PDU.
public struct MessageAssembler: Sendable {
    public enum Event: Hashable, Sendable {
        /// The fragment was taken in; nothing to do yet.
        case none
        /// A command set is whole. When it has a data set, its pieces follow, those that came too early first:
        /// `takeEarlyData`.
        case command(CommandSet, contextID: UInt8)
        /// The fragment's bytes belong to the data set; the last ones when `isLast`.
        case data(isLast: Bool)
    }

    /// Data-set fragments may stand before the end of their command set; that many bytes of them are kept.
    public static let maximumEarlyData = 1_048_576

    private enum State: Hashable, Sendable { case idle, command, data }

    private var state = State.idle
    private var contextID: UInt8 = 0
    private var command: [UInt8] = []
    private var early: [UInt8] = []
    private var earlyIsLast = false
    private let isAccepted: @Sendable (UInt8) -> Bool

    /// `isAccepted` tells whether a presentation context was accepted.
    public init(isAccepted: @escaping @Sendable (UInt8) -> Bool) { self.isAccepted = isAccepted }

    /// Between messages.
    public var isIdle: Bool { state == .idle }

    /// Takes a fragment in. Throws the A-ABORT that answers one which has no place here.
    public mutating func add(_ fragment: Fragment, in buffer: UnsafeRawBufferPointer) throws(Abort) -> Event {
        if state == .idle {
            if fragment.range.isEmpty && !fragment.isLast { return .none }
            guard isAccepted(fragment.contextID) else { throw .unexpectedParameter }
            contextID = fragment.contextID
            state = .command
        }
        guard fragment.contextID == contextID else { throw .unexpectedParameter }
        switch (state, fragment.isCommand) {
        case (.command, true):
            guard fragment.range.count <= CommandSet.maximumLength - command.count else { throw .invalidParameter }
            command.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[fragment.range]))
            guard fragment.isLast else { return .none }
            return try finishCommand()
        case (.command, false):
            guard !earlyIsLast, fragment.range.count <= Self.maximumEarlyData - early.count else {
                throw .unexpectedParameter
            }
            early.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[fragment.range]))
            earlyIsLast = fragment.isLast
            return .none
        case (.data, false):
            if fragment.isLast { state = .idle }
            return .data(isLast: fragment.isLast)
        case (.data, true), (.idle, _):
            throw .unexpectedParameter
        }
    }

    private mutating func finishCommand() throws(Abort) -> Event {
        let bytes = command
        command = []
        let set: CommandSet
        do { set = try CommandSet(parsing: bytes) } catch { throw .invalidParameter }
        if set.hasDataSet {
            state = earlyIsLast ? .idle : .data
        } else {
            guard early.isEmpty, !earlyIsLast else { throw .unexpectedParameter }
            state = .idle
        }
        return .command(set, contextID: contextID)
    }

    /// The bytes of the data set that came before the end of its command set, and whether that was all of it. To be
    /// asked after each command set with a data set.
    public mutating func takeEarlyData() -> (bytes: [UInt8], isLast: Bool)? {
        guard !early.isEmpty || earlyIsLast else { return nil }
        defer {
            early = []
            earlyIsLast = false
        }
        return (early, earlyIsLast)
    }
}
