public import Archive
internal import DICOMCore
internal import DICOMDictionary
internal import DICOMNetwork

/// How `wado-storescp` is set up.
public struct StoreSCPConfiguration: Sendable {
    /// Empty: all addresses.
    public var host = ""
    /// 0: a free one.
    public var port: UInt16 = 11_111
    public var aeTitle = "STORE-SCP"
    /// Reject those that call another title.
    public var requiresCalledAETitle = false
    /// The only callers admitted; empty: all.
    public var callingAETitles: Set<String> = []
    /// The folder of the store.
    public var storeFolder: String
    /// The name of the spool in it; of several processes each needs its own.
    public var spoolName = "storescp"
    /// Names this process in provenance and events; at most 64 characters.
    public var node = "storescp"

    /// SOP classes accepted beside the storage SOP classes of the standard.
    public var additionalSOPClasses: [String] = []
    /// Transfer syntaxes accepted, the preferred first.
    public var transferSyntaxes = StoreSCPConfiguration.allTransferSyntaxes
    /// Choose a context's transfer syntax by the requestor's order instead of ours.
    public var followsRequestorOrder = true

    public var maximumAssociations = 200
    public var artimMilliseconds = 30_000
    public var idleMilliseconds = 60_000
    public var maximumPDULength: UInt32 = 262_144

    /// The element of the command set that names the tenant, `ggggeeee`; nil: none.
    public var tenantTag: UInt32? = 0x1211_1217
    /// Tenants by AE title: the calling one is looked up first, then the called one.
    public var tenantsByAETitle: [String: TenantID] = [:]
    public var defaultTenant = TenantID.standard
    /// The only tenants admitted; empty: all.
    public var tenants: Set<TenantID> = []

    /// Instances are refused when less than this many bytes are free.
    public var minimumFreeBytes: Int64 = 1 << 30
    /// Instances with a longer data set are refused; 0: no limit.
    public var maximumInstanceBytes: Int64 = 0
    public var filing = InstanceFiler.Configuration()
    public var problems = ProblemReporter.Configuration()

    public init(storeFolder: String) { self.storeFolder = storeFolder }

    /// Every transfer syntax of the standard that a data set can be stored in, explicit VR little endian first.
    public static let allTransferSyntaxes: [String] = {
        // Not the encoding of a data set in a file: MIME, XML, ST 2110, Papyrus.
        let excluded: Set<String> = [
            "1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.2.7.1", "1.2.840.10008.1.2.7.2",
            "1.2.840.10008.1.2.7.3", "1.2.840.10008.1.20",
        ]
        let last = [
            TransferSyntax.deflatedExplicitVRLittleEndian, .implicitVRLittleEndian, .explicitVRBigEndian,
        ].map(\.uid)
        let first = TransferSyntax.explicitVRLittleEndian.uid
        let others = UIDRegistry.allEntries.filter {
            $0.kind == .transferSyntax && !excluded.contains($0.uid) && !last.contains($0.uid) && $0.uid != first
        }
        return [first] + others.map(\.uid) + last
    }()

    /// Whom the acceptor lets in.
    var policy: AcceptorPolicy {
        var policy = AcceptorPolicy(
            aeTitle: aeTitle, abstractSyntaxes: Set(UIDRegistry.storageSOPClasses).union(additionalSOPClasses),
            transferSyntaxes: transferSyntaxes)
        policy.requiresCalledAETitle = requiresCalledAETitle
        policy.callingAETitles = callingAETitles
        policy.followsRequestorOrder = followsRequestorOrder
        policy.maximumLength = maximumPDULength
        return policy
    }
}
