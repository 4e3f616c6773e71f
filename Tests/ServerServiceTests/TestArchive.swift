import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import ServiceKit
import Synchronization
import Testing

/// An index in memory: studies and series as they were added.
final class MemoryIndex: SeriesIndex {
    struct Failure: RetriableError, CustomStringConvertible {
        var isRetriable = true
        var description: String { "the index is broken" }
    }

    private let state = Mutex<[SeriesIdentity: (object: [UInt8], sop: String, count: Int)]>([:])
    let isBroken = Atomic(false)
    /// How often the series of a study were asked for.
    let asked = Atomic(0)
    /// Broken for good.
    let isDamaged = Atomic(false)
    /// Series are found whatever is asked for beside their UIDs, as those are one of whose instances has the value.
    let hasVariants = Atomic(false)

    func add(_ series: SeriesIdentity, sop: String, object: [UInt8]) {
        state.withLock { state in
            let count = (state[series]?.count ?? 0) + 1
            state[series] = (state[series]?.object ?? object, min(sop, state[series]?.sop ?? sop), count)
        }
    }

    private func all(_ tenantID: String) throws -> [(SeriesIdentity, (object: [UInt8], sop: String, count: Int))] {
        if isBroken.load(ordering: .relaxed) { throw Failure() }
        if isDamaged.load(ordering: .relaxed) { throw Failure(isRetriable: false) }
        return state.withLock { $0.filter { $0.key.tenantID == tenantID } }
            .sorted { ($0.key.studyUID, $0.key.seriesUID) < ($1.key.studyUID, $1.key.seriesUID) }
            .map { ($0.key, $0.value) }
    }

    private func matching(_ query: QIDOQuery, _ tenantID: String) throws -> [(SeriesIdentity, [UInt8], Int, String)] {
        let isAny = hasVariants.load(ordering: .relaxed)
        let matcher = QIDOMatcher(
            query.matches.filter {
                (!isAny || $0.path.tag == .studyInstanceUID || $0.path.tag == .seriesInstanceUID)
                    && (ArchiveSchema.searchKey($0.path.tags)?.level ?? .instance) < .instance
                    && $0.path.tag != .modalitiesInStudy
            })
        return try all(tenantID).filter { try matcher.matches($0.1.object.span.bytes) }
            .map { ($0.0, $0.1.object, $0.1.count, $0.1.sop) }
    }

    func search(_ query: QIDOQuery, tenantID: String, retrieveRoot: String?) throws -> IndexAnswer {
        var found = try matching(query, tenantID)
        if query.level == .studies {
            var seen: Set<String> = []
            found.removeAll { !seen.insert($0.0.studyUID).inserted }
        }
        let page = found.dropFirst(query.offset).prefix(query.limit ?? .max)
        return IndexAnswer(
            objects: page.map { Array($0.1) },
            representatives: page.map { .init(series: $0.0, sopInstanceUID: $0.3) },
            isPartial: found.count > query.offset + page.count)
    }

    func seriesMatching(
        _ query: QIDOQuery, tenantID: String, after: SeriesIdentity?, limit: Int
    ) throws -> [SeriesEntry] {
        let hasVariants = hasVariants.load(ordering: .relaxed)
        return try matching(query, tenantID)
            .map { SeriesEntry(series: $0.0, modality: nil, instanceCount: $0.2, hasVariants: hasVariants) }
            .filter { entry in
                after.map { ($0.studyUID, $0.seriesUID) < (entry.series.studyUID, entry.series.seriesUID) } ?? true
            }
            .prefix(limit).map { $0 }
    }

    func series(ofStudy studyUID: String, tenantID: String) throws -> [SeriesEntry] {
        asked.add(1, ordering: .relaxed)
        return try all(tenantID).filter { $0.0.studyUID == studyUID }
            .map { SeriesEntry(series: $0.0, modality: nil, instanceCount: $0.1.count) }
    }

    func counts(tenantID: String?) throws -> IndexCounts {
        let all = try all(tenantID ?? "")
        return IndexCounts(
            studies: Set(all.map(\.0.studyUID)).count, series: all.count,
            instances: all.reduce(0) { $0 + $1.1.count })
    }
}

/// Keeps the rows it gets.
final class MemoryLog: LogStore {
    private let rows = Mutex<[WadoAccessLogRow]>([])
    let isBroken = Atomic(false)

