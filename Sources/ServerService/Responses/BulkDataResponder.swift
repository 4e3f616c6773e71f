internal import Archive
internal import DICOMCore
internal import DICOMDictionary
internal import DICOMWeb
internal import HTTPServer

/// Answers the BulkDataURIs of metadata (PS3.18 10.4.1.1.5).
struct BulkDataResponder: Sendable {
    let opener: InstanceOpener

    func respond(_ request: WebRequest, _ identity: InstanceIdentity, path: String) throws(RequestFailure)
        -> HTTPResponse
    {
        guard let path = BulkDataPath(path) else {
            throw .badRequest(
                "not the path of an attribute: tags of eight hexadecimal digits, with numbers of items between them, such"
                    + " as 7FE00010 or 00540016/0/00180031")
        }
        let instance = try opener.open(identity)
        if path.steps.isEmpty, InstanceLayout.isPixelData(path.tag) {
            return try PixelResponse(request, instance, version: "b") { pixels throws(RequestFailure) in
                try pixels.all()
            }.response
        }
        let (element, range) = try Self.find(path, instance)
        let choice = try request.negotiate([
            Representation(.octetStream, multipart: true), Representation(.octetStream),
        ])
        let tag = EntityTag.text("b", instance.file.identity, isMultipart: choice.isMultipart)
        if request.isUnchanged(tag) { return .unchanged(tag) }
        let value = try Self.segment(of: element, range, instance)
        var response: HTTPResponse
        if choice.isMultipart {
            let boundary = MultipartBoundary()
            let header = boundary.partHeader(isFirst: true, contentType: .octetStream, length: value.length)
            response = HTTPResponse(
                200, body: .chunked(HTTPSegments([.bytes(header), value, .bytes(boundary.closing)])))
            response.add("Content-Type", boundary.contentType(of: .octetStream))
        } else {
            if case .file(let file, let offset, let length) = value {
                response = HTTPResponse(200, body: .file(file, offset: offset, length: length))
            } else {
                response = HTTPResponse(200, body: .segments([value]))
            }
            response.add("Content-Type", literal: "application/octet-stream")
        }
        response.add("ETag", tag)
        return response
    }

    /// The attribute, and where its value lies.
    private static func find(
        _ path: BulkDataPath, _ instance: StoredInstance
    ) throws(RequestFailure) -> (Element, Range<Int>) {
        // What stands behind Pixel Data is looked for in the whole; of a deflated file metadata never name it.
        let first = path.steps.first?.sequence ?? path.tag
        let isInHeader = first < .floatPixelData || instance.layout.transferSyntax.isDeflated
        let dataSet = try isInHeader ? instance.header().dataSet : instance.whole().dataSet
        guard let (inner, element) = path.resolve(in: dataSet) else {
            throw .notFound("the instance has no attribute \(path)")
        }
        guard !element.isSequence, !element.isEncapsulated else {
            throw .badRequest("attribute \(path) is no single value; name one inside of it")
        }
        return (element, inner.storedRange(of: element))
    }

    /// A value is sent as it lies in the file, but for numbers with the most significant byte first.
    private static func segment(
        of element: Element, _ range: Range<Int>, _ instance: StoredInstance
    ) throws(RequestFailure) -> HTTPSegments.Segment {
        let value = NativePixels(
            tag: element.tag, offset: range.lowerBound, length: range.count, available: range.count, frameBits: 0,
            frameCount: 1, wordSize: element.isBigEndian ? element.vr.wordSize : 1)
        let segment = PixelSource(instance, value).segment(0..<range.count)
        try segment.prove(instance)
        return segment
    }
}
