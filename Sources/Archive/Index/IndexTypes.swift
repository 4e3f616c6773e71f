/// A series as the index knows it.
public struct SeriesEntry: Sendable, Equatable {
    public var series: SeriesIdentity
    /// Modality (0008,0060) of the representative; nil when empty.
    public var modality: String?
    /// Instances counted so far (`series_related_instances`).
    public var instanceCount: Int
    /// True when its instances disagree on attributes that searches for series compare, so that not all of them need to
    /// have the values by which the series was found. Told by `seriesMatching` only.
    public var hasVariants: Bool

    public init(series: SeriesIdentity, modality: String?, instanceCount: Int, hasVariants: Bool = false) {
        self.series = series
        self.modality = modality
        self.instanceCount = instanceCount
        self.hasVariants = hasVariants
    }
}

/// How much the index holds.
public struct IndexCounts: Sendable, Equatable {
    public var studies: Int
    public var series: Int
    public var instances: Int

    public init(studies: Int, series: Int, instances: Int) {
        self.studies = studies
        self.series = series
        self.instances = instances
    }
}

/// The answer to a QIDO-RS search for studies or series.
public struct IndexAnswer: Sendable {
    /// One DICOM JSON Model object (PS3.18 F.2) for each match, attributes in ascending order of tags.
    public var objects: [[UInt8]]
    /// Of each object the instance whose values it shows.
    public var representatives: [Representative]
    /// True when more would have matched than the query's limit let through (PS3.18 8.3.4.4).
    public var isPartial: Bool
    /// For the Warning header (299): attributes of the query that the index does not know and did not match.
    public var warnings: [String]

    /// The instance of lowest UID of a series; of a study's series that of lowest UID.
    public struct Representative: Sendable, Equatable {
        public var series: SeriesIdentity
        public var sopInstanceUID: String

        public init(series: SeriesIdentity, sopInstanceUID: String) {
            self.series = series
            self.sopInstanceUID = sopInstanceUID
        }
    }

    public init(
        objects: [[UInt8]], representatives: [Representative], isPartial: Bool, warnings: [String] = []
    ) {
        self.objects = objects
        self.representatives = representatives
        self.isPartial = isPartial
        self.warnings = warnings
    }
}
