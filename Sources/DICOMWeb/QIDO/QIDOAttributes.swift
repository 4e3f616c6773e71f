public import DICOMDictionary

/// The attributes that answers always have (PS3.18 tables 10.6.3-3 to 10.6.3-5), ascending.
public enum QIDOAttributes {
    /// Table 10.6.3-3. Of the patient and the study; computed: Modalities in Study (0008,0061), Retrieve URL (0008,1190),
    /// Instance Availability (0008,0056), numbers of related series and instances (0020,1206) (0020,1208).
    public static let study: [Tag] = tags(
        0x0008_0005, 0x0008_0020, 0x0008_0030, 0x0008_0050, 0x0008_0056, 0x0008_0061, 0x0008_0090, 0x0008_0201,
        0x0008_1190, 0x0010_0010, 0x0010_0020, 0x0010_0030, 0x0010_0040, 0x0020_000D, 0x0020_0010, 0x0020_1206,
        0x0020_1208)

    /// Table 10.6.3-4. Computed: Retrieve URL, number of related instances (0020,1209). Of the Request Attributes Sequence
    /// (0040,0275) the items' Scheduled Procedure Step ID and Requested Procedure ID.
    public static let series: [Tag] = tags(
        0x0008_0005, 0x0008_0056, 0x0008_0060, 0x0008_0201, 0x0008_103E, 0x0008_1190, 0x0020_000D, 0x0020_000E,
        0x0020_0011, 0x0020_1209, 0x0040_0244, 0x0040_0245, 0x0040_0275)

    /// Table 10.6.3-5. Computed: Retrieve URL, Instance Availability.
    public static let instance: [Tag] = tags(
        0x0008_0005, 0x0008_0016, 0x0008_0018, 0x0008_0056, 0x0008_0201, 0x0008_1190, 0x0020_000D, 0x0020_000E,
        0x0020_0013, 0x0028_0008, 0x0028_0010, 0x0028_0011, 0x0028_0100)

    /// What an answer has: the attributes of the level, and those of the levels above that the path does not name
    /// (PS3.18 10.6.3.3: a search over all studies returns also what tells them apart).
    public static func returned(_ level: QIDOLevel, studyInPath: Bool, seriesInPath: Bool) -> [Tag] {
        var tags: Set<Tag>
        switch level {
        case .studies: tags = Set(study)
        case .series:
            tags = Set(series)
            if !studyInPath { tags.formUnion(study) }
        case .instances:
            tags = Set(instance)
            if !seriesInPath { tags.formUnion(series) }
            if !studyInPath { tags.formUnion(study) }
        }
        return tags.sorted()
    }

    /// The level that an attribute is of, as far as these tables tell, and whether it describes images; nil of any other.
    public static func level(of tag: Tag) -> QIDOLevel? {
        if study.contains(tag) { return .studies }
        if series.contains(tag) { return .series }
        return instance.contains(tag) || tag.group == 0x0028 || tag.group >= 0x5000 ? .instances : nil
    }

    private static func tags(_ values: UInt32...) -> [Tag] { values.map { Tag($0) } }
}

extension QIDOQuery {
    /// The study's UID, if one was in the path.
    var hasStudyInPath: Bool { pathUIDs > 0 }
    var hasSeriesInPath: Bool { pathUIDs > 1 }

    /// The attributes that each result has, ascending: the required ones, those asked for by `includefield`, and those
    /// that were matched (PS3.18 10.6.3.3). Of paths the sequence at the root, which is returned whole.
    public var returnedTags: [Tag] {
        var tags = Set(QIDOAttributes.returned(level, studyInPath: hasStudyInPath, seriesInPath: hasSeriesInPath))
        for path in includeFields { tags.insert(path.tags[0]) }
        for match in matches { tags.insert(match.path.tags[0]) }
        return tags.sorted()
    }
}

/// Builds answers to a search for instances out of their stored JSON: raw ranges are copied, what is computed is put in
/// its place.
public struct QIDOInstanceAnswer: Sendable {
    private static let availability = Tag(0x0008_0056)
    private static let retrieveURL = Tag(0x0008_1190)

    private let finder: QIDOAttributeFinder
    private let includesAll: Bool

    public init(_ query: QIDOQuery) {
        includesAll = query.includesAll
        finder = QIDOAttributeFinder(query.returnedTags, of: query)
    }

    /// Appends the answer's object for one instance.
    /// - Parameters:
    ///   - retrieveURL: Of the instance, absolute.
    ///   - more: Values of attributes that are not the instance's own, such as counts of its series: `{"vr":...}` by tag,
    ///     ascending; they win over what the instance has.
    public func append(
        _ json: RawSpan, retrieveURL: String, more: [(Tag, [UInt8])] = [], to output: inout [UInt8]
    ) throws(DICOMJSONError) {
        var computed = more.filter { $0.0 != Self.availability && $0.0 != Self.retrieveURL }
        computed.append((Self.availability, Array("{\"vr\":\"CS\",\"Value\":[\"ONLINE\"]}".utf8)))
        var sink = JSONSink(capacity: 512)
        sink.append("{\"vr\":\"UR\",\"Value\":[")
        sink.appendQuoted(retrieveURL)
        sink.append("]}")
        computed.append((Self.retrieveURL, Array(sink.bytes)))
        computed.sort { $0.0 < $1.0 }

        var own: [(Tag, Range<Int>)] = []
        if includesAll {
            try JSONInstanceReader.forEachAttribute(in: json) { own.append(($0, $1)) }
        } else {
            own = try finder.find(in: json)
        }
        json.withUnsafeBytes { bytes in
            var writer = DICOMJSONObjectWriter()
            var next = 0
            for (tag, range) in own {
                while next < computed.count, computed[next].0 <= tag {
                    writer.copy(computed[next].0, computed[next].1)
                    next += 1
                }
                if next > 0, computed[next - 1].0 == tag { continue }
                writer.copy(tag, UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
            for (tag, value) in computed[next...] { writer.copy(tag, value) }
            writer.finish(into: &output)
        }
    }
}
