internal import Archive
public import ServiceKit

/// Settings of `wado-storescp`, of the store, and of tenants.
extension WadoSettings {
    // MARK: DICOM

    public static let dicomAddress = Setting.text(
        "dicom.address", default: "127.0.0.1",
        "Address that C-STORE listens on: by default reachable from this machine only; 0.0.0.0 for all.")
    public static let dicomPort = Setting.integer(
        "dicom.port", in: 0...65_535, default: 11_111, "Port of C-STORE and C-ECHO; 0 takes a free one.")

    public static let requiresCalledAETitle = Setting.flag(
        "dicom.require_called_ae_title", default: false, "Whether peers that call another AE title are rejected.")
    public static let callingAETitles = Setting.list(
        "dicom.calling_ae_titles", default: [],
        "The only AE titles that may call; all when empty. `wado import` and `wado sample` call as WADO_IMPORT.")
    public static let transferSyntaxes = Setting.list(
        "dicom.transfer_syntaxes", default: [],
        "UIDs of the transfer syntaxes that are accepted, the preferred first; all of the standard when empty.",
        check: uidProblem)
    public static let additionalSOPClasses = Setting.list(
        "dicom.additional_sop_classes", default: [],
        "UIDs of SOP classes that are accepted beside the storage SOP classes of the standard.", check: uidProblem)
    public static let maximumAssociations = Setting.integer(
        "dicom.maximum_associations", in: 1...10_000, default: 200, "Associations at a time, each with a thread.")
    public static let artim = Setting.integer(
        "dicom.artim_seconds", in: 1...3_600, default: 30, unit: "seconds",
        "How long a peer may take to ask for an association, or to close the connection after one (ARTIM timer).")
    public static let dicomIdle = Setting.integer(
        "dicom.idle_seconds", in: 1...86_400, default: 60, unit: "seconds",
        "How long an association may be silent before it is aborted.")
    public static let maximumPDULength = Setting.integer(
        "dicom.maximum_pdu_bytes", in: 4_096...1_048_576, default: 262_144, unit: "bytes",
        "Longest P-DATA-TF that peers are told to send.")

    @Sendable static func uidProblem(_ uids: [String]) -> String? {
        guard let wrong = uids.first(where: { UID($0) == nil }) else { return nil }
        return "'\(wrong)' is no UID: digits and dots, at most 64"
    }

    // MARK: Store

    public static let duplicates = Setting.choice(
        "store.duplicates", DuplicatePolicy.allCases.map(\.rawValue), default: DuplicatePolicy.replace.rawValue,
        "What becomes of a different instance of a UID that is there: kept as it was, replaced, or refused.")
    public static let minimumFree = Setting.integer(
        "store.minimum_free_mib", in: 0...1_000_000_000, default: 1_024, unit: "MiB",
        "Free disk space below which instances are refused (status A700).")
    public static let maximumInstance = Setting.integer(
        "store.maximum_instance_mib", in: 0...1_000_000_000, default: 0, unit: "MiB",
        "Longest data set that is stored; 0 for no limit.")
    public static let node = Setting.text(
        "store.node", default: "", "Name of this machine in logs and provenance; its host name when not set."
    ) {
        $0.utf8.count > 64 ? "'\($0)' is longer than 64 bytes" : nil
    }

    public static let spool = Setting.text(
        "store.spool", default: "storescp",
        "Name of the folder of files that are being received. Each of several `wado-storescp` that share a store needs "
            + "its own, and keeps it: after a crash what is in it belongs to the next one of this name."
    ) {
        TenantID($0) == nil ? "'\($0)' is no name: 1 to 64 letters, digits, '-' and '_'" : nil
    }

    // MARK: Tenants

    public static let defaultTenant = Setting.text(
        "tenant.default", default: TenantID.standard.value, "Tenant of what names no other.", check: tenantProblem)
    public static let tenantTag = Setting.text(
        "tenant.tag", default: "1211,1217",
        "Element of the C-STORE command (gggg,eeee) that names the tenant; empty for none."
    ) {
        $0.isEmpty || tagNumber($0) != nil ? nil : "'\($0)' is no tag: write it as gggg,eeee in hexadecimal"
    }
    public static let tenantsByAETitle = Setting.map(
        "tenant.by_ae_title", default: [:],
        "Tenants by AE title; the calling one is looked up first, then the called one.",
        check: { map in
            map.values.lazy.compactMap(tenantProblem).first ?? map.keys.lazy.compactMap(aeTitleProblem).first
        })
    public static let tenants = Setting.list(
        "tenant.admitted", default: [], "The only tenants that are admitted; all when empty.",
        check: { $0.lazy.compactMap(tenantProblem).first })

    @Sendable static func tenantProblem(_ text: String) -> String? {
        TenantID(text) == nil
            ? "'\(text)' is no tenant: 1 to 64 letters, digits, '-' and '_'" : nil
    }

    /// Of `(0010,0010)`, with or without parentheses and comma.
    public static func tagNumber(_ text: String) -> UInt32? {
        let digits = text.filter { $0 != "," && $0 != "(" && $0 != ")" }
        return digits.utf8.count == 8 ? UInt32(digits, radix: 16) : nil
    }

    public static let storeSCPAdminPort = adminPort("dicom", 9981)

    static let dicomSection = SettingsCatalogue.Section(
        "dicom", "DICOM network",
        [
            AnySetting(dicomAddress), AnySetting(dicomPort), AnySetting(requiresCalledAETitle),
            AnySetting(callingAETitles), AnySetting(transferSyntaxes), AnySetting(additionalSOPClasses),
            AnySetting(maximumAssociations), AnySetting(artim), AnySetting(dicomIdle), AnySetting(maximumPDULength),
            AnySetting(storeSCPAdminPort),
        ])

    static let storeSection = SettingsCatalogue.Section(
        "store", "Store",
        [
            AnySetting(duplicates), AnySetting(minimumFree), AnySetting(maximumInstance), AnySetting(node),
            AnySetting(spool),
        ])

    static let tenantSection = SettingsCatalogue.Section(
        "tenant", "Tenants",
        [AnySetting(defaultTenant), AnySetting(tenantTag), AnySetting(tenantsByAETitle), AnySetting(tenants)])
}
