internal import Archive
internal import ArchiveSchema
internal import DICOMWeb
internal import Glibc
internal import HTTPServer
import Synchronization

/// Answers metadata requests (PS3.18 10.4.1.1.2) from what was made at ingest; no DICOM file is read.
struct MetadataResponder: Sendable {
    let index: any SeriesIndex
    let metadata: any MetadataStore
    let cache: MetadataCache
    let cors: CORSPolicy

    /// The complete answer for a request that was answered before, when nothing has changed: no routing, no parsing.
    func recall(_ request: HTTPRequest, tenant: TenantID) -> HTTPResponse? {
        guard request.headers.only("accept-encoding", isOneOf: Self.usualEncodings) == true,
            Self.wantsDICOMJSON(request), request.headers.count(of: "if-none-match") == 0
        else { return nil }
        return cache.entry(of: key(request, tenant), mayBeRecent: true, stampNow: metadata.stamp(of:))?.ready
    }

    /// What programs and browsers that take gzip say.
    private static let usualEncodings: [StaticString] = [
        "gzip", "gzip, deflate", "gzip, deflate, br", "gzip, deflate, br, zstd",
    ]

    private func key(_ request: HTTPRequest, _ tenant: TenantID) -> MetadataCache.Key {
        MetadataCache.Key(target: request.target, tenant: tenant.value, origin: cors.allowed(request))
    }

    func respond(_ request: WebRequest, study: UID, series: UID) throws(RequestFailure) -> HTTPResponse {
        let type = try Self.negotiate(request)
        let identity = SeriesIdentity(tenantID: request.tenant.value, studyUID: study.value, seriesUID: series.value)
        let key = key(request.http, request.tenant)
        let acceptsGzip = request.acceptsGzip
        if acceptsGzip, let entry = cache.entry(of: key, stampNow: metadata.stamp(of:)) {
            return try Self.compressed(entry, type, request)
        }
        let stamp = acceptsGzip ? metadata.stamp(of: identity) : nil
        guard let snapshot = try Self.attempt({ try metadata.snapshot(of: identity) }) else {
            throw .notFound("there is no such series")
        }
        if acceptsGzip, let stored = snapshot.compressed {
            guard let file = HTTPFile(duplicating: stored.fileDescriptor) else { throw Self.failed() }
            let entry = MetadataCache.Entry(
                series: identity, stamp: stamp ?? SeriesStamp(), tag: "\"\(snapshot.version)-gzip\"", file: file,
                offset: stored.offset, length: stored.length
            ) { response in
                cors.add(to: &response, for: request.http)
                response.note = AccessNote(
                    operation: .metadataSeries, tenant: identity.tenantID, study: identity.studyUID,
                    series: identity.seriesUID)
            }
            // Not when the series changed while it was opened.
            if let stamp, request.http.query == nil, metadata.stamp(of: identity) == stamp {
                cache.insert(entry, for: key)
            }
            return try Self.compressed(entry, type, request)
        }
        let tag = "\"\(snapshot.version)\""
        if request.isUnchanged(tag) { return .unchanged(tag) }
        var response = HTTPResponse(200, body: .stream(SnapshotStream(snapshot)))
        response.add("ETag", tag)
        response.add("Content-Type", type.essence)
        return response
    }

