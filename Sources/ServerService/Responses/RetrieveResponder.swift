internal import Archive
internal import DICOMCore
internal import DICOMWeb
internal import HTTPServer
import Synchronization

/// Answers retrieves of studies, series and instances (PS3.18 10.4): PS3.10 files without the archive's provenance.
struct RetrieveResponder: Sendable {
    let opener: InstanceOpener
    let index: any SeriesIndex
    let metadata: any MetadataStore
    /// Up to so many instances are looked at beforehand, which gives the answer its length.
    var measuredInstances = 256

    enum Form: Hashable {
        case stored, explicit
    }

    func respond(_ request: WebRequest, _ identity: InstanceIdentity) throws(RequestFailure) -> HTTPResponse {
        let instance = try opener.open(identity)
        let forms = Self.forms(instance.layout)
        var offers: [(Representation, Form)] = []
        for isMultipart in [true, false] {
            offers += forms.map { (Self.representation($0, instance.layout, isMultipart), $0) }
        }
        let chosen = try request.negotiate(offers.map(\.0))
        guard let form = offers.first(where: { $0.0 == chosen })?.1 else { throw .notAcceptable("") }
        let tag = EntityTag.text(
            "i", instance.file.identity, isMultipart: chosen.isMultipart, form == .stored ? "" : "x")
        if request.isUnchanged(tag) { return .unchanged(tag) }
        let export = try Self.export(instance, form)
        var response: HTTPResponse
        if chosen.isMultipart {
            let boundary = MultipartBoundary()
            let header = Self.partHeader(boundary, isFirst: true, export, request, identity)
            let segments = HTTPSegments([.bytes(header)] + export.segments + [.bytes(boundary.closing)])
            response = HTTPResponse(200, body: .chunked(segments))
            response.add("Content-Type", boundary.contentType(of: .dicom))
        } else {
            response = HTTPResponse(200, body: .segments(export.segments))
            response.add("Content-Type", "application/dicom; transfer-syntax=\(export.transferSyntaxUID)")
        }
        response.add("ETag", tag)
        return response
    }

    /// All instances of a study or series, one after another.
    func respond(_ request: WebRequest, study: UID, series: UID?) throws(RequestFailure) -> HTTPResponse {
        let identities = try instances(request.tenant, study, series)
        guard !identities.isEmpty else {
            throw .notFound(series == nil ? "there is no such study" : "there is no such series")
        }
        let accept = try request.accept()
        var length: Int?
        let boundary = MultipartBoundary()
        if identities.count <= measuredInstances || !Self.acceptsEverything(accept) {
            var total = boundary.closing.count
            for (index, identity) in identities.enumerated() {
                let instance = try opener.open(identity)
                let form = try Self.form(instance.layout, accept)
                let export = try Self.export(instance, form)
                total += Self.partHeader(boundary, isFirst: index == 0, export, request, identity).count + export.length
            }
            length = total
        }
        let rest = RetrieveStream(
            identities: identities, opener: opener, accept: accept, boundary: boundary, request: request)
        var response = HTTPResponse(
            200, body: .chunked(HTTPSegments(length: length) { try rest.next() }))
        response.add("Content-Type", boundary.contentType(of: .dicom))
        return response
    }

    private func instances(
        _ tenant: TenantID, _ study: UID, _ series: UID?
    ) throws(RequestFailure) -> [InstanceIdentity] {
        do {
            let all: [String]
            if let series {
                all = [series.value]
            } else {
                all = try index.series(ofStudy: study.value, tenantID: tenant.value).map(\.series.seriesUID)
            }
            var identities: [InstanceIdentity] = []
            for text in all {
                guard let series = UID(text) else { continue }
                let key = SeriesIdentity(tenantID: tenant.value, studyUID: study.value, seriesUID: series.value)
                for text in try metadata.snapshot(of: key)?.sopInstanceUIDs() ?? [] {
                    guard let instance = UID(text) else { continue }
                    identities.append(
                        InstanceIdentity(tenant: tenant, study: study, series: series, instance: instance))
                }
            }
            return identities
        } catch { throw .failed("the archive's index and metadata cannot be read", error) }
    }

