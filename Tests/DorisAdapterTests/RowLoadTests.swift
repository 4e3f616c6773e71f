import ArchiveSchema
import DorisAdapter
import DorisTestSupport
import KafkaTestSupport
import Testing

/// Rows as the services publish them come out of Doris as they were.
@Suite(.enabled(if: TestDoris.isAvailable && TestKafka.isAvailable, "no Doris or stand-in, or no Kafka"), .serialized)
struct RowLoadTests {
    static let dates = [
        CalendarDate(year: 1, month: 1, day: 1), CalendarDate(year: 1899, month: 12, day: 31),
        CalendarDate(year: 2024, month: 2, day: 29), CalendarDate(year: 2000, month: 2, day: 29),
        CalendarDate(year: 9999, month: 12, day: 31), nil,
    ]
    static let texts = [
        String(repeating: "王", count: 64), "a\\b\"c'd\n\t=^", "Å\u{301}\u{1F600}", " ", "%s `x`", nil,
    ]
    static let codes: [[String?]?] = [["CT^HEAD", nil, "王"], [""], nil]
    static let doubles: [Double?] = [
        0.1, -1.5e-300, Double.greatestFiniteMagnitude, Double.leastNonzeroMagnitude, 9_007_199_254_740_994, nil,
    ]

    static func moment(_ index: Int) -> Timestamp {
        // Year 1, before 1970, a leap day's last microsecond, now.
        let values: [Int64] = [-62_135_596_800_000_000, -1, 1_709_251_199_999_999, 1_764_115_200_000_001]
        return Timestamp(microsecondsSince1970: values[index % values.count])
    }

    static func state(_ index: Int, updated: Int64 = 0) -> DicomStateMetaRow {
        let (date, text) = (dates[index % 6], texts[(index / 2) % 6])
        return DicomStateMetaRow(
            tenantID: "1234567890", studyUID: "1.2.\(index)", seriesUID: "1.2.\(index).3",
            studyUIDHash: SeaHash.decimal("1.2.\(index)"), seriesUIDHash: SeaHash.decimal("1.2.\(index).3"),
            representativeSOPUID: "1.2.\(index).3.4", patientID: text,
            // 194 characters: three groups of 64 and two signs between them.
            patientName: text.map { _ in String(repeating: "王", count: 194) }, patientBirthDate: date,
            patientBirthTime: ClockTime(microseconds: Int64(index) * 7_199_999_999),
            patientSize: doubles[index % 6], pregnancyStatus: index % 2 == 0 ? .min : .max, studyDate: date,
            studyDateOrigin: date?.dicomValue,
            procedureCode: codes[index % 3], seriesNumber: Int32(index),
            seriesDescription: text.map { _ in String(repeating: "界", count: 256) },
            createdTime: moment(index), updatedTime: Timestamp(microsecondsSince1970: 1_764_115_200_000_000 + updated))
    }

    static func object(_ index: Int) -> DicomObjectMetaRow {
        DicomObjectMetaRow(
            tenantID: "t", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.\(index)", patientID: texts[index % 6],
            fileSize: index % 2 == 0 ? .max : 0, filePath: "t/00/1.2/1.2.3/1.2.3.\(index).dcm",
            transferSyntaxUID: "1.2.840.10008.1.2.1", numberOfFrames: nil, createdTime: moment(index),
            seriesUIDHash: SeaHash.decimal("1.2.3"), studyUIDHash: SeaHash.decimal("1.2"), studyDate: dates[index % 6],
            sourceIP: "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
            traceID: "01890a5d-ac96-774b-bcce-b302099a8057", workerNodeID: "node-1")
    }

    static func image(_ index: Int) -> DicomImageMetaRow {
        DicomImageMetaRow(
            tenantID: "t", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.\(index)",
            studyUIDHash: SeaHash.decimal("1.2"), seriesUIDHash: SeaHash.decimal("1.2.3"),
            contentDate: dates[index % 6], contentTime: ClockTime(microseconds: Int64(index) * 3_600_000_001),
            imageType: texts[index % 6], sliceThickness: doubles[index % 6], width: 512, columns: 256,
            transferSyntaxUID: "1.2.840.10008.1.2.1", sopClassUID: "1.2.840.10008.5.1.4.1.1.2", spaceSize: .max,
            createdTime: moment(index), updatedTime: moment(index))
    }

