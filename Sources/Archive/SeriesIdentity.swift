/// The key of a series: equal UIDs of two tenants are two series.
public struct SeriesIdentity: Hashable, Sendable {
    public var tenantID: String
    /// Study Instance UID (0020,000D).
    public var studyUID: String
    /// Series Instance UID (0020,000E).
    public var seriesUID: String

    public init(tenantID: String, studyUID: String, seriesUID: String) {
        self.tenantID = tenantID
        self.studyUID = studyUID
        self.seriesUID = seriesUID
    }
}