    /// Stored comes first: it is what `*` gets.
    static func forms(_ layout: InstanceLayout) -> [Form] {
        InstanceExport.isConvertible(layout) ? [.stored, .explicit] : [.stored]
    }

    static func representation(_ form: Form, _ layout: InstanceLayout, _ isMultipart: Bool) -> Representation {
        switch form {
        case .explicit:
            return Representation(
                .dicom, multipart: isMultipart, transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        case .stored:
            // A compressed instance that nobody here can decompress is sent as it is to one who names no transfer syntax:
            // the file says itself what it is.
            return Representation(
                .dicom, multipart: isMultipart, transferSyntaxUID: layout.transferSyntax.uid,
                isDefault: !InstanceExport.isConvertible(layout))
        }
    }

    static func form(_ layout: InstanceLayout, _ accept: AcceptHeader) throws(RequestFailure) -> Form {
        let forms = forms(layout)
        do { return forms[try accept.negotiate(forms.map { representation($0, layout, true) })] } catch {
            throw .notAcceptable(error.description)
        }
    }

    static func export(_ instance: StoredInstance, _ form: Form) throws(RequestFailure) -> InstanceExport {
        form == .stored ? .stored(instance) : try .explicitLittleEndian(instance)
    }

    static func partHeader(
        _ boundary: MultipartBoundary, isFirst: Bool, _ export: InstanceExport, _ request: WebRequest,
        _ identity: InstanceIdentity
    ) -> [UInt8] {
        boundary.partHeader(
            isFirst: isFirst, contentType: .dicom, transferSyntaxUID: export.transferSyntaxUID,
            location:
                "\(request.root)/studies/\(identity.study)/series/\(identity.series)/instances/\(identity.instance)",
            length: export.length)
    }

    /// Whether some range takes `application/dicom` in any transfer syntax, so that no instance can be refused.
    private static func acceptsEverything(_ accept: AcceptHeader) -> Bool {
        (accept.queryRanges + accept.ranges).contains { range in
            range.quality > 0 && range.mediaType.covers(.multipartRelated)
                && (range.partType.map { $0.covers(.dicom) } ?? true)
                && (range.transferSyntax == "*" || range.mediaType.subtype == "*")
        }
    }
}

/// Opens one instance after another as the answer is sent.
private final class RetrieveStream: Sendable {
    private struct State {
        var index = 0
        var pending: [HTTPSegments.Segment] = []
        var isClosed = false
    }

    private let identities: [InstanceIdentity]
    private let opener: InstanceOpener
    private let accept: AcceptHeader
    private let boundary: MultipartBoundary
    private let root: String
    private let tenant: TenantID
    private let state = Mutex(State())

    init(
        identities: [InstanceIdentity], opener: InstanceOpener, accept: AcceptHeader, boundary: MultipartBoundary,
        request: WebRequest
    ) {
        self.identities = identities
        self.opener = opener
        self.accept = accept
        self.boundary = boundary
        root = request.root
        tenant = request.tenant
    }

    func next() throws -> HTTPSegments.Segment? {
        try state.withLock { state in
            if let segment = state.pending.popLast() { return segment }
            guard state.index < identities.count else {
                defer { state.isClosed = true }
                return state.isClosed ? nil : .bytes(boundary.closing)
            }
            let identity = identities[state.index]
            let instance = try opener.open(identity)
            let export = try RetrieveResponder.export(instance, RetrieveResponder.form(instance.layout, accept))
            let request = WebRequest(http: HTTPRequest(method: "GET", target: "/"), tenant: tenant, root: root)
            let header = RetrieveResponder.partHeader(
                boundary, isFirst: state.index == 0, export, request, identity)
            state.index += 1
            state.pending = export.segments.reversed()
            return .bytes(header)
        }
    }
}
