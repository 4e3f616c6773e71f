/// The advisory locks of the archive: any numbers, but of one space for the whole database, and the same in all versions.
/// The event bus has the other space, that of pairs of numbers.
package enum AdvisoryLock {
    /// Held while PostgreSQL's schema is changed.
    static let migrations: Int64 = 0x7761_646F_0001
    /// Held while log tables are kept in order.
    static let housekeeping: Int64 = 0x7761_646F_0002
    /// Held while indexes are built and rows are checked, beside everything else.
    static let indexBuilds: Int64 = 0x7761_646F_0003
    /// Held while Doris' schema is changed.
    package static let dorisMigrations: Int64 = 0x7761_646F_0004

    /// SQL of the lock of a series, one of 2^64, while its metadata is compacted: from its row's key.
    static let series = "hashtextextended(tenant_id || '/' || study_uid || '/' || series_uid, 7761)"

    /// SQL of the lock of what a run of `wado reindex` is about.
    static func reindex(_ subject: String) -> String { "hashtextextended(\(subject), 7762)" }
}