    func append(_ rows: LogRows) throws {
        if isBroken.load(ordering: .relaxed) { throw MemoryIndex.Failure() }
        // As a column that is too narrow.
        if rows.access.contains(where: { $0.operation == "bulkdata" }) { throw MemoryIndex.Failure(isRetriable: false) }
        self.rows.withLock { $0 += rows.access }
    }

    var access: [WadoAccessLogRow] { rows.withLock { $0 } }
}

/// Keeps the lines of the log.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }
    var logger: Logger {
        Logger(service: "test") { line in self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
    }
}

/// A response that has been read to its end.
struct Answer {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    /// The length that was promised; nil: none.
    var length: Int?

    var text: String { String(decoding: body, as: UTF8.self) }

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    func json() throws -> [[String: Any]] {
        try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [[String: Any]])
    }

    /// The parts of a multipart body.
    func parts() throws -> [(headers: [String: String], body: [UInt8])] {
        let type = try #require(header("Content-Type").flatMap { MediaType($0) })
        #expect(type.essence == "multipart/related")
        let boundary = try #require(type.parameter("boundary").flatMap { MultipartBoundary($0) })
        var collector = PartCollector()
        var reader = MultipartReader(boundary: boundary)
        try reader.read(body.span.bytes, into: &collector)
        try reader.finish()
        return collector.parts
    }
}

struct PartCollector: MultipartReceiver {
    var parts: [(headers: [String: String], body: [UInt8])] = []

    mutating func beginPart(_ headers: PartHeaders) throws(MemoryIndex.Failure) {
        parts.append((Dictionary(headers.fields.map { ($0.name, $0.value) }) { a, _ in a }, []))
    }
    mutating func partBytes(_ bytes: RawSpan) throws(MemoryIndex.Failure) {
        bytes.withUnsafeBytes { parts[parts.count - 1].body += $0 }
    }
    mutating func endPart() throws(MemoryIndex.Failure) {}
}

/// An archive in a temporary folder, with a handler in front of it.
final class TestArchive {
    let folder: URL
    let configuration: ServerConfiguration
    let index = MemoryIndex()
    let metadata: FileMetadataStore
    let metrics = MetricsRegistry()
    let handler: WebHandler
    let log = LogLines()
    static let tenant = TenantID.standard

