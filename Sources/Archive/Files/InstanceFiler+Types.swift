internal import ServiceKit

/// What to do with a data set that differs from the one stored under the same UIDs.
public enum DuplicatePolicy: String, CaseIterable, Sendable {
    /// The first one stays; the sender is told success, since its instance is in the archive.
    case keep
    /// The one received last takes its place, atomically.
    case replace
    /// The first one stays; the sender is told.
    case refuse
}

/// What became of a spooled instance.
public enum FilingOutcome: Hashable, Sendable {
    /// Under its final name.
    case stored
    /// In place of an older data set.
    case replaced
    /// The same data set was there already.
    case duplicate
    /// A different one was there and stays (`keep`), or was received later (`replace`).
    case kept
    /// A different one was there and stays (`refuse`).
    case refused
}

extension InstanceFiler {
    /// Makes the event of an instance from its file; nil when no event can be made of what the file says. Throws when
    /// it cannot be read now: it is asked again.
    public typealias EventMaker =
        @Sendable (_ provenance: Provenance, _ path: String) throws(FileSystemError) -> Message?

    public struct Configuration: Sendable {
        public var policy = DuplicatePolicy.replace
        /// How long the first instance of a group waits for others. Longer groups cost fewer syncs, and delay events.
        public var gatherMilliseconds = 250
        /// A group that did not grow for so long waits no longer.
        public var quietMilliseconds = 20
        public var groupSize = 256
        /// Instances waiting, beyond which `hasRoom` is false.
        public var maximumPending = 1_000_000
        /// Instances of which more than the number is kept in memory.
        public var inMemory = 2_000
        public var minimumPauseMilliseconds = 100
        public var maximumPauseMilliseconds = 5_000
        /// The time of day, in microseconds since 1970 (UTC).
        package var clock: @Sendable () -> Int64 = { WallClock.microseconds }

        public init() {}

        /// What failed as a whole is tried again after these pauses.
        var backOff: BackOff { BackOff(first: minimumPauseMilliseconds, maximum: maximumPauseMilliseconds) }
    }

    /// What happens, for metrics and logs.
    public enum Notice: Sendable {
        case filed(FilingOutcome, Provenance)
        case published(Int)
        /// The folder or the bus refused; it is tried again.
        case filingFailed(FileSystemError)
        case publishingFailed(any Error)
        /// A file in the spool that never was acknowledged: removed.
        case incomplete
        /// The file of this number in the spool, of an instance that was acknowledged, is gone or damaged, before it was
        /// filed or, if nothing more is known of it, before its event was published (`wado reconcile` finds it then).
        case lost(UInt64, Provenance?)
        /// No event can be made of this instance, which is filed.
        case unpublishable(Provenance)
    }
}
