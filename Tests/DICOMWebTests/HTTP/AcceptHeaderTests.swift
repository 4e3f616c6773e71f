import DICOMWeb
import Testing

@Suite struct AcceptHeaderTests {
    static let explicit = "1.2.840.10008.1.2.1"
    static let lossless = "1.2.840.10008.1.2.4.70"

    /// What frames of an uncompressed instance are offered as.
    static let rawFrame = [
        Representation(.octetStream, multipart: true, transferSyntaxUID: explicit),
        Representation(.octetStream, transferSyntaxUID: explicit),
    ]
    static let metadata = [Representation(.dicomJSON), Representation(.json)]

    static func choose(_ accept: String..., query: [String] = [], from offers: [Representation]) -> Int? {
        try? AcceptHeader(lines: accept, query: query).negotiate(offers)
    }

    @Test(arguments: [
        #"multipart/related; type="application/octet-stream"; transfer-syntax="*""#,
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        #"multipart/related; type="application/octet-stream"; transfer-syntax=*"#,
        #"multipart/related; type="application/octet-stream""#,
        #"multipart/related;type="application/octet-stream";transfer-syntax=1.2.840.10008.1.2.1"#,
        #"Multipart/Related ; TYPE="application/octet-stream" ; q=0.5"#,
        "multipart/related", "multipart/*", "*/*", "",
        #"multipart/related; type="application/octet-stream;transfer-syntax=*""#,
    ])
    func framesAsViewersAskForThem(accept: String) {
        #expect(Self.choose(accept, from: Self.rawFrame) == 0)
    }

    @Test func singlePart() {
        #expect(Self.choose("application/octet-stream", from: Self.rawFrame) == 1)
        #expect(Self.choose("application/octet-stream; transfer-syntax=*", from: Self.rawFrame) == 1)
        #expect(Self.choose("application/*;q=0.1", from: Self.rawFrame) == 1)
    }

