internal import ArchiveSchema
internal import DICOMDictionary

/// Where things are below the store's folder (docs/architecture.md). All of it follows from tenant and UIDs.
public struct ArchivePaths: Hashable, Sendable {
    /// The store's folder, without a slash at its end.
    public let root: String

    public init(root: String) {
        var root = root
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
    }

    /// `{tenant}/{xx}/{study}`, relative to the root; `xx` is the lowest byte of the study UID's SeaHash.
    public static func study(tenant: TenantID, study: UID) -> String {
        "\(tenant.value)/\(shard(of: study.value))/\(study.value)"
    }

    /// `xx`.
    static func shard(of studyUID: String) -> String {
        var text = studyUID
        let hash = UInt8(truncatingIfNeeded: text.withUTF8 { SeaHash.hash($0) })
        return hash.hexadecimal(digits: 2, uppercase: false)
    }

    /// `{tenant}/{xx}/{study}/{series}`, relative to the root.
    public static func series(tenant: TenantID, study: UID, series: UID) -> String {
        "\(self.study(tenant: tenant, study: study))/\(series.value)"
    }

    /// `{tenant}/{xx}/{study}/{series}/{sop}.dcm`, relative to the root: the column `file_path`.
    public static func instance(_ identity: InstanceIdentity) -> String {
        "\(series(tenant: identity.tenant, study: identity.study, series: identity.series))/\(identity.instance.value).dcm"
    }

    public func absolute(_ relative: String) -> String { "\(root)/\(relative)" }

    /// The spools; each is used by one process.
    public func spool(_ name: String) -> String { "\(root)/.spool/\(name)" }
}