    static func access(_ index: Int) -> WadoAccessLogRow {
        WadoAccessLogRow(
            tenantID: "t", requestTime: moment(index), traceID: "01890a5d-ac96-774b-bcce-b3020000000\(index)",
            workerNodeID: "n", method: "GET", operation: "metadata", path: texts[index % 6], status: 200,
            bytesSent: .max, durationUs: -1, remoteAddress: "::1")
    }

    /// One of Doris' answers as a message again: what `init(json:)` reads.
    static func json(_ table: TableSchema, _ row: [String?]) -> [UInt8] {
        let columns = table.columns.filter(\.isInDoris)
        let members = zip(columns, row).map { column, value in
            let text: String
            switch (column.type, value) {
            case (_, nil): text = "null"
            case (.int, let value?), (.bigint, let value?), (.double, let value?): text = value
            // Doris writes an array as JSON does.
            case (.array, let value?): text = value
            case (_, let value?): text = DorisText.string(value).replacing("\t", with: "\\t")
            }
            return "\"\(column.name)\":\(text)"
        }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }

    private func check<Row: Equatable>(
        _ table: TableSchema, _ rows: [Row], encode: (Row, inout [UInt8]) -> Void, decode: ([UInt8]) throws -> Row
    ) throws {
        try TestDoris.withDatabase { configuration in
            let brokers = try TestKafka.brokers()
            let topic = try TestTopic(brokers: brokers, partitions: 2)
            var configuration = configuration
            configuration.brokers = brokers
            configuration.loadProperties = ["max_batch_interval": "1", "max_error_number": "0"]
            var load = LoadDefinition(try #require(table.load))
            load.topic = topic.name
            let store = DorisSchemaStore(
                configuration, tables: [try TableDefinition(reading: #require(table.dorisDDL))], loads: [load])
            _ = try SchemaTests.apply(store)
            let messages = rows.map { row in
                var bytes: [UInt8] = []
                encode(row, &bytes)
                return String(decoding: bytes, as: UTF8.self)
            }
            let place = LoadTests.Place(configuration: configuration, topic: topic, brokers: brokers, job: load.job)
            try topic.send(messages)
            // Once more, as after a crash between the acknowledgement and the offset.
            try topic.send(messages, partition: 1)
            try place.awaitLoaded(Int64(rows.count * 2))
            let names = table.columns.filter(\.isInDoris).map { DorisText.name($0.name) }.joined(separator: ", ")
            let found = try place.rows("SELECT \(names) FROM \(table.name)").map { try decode(Self.json(table, $0)) }
            #expect(found.count == rows.count)
            for row in rows { #expect(found.contains(row)) }
        }
    }

    @Test func series() throws {
        try check(
            DicomStateMetaRow.table, (0..<12).map { Self.state($0) }, encode: { $0.encodeJSON(into: &$1) },
            decode: { try DicomStateMetaRow(json: $0) })
    }

    @Test func objects() throws {
        try check(
            DicomObjectMetaRow.table, (0..<8).map { Self.object($0) }, encode: { $0.encodeJSON(into: &$1) },
            decode: { try DicomObjectMetaRow(json: $0) })
    }

    @Test func images() throws {
        try check(
            DicomImageMetaRow.table, (0..<8).map { Self.image($0) }, encode: { $0.encodeJSON(into: &$1) },
            decode: { try DicomImageMetaRow(json: $0) })
    }

    @Test func requests() throws {
        try check(
            WadoAccessLogRow.table, (0..<8).map { Self.access($0) }, encode: { $0.encodeJSON(into: &$1) },
            decode: { try WadoAccessLogRow(json: $0) })
    }
}
