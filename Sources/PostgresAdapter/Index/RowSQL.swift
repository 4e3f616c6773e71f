import Archive

extension PostgresValue {
    /// The key of a series as three parameters; of none, one that is before all.
    static func key(of series: SeriesIdentity?) -> [PostgresValue] {
        [.text(series?.tenantID ?? ""), .text(series?.studyUID ?? ""), .text(series?.seriesUID ?? "")]
    }

    /// The keys of several as three arrays.
    static func keys(of series: [SeriesIdentity]) -> [PostgresValue] {
        [.textArray(series.map(\.tenantID)), .textArray(series.map(\.studyUID)), .textArray(series.map(\.seriesUID))]
    }
}

extension PostgresResult {
    /// The series whose key is in the first three columns.
    func series(_ row: Int) -> SeriesIdentity {
        SeriesIdentity(
            tenantID: string(row, 0) ?? "", studyUID: string(row, 1) ?? "", seriesUID: string(row, 2) ?? "")
    }
}

extension SQL {
    /// The assignment of `updated_time` in an UPDATE: the time of writing grows with every change of a row, also when
    /// clocks disagree.
    static func laterTime(_ row: String) -> String {
        "updated_time = GREATEST(clock_timestamp(), \(row).updated_time + interval '1 microsecond')"
    }
}
