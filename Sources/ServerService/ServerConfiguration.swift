public import Archive
public import HTTPServer

/// Settings of the web server.
public struct ServerConfiguration: Sendable {
    /// Where and how it listens.
    public var http = HTTPServerConfiguration()
    /// The folder of the DICOM files.
    public var storeFolder: String
    /// Of requests without the header `x-tenant`.
    public var defaultTenant = TenantID.standard
    /// The tenants that exist; nil: any name is one, of which most have nothing.
    public var tenants: Set<TenantID>?
    /// Where DICOMweb begins: each with a slash in front and none at its end.
    public var roots = ["/dicom-web", "/wado-rs/v1"]
    /// What the URLs in answers begin with, such as `https://pacs.example.org`; nil: `http://` (with TLS `https://`) and
    /// the Host of the request.
    public var publicURL: String?
    /// Origins whose pages may read answers; `*`: any.
    public var corsOrigins = ["*"]
    /// Results of one search at most; a Warning says when there are more.
    public var maximumResults = 5_000
    /// Bytes of the answer to one search, about: it ends with the result that reaches them, and a Warning says so.
    public var maximumSearchBytes = 64 << 20
    /// Instances that one search compares at most with attributes that the index has no column for; beyond, it is 413.
    public var maximumCompared = 1_000_000
    /// Bytes of memory that inflated and converted instances take until they are sent, of all answers together; beyond,
    /// requests that need more are answered with 503.
    public var answerMemoryBytes = 512 << 20
    /// Bytes of memory for where frames lie in files.
    public var layoutCacheBytes = 64 << 20
    /// Series whose compressed metadata are kept at hand, those sent last: in memory up to 256 KiB, else as open files.
    public var metadataCacheSeries = 128
    /// Rows of the access log that wait to be written at most; more are dropped and counted. 0: no access log.
    public var accessLogCapacity = 20_000
    /// Names this server in the access log.
    public var nodeID = "wado-server"
    /// Shown on the home page.
    public var version = "development"

    public init(storeFolder: String) {
        self.storeFolder = storeFolder
    }
}