    init(_ change: (inout ServerConfiguration) -> Void = { _ in }) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "server-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder.appending(path: "store"), withIntermediateDirectories: true)
        var configuration = ServerConfiguration(storeFolder: folder.appending(path: "store").path)
        change(&configuration)
        self.configuration = configuration
        metadata = FileMetadataStore(root: folder.appending(path: "json").path)
        handler = WebHandler(
            configuration: configuration, index: index, metadata: metadata, logger: log.logger,
            metrics: metrics)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Files an instance as the store SCP does: with provenance in its file meta.
    @discardableResult
    func add(_ bytes: [UInt8], tenant: TenantID = tenant, isIndexed: Bool = true) throws -> InstanceIdentity {
        let file = try DICOMFile(bytes: bytes)
        let dataSet = file.dataSet
        let identity = InstanceIdentity(
            tenant: tenant, study: try #require(dataSet.string(.studyInstanceUID).flatMap { UID($0) }),
            series: try #require(dataSet.string(.seriesInstanceUID).flatMap { UID($0) }),
            instance: try #require(dataSet.string(.sopInstanceUID).flatMap { UID($0) }))
        var meta = file.meta ?? FileMeta()
        meta.transferSyntaxUID = file.transferSyntax.uid
        meta.mediaStorageSOPClassUID = dataSet.string(.sopClassUID) ?? ""
        meta.mediaStorageSOPInstanceUID = identity.instance.value
        meta.privateInformationCreatorUID = "2.25.1"
        meta.privateInformation = Array("PROVENANCE-OF-\(tenant)".utf8)
        let path = folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(meta.encoded() + bytes[file.dataSetOffset...]).write(to: path)
        guard isIndexed else { return identity }
        let key = SeriesIdentity(
            tenantID: tenant.value, studyUID: identity.study.value, seriesUID: identity.series.value)
        var json: [UInt8] = []
        DICOMJSON.encode(dataSet, bulkData: BulkDataPolicy(uriPrefix: "\(url(identity))/bulkdata/"), into: &json)
        _ = try metadata.append([
            SeriesMetadataUpdate(
                series: key, instances: [InstanceMetadata(sopInstanceUID: identity.instance.value, json: json)])
        ])
        var object: [UInt8] = []
        let keep = JSONInstanceReader(tags: [
            .studyDate, .modality, .patientName, .patientID, .studyInstanceUID, .seriesInstanceUID, .seriesNumber,
        ])
        var found: [Range<Int>] = []
        try keep.find(in: json.span.bytes, &found)
        var writer = DICOMJSONObjectWriter()
        for (tag, range) in zip(keep.tags, found) where !range.isEmpty { writer.copy(tag, json[range]) }
        writer.finish(into: &object)
        index.add(key, sop: identity.instance.value, object: object)
        return identity
    }

    func url(_ identity: InstanceIdentity) -> String {
        "/dicom-web/studies/\(identity.study)/series/\(identity.series)/instances/\(identity.instance)"
    }

    func get(_ target: String, method: String = "GET", _ headers: [String: String] = [:]) -> Answer {
        var fields = HTTPHeaders()
        fields.append(name: "Host", value: "archive.test:9999")
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { fields.append(name: name, value: value) }
        return Self.read(handler.respond(to: HTTPRequest(method: method, target: target, headers: fields)))
    }

    static func read(_ response: HTTPResponse) -> Answer {
        var body: [UInt8] = []
        var whole = response.body
        if case .segments(let segments) = whole { whole = .stream(HTTPSegments(segments)) }
        if case .chunked(let segments) = whole { whole = .stream(segments) }
        switch whole {
        case .empty, .segments, .chunked: break
        case .bytes(let bytes): body = bytes
        case .shared(let shared): body = shared.bytes
        case .file(let file, let offset, let length):
            if let bytes = file.bytes(at: offset, count: length) {
                body = bytes
            } else {
                Issue.record("range not in file")
            }
        case .stream(let stream):
            // Pieces of an odd size, so that every boundary is hit.
            var piece = [UInt8](repeating: 0, count: 1_009)
            do {
                while true {
                    let wanted = stream.length.map { min(piece.count, $0 - body.count) } ?? piece.count
                    guard wanted > 0 else { break }
                    let count = try piece.withUnsafeMutableBytes {
                        try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
                    }
                    if count == 0 { break }
                    body += piece[..<count]
                }
            } catch { Issue.record("stream failed: \(error)") }
        }
        let length = response.body.length
        if let length { #expect(length == body.count) }
        return Answer(
            status: response.status, headers: response.headers.map { ($0.name.description, $0.value) }, body: body,
            length: length)
    }
}

/// Makes instances.
enum Make {
    /// A CT-like instance of so many frames, 16 bits unless told otherwise.
    static func builder(
        study: String = "1.2.3", series: String = "1.2.3.4", instance: String = "1.2.3.4.5", rows: Int = 4,
        columns: Int = 6, frames: Int = 1, bits: Int = 16, number: Int = 1
    ) -> DataSetBuilder {
        var builder = DataSetBuilder()
        builder.set(.sopClassUID, "1.2.840.10008.5.1.4.1.1.2")
        builder.set(.sopInstanceUID, instance)
        builder.set(.studyDate, "20240305")
        builder.set(.modality, "CT")
        builder.set(.manufacturer, "Phantoms & Sons")
        builder.set(.patientName, "DOE^JANE")
        builder.set(.patientID, "P-17")
        builder.set(.studyInstanceUID, study)
        builder.set(.seriesInstanceUID, series)
        builder.set(.instanceNumber, number)
        builder.set(.samplesPerPixel, 1)
        builder.set(.photometricInterpretation, "MONOCHROME2")
        if frames > 1 { builder.set(.numberOfFrames, frames) }
        builder.set(.rows, rows)
        builder.set(.columns, columns)
        builder.set(.bitsAllocated, bits)
        let count = (rows * columns * bits * frames + 7) / 8
        builder.set(
            .pixelData, vr: bits > 8 ? .ow : .ob,
            bytes: (0..<(count + count % 2)).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) })
        return builder
    }

    static func file(_ builder: DataSetBuilder, _ syntax: TransferSyntax = .explicitVRLittleEndian) -> [UInt8] {
        let meta = FileMeta(transferSyntaxUID: syntax.uid)
        return meta.encoded() + builder.encoded(in: syntax)
    }
}