    func respond(
        _ request: WebRequest, study: UID, series: UID, instance: UID
    ) throws(RequestFailure) -> HTTPResponse {
        let type = try Self.negotiate(request)
        let key = SeriesIdentity(tenantID: request.tenant.value, studyUID: study.value, seriesUID: series.value)
        guard let json = try Self.attempt({ try metadata.instance(instance.value, of: key) }) else {
            throw .notFound("there is no such instance")
        }
        let tag = "\"j\(String(SeaHash.hash(json), radix: 36))\""
        if request.isUnchanged(tag) { return .unchanged(tag) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(json.count + 2)
        bytes.append(UInt8(ascii: "["))
        bytes += json
        bytes.append(UInt8(ascii: "]"))
        var response = HTTPResponse(200, body: .bytes(bytes))
        response.add("Content-Type", type.essence)
        response.add("ETag", tag)
        return response
    }

    /// A study: its series one after another, in the order of their UIDs.
    func respond(_ request: WebRequest, study: UID) throws(RequestFailure) -> HTTPResponse {
        let type = try Self.negotiate(request)
        let series = try Self.attempt { try index.series(ofStudy: study.value, tenantID: request.tenant.value) }
            .map(\.series)
        guard !series.isEmpty else { throw .notFound("there is no such study") }
        // Taken before the text is read: should a series grow in between, the tag is too old, never too new.
        let versions = try Self.attempt {
            try series.map { try "\($0.seriesUID) \(metadata.snapshot(of: $0)?.version ?? "")" }
        }
        let tag = "\"s\(String(SeaHash.hash(versions.joined(separator: "\n").utf8), radix: 36))\""
        if request.isUnchanged(tag) { return .unchanged(tag) }
        var response = HTTPResponse(200, body: .stream(StudyStream(series, metadata)))
        response.add("Content-Type", type.essence)
        response.add("ETag", tag)
        return response
    }

    private static func compressed(
        _ entry: MetadataCache.Entry, _ type: MediaType, _ request: WebRequest
    ) throws(RequestFailure) -> HTTPResponse {
        if request.isUnchanged(entry.tag) { return .unchanged(entry.tag) }
        guard var response = entry.response else { throw failed() }
        response.add("Content-Type", type.essence)
        return response
    }

    /// Whether it wants what every browser, script and viewer wants: `application/dicom+json`, told without a parser.
    private static func wantsDICOMJSON(_ request: HTTPRequest) -> Bool {
        request.headers.only("accept", isOneOf: usualTypes) ?? true
    }

    private static let usualTypes: [StaticString] = ["*/*", "application/dicom+json"]

    static func negotiate(_ request: WebRequest) throws(RequestFailure) -> MediaType {
        if wantsDICOMJSON(request.http), request.http.query == nil { return .dicomJSON }
        return try request.negotiate([Representation(.dicomJSON), Representation(.json)]).mediaType
    }

    private static func attempt<R>(_ body: () throws -> R) throws(RequestFailure) -> R {
        do { return try body() } catch { throw failed(error) }
    }

    /// - Parameter error: by default that of the system's last call.
    private static func failed(
        _ error: any Error = MetadataStoreError(.file(operation: "open", errno: errno))
    ) -> RequestFailure {
        .failed("the archive's metadata cannot be read", error)
    }
}

/// The text of a series as a body.
///
/// Unchecked: the snapshot is one thread's at a time; a body is read by its connection's thread only.
private final class SnapshotStream: HTTPBodyStream, @unchecked Sendable {
    private let snapshot: any SeriesSnapshot
    let length: Int?

    init(_ snapshot: any SeriesSnapshot) {
        self.snapshot = snapshot
        snapshot.rewind()
        length = snapshot.length
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { try snapshot.read(into: buffer) }
}

/// One array of the instances of many series. Unchecked: as `SnapshotStream`.
private final class StudyStream: HTTPBodyStream, @unchecked Sendable {
    private let series: [SeriesIdentity]
    private let metadata: any MetadataStore
    private var index = 0
    private var snapshot: (any SeriesSnapshot)?
    /// Bytes of the current series' text that are still to come, without its closing bracket.
    private var left = 0
    private var isFirst = true
    private var isEnded = false
    var length: Int? { nil }

    init(_ series: [SeriesIdentity], _ metadata: any MetadataStore) {
        self.series = series
        self.metadata = metadata
    }

    struct Broken: Error {}

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while left == 0 {
            snapshot = nil
            guard index < series.count else {
                guard !isEnded else { return 0 }
                isEnded = true
                // Nothing of any series was there: then also the opening bracket.
                let text: [UInt8] = isFirst ? Array("[]".utf8) : [UInt8(ascii: "]")]
                guard buffer.count >= text.count else { throw Broken() }
                buffer.copyBytes(from: text)
                return text.count
            }
            let next = try metadata.snapshot(of: series[index])
            index += 1
            guard let next, next.instanceCount > 0, next.length > 2 else { continue }
            next.rewind()
            var bracket: UInt8 = 0
            guard try withUnsafeMutableBytes(of: &bracket, { try next.read(into: $0) }) == 1 else { throw Broken() }
            snapshot = next
            left = next.length - 2
            buffer[0] = isFirst ? UInt8(ascii: "[") : UInt8(ascii: ",")
            isFirst = false
            return 1
        }
        guard let snapshot else { throw Broken() }
        let count = try snapshot.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, left)]))
        guard count > 0 else { throw Broken() }
        left -= count
        return count
    }
}