    @Test func whatIsNotThere() throws {
        #expect(Self.choose(#"multipart/related; type="image/jp2""#, from: Self.rawFrame) == nil)
        #expect(Self.choose("image/*", from: Self.rawFrame) == nil)
        #expect(Self.choose("*/*;q=0", from: Self.rawFrame) == nil)
        #expect(Self.choose("multipart/related; transfer-syntax=1.2.3", from: Self.rawFrame) == nil)
        let header = AcceptHeader(lines: [#"multipart/related; type="image/jp2", ???"#])
        #expect(header.unreadable == 1)
        let error = #expect(throws: NotAcceptable.self) { try header.negotiate(Self.rawFrame) }
        let text = try #require(error?.description)
        #expect(
            text.contains(#"multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1"#))
        #expect(text.contains("could not be read"))
    }

    @Test func metadataAsClientsAskForIt() {
        #expect(Self.choose("application/dicom+json, application/json", from: Self.metadata) == 0)
        #expect(Self.choose("application/json", from: Self.metadata) == 1)
        #expect(Self.choose("application/dicom+json;q=0.5, application/json;q=0.9", from: Self.metadata) == 1)
        #expect(Self.choose("application/json;q=0.1", "*/*;q=0.05", from: Self.metadata) == 1)
        #expect(Self.choose("application/dicom+json; charset=utf-8", from: Self.metadata) == 0)
        #expect(
            Self.choose("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", from: Self.metadata) == 0)
    }

    /// The most specific range decides about an offer, wherever it stands.
    @Test func theNarrowestRangeDecides() {
        #expect(Self.choose("*/*, application/dicom+json;q=0", from: Self.metadata) == 1)
        #expect(Self.choose("application/dicom+json;q=0, */*", from: Self.metadata) == 1)
        #expect(Self.choose("application/*;q=0.2, application/json;q=0.1, */*", from: Self.metadata) == 0)
    }

    /// Several lines count as one.
    @Test func lines() {
        #expect(Self.choose("image/png", "application/json", from: Self.metadata) == 1)
    }

    /// A range without transfer syntax asks for the default one (PS3.18 8.7.3.5.2), unless the offer says otherwise.
    @Test func transferSyntaxes() {
        let stored = Representation(.dicom, multipart: true, transferSyntaxUID: Self.lossless)
        let plain = #"multipart/related; type="application/dicom""#
        #expect(Self.choose(plain, from: [stored]) == nil)
        #expect(Self.choose(plain + "; transfer-syntax=*", from: [stored]) == 0)
        #expect(Self.choose(plain + "; transfer-syntax=\(Self.lossless)", from: [stored]) == 0)
        #expect(Self.choose(plain + "; transfer-syntax=\(Self.explicit)", from: [stored]) == nil)
        #expect(Self.choose("*/*", from: [stored]) == 0)
        var lenient = stored
        lenient.isDefault = true
        #expect(Self.choose(plain, from: [lenient]) == 0)
        let jpeg = Representation(MediaType("image", "jpeg"), multipart: true, transferSyntaxUID: Self.lossless)
        #expect(jpeg.isDefault)
        #expect(Self.choose(#"multipart/related; type="image/jpeg""#, from: [stored, jpeg]) == 1)
        #expect(Self.choose(#"multipart/related; type="image/""#, from: [stored, jpeg]) == 1)
        #expect(Self.choose(#"multipart/related; type="image/*"; transfer-syntax=*"#, from: [stored, jpeg]) == 1)
    }

    /// `thumbnail?accept=image/jpeg` is sent with an Accept header that says something else.
    @Test func queryParameterIsTriedFirst() {
        let offers = [Representation(.octetStream, multipart: true), Representation(MediaType("image", "jpeg"))]
        let sent = #"multipart/related; type="application/octet-stream""#
        #expect(Self.choose(sent, query: ["image/jpeg"], from: offers) == 1)
        #expect(Self.choose(sent, query: ["image/png"], from: offers) == 0)
        #expect(Self.choose(query: ["image/png"], from: offers) == nil)
        #expect(Self.choose(query: ["image/jpeg"], from: offers) == 1)
    }

    @Test func whatJavaSendsByItself() {
        let java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
        #expect(Self.choose(java, from: Self.metadata) == 0)
        #expect(Self.choose("*", from: Self.metadata) == 0)
        #expect(Self.choose("*json", from: Self.metadata) == nil)
    }

    @Test func aPlusInTheQueryMayHaveBecomeASpace() {
        #expect(Self.choose(query: ["application/dicom json"], from: Self.metadata) == 0)
        #expect(Self.choose(query: ["image/png, application/dicom json; q=0.5"], from: Self.metadata) == 0)
        #expect(Self.choose("application/dicom json", from: Self.metadata) == nil)
    }

    @Test func weights() {
        func weight(_ text: String) -> Int? { AcceptHeader(lines: ["a/b;q=\(text)"]).ranges.first?.quality }
        #expect(weight("1") == 1000)
        #expect(weight("1.000") == 1000)
        #expect(weight("0") == 0)
        #expect(weight("0.5") == 500)
        #expect(weight("0.001") == 1)
        #expect(weight("0.") == 0)
        #expect(weight("1.9") == 1000)
        #expect(weight("0.55555555555555555555") == 555)
        #expect(weight("2") == nil)
        #expect(weight("-1") == nil)
        #expect(weight(".5") == 500)
        #expect(weight("x") == nil)
    }

    @Test func hostileHeadersAreBounded() {
        let many = AcceptHeader(lines: [String(repeating: "a/b,", count: 1000)])
        #expect(many.ranges.count == AcceptHeader.maximumRanges)
        let long = AcceptHeader(lines: [String(repeating: "a", count: 100_000)])
        #expect(long.ranges.isEmpty && long.unreadable == 1)
        for text in [#"a/b;c="unclosed"#, #"a/b;c="x\"#, "a/b;c", "a/b;=d", "/", "a", ";", #"""#, "a/b c/d", "*/x"] {
            #expect(AcceptHeader(lines: [text]).ranges.isEmpty, "\(text)")
            #expect(AcceptHeader(lines: [text + ", application/json"]).ranges.count <= 1, "\(text)")
        }
        #expect(AcceptHeader(lines: [",, ,application/json,,"]).ranges.count == 1)
        #expect(AcceptHeader(lines: [#"x/y;z="a,b", application/json"#]).ranges.count == 2)
    }
}

@Suite struct MediaTypeTests {
    @Test func reading() throws {
        let type = try #require(MediaType(#"Application/DICOM ; Transfer-Syntax="1.2.3" ;charset=utf-8"#))
        #expect(type.essence == "application/dicom")
        #expect(type.parameter("transfer-syntax") == "1.2.3")
        #expect(type.parameter("charset") == "utf-8")
        #expect(MediaType(#"multipart/related; boundary="a \"b\" \\c""#)?.parameter("boundary") == #"a "b" \c"#)
        #expect(MediaType("application/dicom, application/json") == nil)
        #expect(MediaType("") == nil)
        #expect(MediaType("a/b;" + (0..<17).map { "p\($0)=1" }.joined(separator: ";")) == nil)
    }

    @Test func writing() {
        let type = MediaType("multipart", "related", parameters: [.init(name: "type", value: "application/dicom")])
        #expect(type.description == #"multipart/related; type="application/dicom""#)
        #expect(MediaType(type.description) == type)
        let quoted = MediaType("a", "b", parameters: [.init(name: "c", value: #"x"\y"#), .init(name: "d", value: "")])
        #expect(MediaType(quoted.description) == quoted)
    }
}
