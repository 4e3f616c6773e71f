internal import Archive
internal import ArchiveSchema
internal import PostgresAdapter
internal import ServiceKit

/// Open problems of series as a whole, such as metadata that could not be read. A run that reads it well clears them.
struct SeriesProblems {
    /// Rows at once, and pages at most: what is beyond is cleared by another run.
    private static let (rows, pages) = (1_000, 100)

    private var open: [SeriesIdentity: [DicomProblemMetaRow]] = [:]

    init(_ problems: PostgresProblems, tenant: TenantID?) throws {
        var filter = ProblemFilter()
        filter.tenantID = tenant?.value
        filter.isOfSeries = true
        var last: DicomProblemMetaRow?
        for _ in 0..<Self.pages {
            let page = try problems.page(filter, after: last, limit: Self.rows)
            for row in page { open[row.series, default: []].append(row) }
            guard page.count == Self.rows else { return }
            last = page.last
        }
    }

    /// The rows that clear what these series had.
    mutating func clearing(_ series: some Sequence<SeriesIdentity>) -> [DicomProblemMetaRow] {
        guard !open.isEmpty else { return [] }
        return series.flatMap { open.removeValue(forKey: $0) ?? [] }.map {
            $0.cleared(by: "wado reindex", version: Program.version, at: .now)
        }
    }
}
