internal import Archive
internal import DICOMDictionary
internal import DICOMNetwork

/// Which tenant a C-STORE belongs to.
struct TenantRule: Sendable {
    var tag: UInt32?
    var byAETitle: [String: TenantID]
    var fallback: TenantID
    var admitted: Set<TenantID>

    init(_ configuration: StoreSCPConfiguration) {
        tag = configuration.tenantTag
        byAETitle = configuration.tenantsByAETitle
        fallback = configuration.defaultTenant
        admitted = configuration.tenants
    }

    /// The command's element when it is there and not empty, else by calling and called AE title, else the default.
    /// nil when the value is no tenant's name, or the tenant is not admitted.
    func tenant(_ command: CommandSet, calling: String, called: String) -> TenantID? {
        var tenant = byAETitle[calling] ?? byAETitle[called] ?? fallback
        if let tag, let text = command[text: Tag(tag)], !text.isEmpty {
            guard let named = TenantID(Self.decoded(text)) else { return nil }
            tenant = named
        }
        return admitted.isEmpty || admitted.contains(tenant) ? tenant : nil
    }

    /// Some senders write the characters' codes in decimal: `49\50\51` for `123`.
    static func decoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
        var bytes: [UInt8] = []
        for part in text.split(separator: "\\", omittingEmptySubsequences: false) {
            guard let code = UInt8(part.filter { $0 != " " }) else { return text }
            bytes.append(code)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
