/// Why an association is over.
public enum AssociationEnd: Hashable, Sendable {
    case released
    /// By the peer, or by us because of what the peer sent.
    case aborted(Abort)
    case connectionLost
    /// Nothing came for the idle time.
    case idle
    /// To make room for another one while this one was silent.
    case evicted
    /// The acceptor stops.
    case stopped
}

/// The acceptor's user: one object for each association, used only by that association's thread.
public protocol AssociationHandler: AnyObject {
    /// A C-STORE begins; its data set follows. A status refuses it: the data set is then read and thrown away, and
    /// the status answered.
    func storeBegins(_ command: CommandSet, context: NegotiatedContext) -> DIMSEStatus?
    /// Where the next bytes of the data set are wanted, at most so many; they are received to there, and handed over by
    /// `storeReceives` next, without a copy. nil: anywhere.
    func storeRoom(_ count: Int) -> UnsafeMutableRawBufferPointer?
    /// The next bytes of the data set, in the context's transfer syntax; valid during the call only. A status ends the
    /// operation as above.
    func storeReceives(_ bytes: UnsafeRawBufferPointer) -> DIMSEStatus?
    /// The data set is whole. Returns what is answered; success only when the instance is safe.
    func storeEnds() -> DIMSEStatus
    /// The association refuses a C-STORE itself, because of what the command says; the handler is told only.
    func storeRefused(_ command: CommandSet, context: NegotiatedContext, status: DIMSEStatus)
    /// The operation that has begun will not end (the association is over).
    func storeAbandoned()
    func associationEnds(_ end: AssociationEnd)
}

extension AssociationHandler {
    public func storeRoom(_ count: Int) -> UnsafeMutableRawBufferPointer? { nil }
}
