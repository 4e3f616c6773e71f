public import DICOMCore
public import DICOMDictionary
public import DICOMWeb

/// Reads some attributes out of stored DICOM JSON as a data set, from which rows are extracted as from a file's: so one
/// rule serves both. The rest of the JSON is passed over, not decoded. Used by one thread.
///
/// Of a private attribute the whole group is taken, since where its block lies differs from file to file.
public final class AttributeSelection {
    private let reader: JSONInstanceReader
    private let privateGroups: Set<UInt16>
    private var found: [Range<Int>] = []

    /// - Parameter tags: of the root; sequences come with all that is in them.
    public init(tags: some Sequence<Tag>) {
        privateGroups = Set(tags.lazy.map(\.group).filter { $0 & 1 == 1 })
        reader = JSONInstanceReader(tags: tags.filter { $0.group & 1 == 0 })
    }

    /// The attributes that the instance has, with its own UIDs.
    /// - Returns: nil when the JSON lacks the value of one and has a URI instead.
    /// - Throws: `DICOMJSONError`, `DICOMError`.
    public func dataSet(of json: RawSpan, sopInstanceUID: String, series: SeriesIdentity) throws -> DataSet? {
        var writer = DICOMJSONObjectWriter()
        try forEachFound(in: json) { tag, value in writer.copy(tag, value) }
        var object: [UInt8] = []
        writer.finish(into: &object)
        let decoded = try DICOMJSON.decode(object)
        guard decoded.bulkData.isEmpty else { return nil }
        var builder = decoded.dataSet
        builder.set(.sopInstanceUID, vr: .ui, text: sopInstanceUID)
        builder.set(.studyInstanceUID, vr: .ui, text: series.studyUID)
        builder.set(.seriesInstanceUID, vr: .ui, text: series.seriesUID)
        return try builder.dataSet()
    }

    /// The attributes' JSON one behind the other: equal for instances that agree on them.
    public func text(of json: RawSpan, into text: inout [UInt8]) throws(DICOMJSONError) {
        text.removeAll(keepingCapacity: true)
        var bytes: [UInt8] = []
        swap(&bytes, &text)
        try forEachFound(in: json) { tag, value in
            withUnsafeBytes(of: tag.rawValue) { bytes.append(contentsOf: $0) }
            value.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        swap(&bytes, &text)
    }

    private func forEachFound(
        in json: RawSpan, _ body: (Tag, RawSpan) -> Void
    ) throws(DICOMJSONError) {
        if privateGroups.isEmpty {
            try reader.find(in: json, &found)
            for (tag, range) in zip(reader.tags, found) where !range.isEmpty { body(tag, json.extracting(range)) }
            return
        }
        let wanted = Set(reader.tags)
        var places: [(Tag, Range<Int>)] = []
        try JSONInstanceReader.forEachAttribute(in: json) { tag, range in
            if wanted.contains(tag) || privateGroups.contains(tag.group) { places.append((tag, range)) }
        }
        for (tag, range) in places { body(tag, json.extracting(range)) }
    }
}
