internal import DICOMDictionary

/// A tenant's name, safe in a path: 1 to 64 of `A-Z a-z 0-9 _ -`.
public struct TenantID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: String

    /// nil for anything else.
    public init?(_ text: String) {
        let isAllowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isAllowed, (1...64).contains(text.utf8.count) else { return nil }
        value = text
    }

    private init(known: String) { value = known }

    /// Of everything that names no other tenant.
    public static let standard = TenantID(known: "1234567890")

    public var description: String { value }
    public static func < (a: TenantID, b: TenantID) -> Bool { a.value < b.value }
}

/// A unique identifier (`UIDRule`), which is safe in a path.
public struct UID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: String

    /// nil for anything else. Padding is the caller's to take off.
    public init?(_ text: String) {
        guard UIDRule.isUID(text.utf8) else { return nil }
        value = text
    }

    public var description: String { value }
    public static func < (a: UID, b: UID) -> Bool { a.value < b.value }
}

/// What names an instance in the archive. Equal UIDs of two tenants are two instances.
public struct InstanceIdentity: Hashable, Sendable {
    public var tenant: TenantID
    public var study: UID
    public var series: UID
    public var instance: UID

    public init(tenant: TenantID, study: UID, series: UID, instance: UID) {
        self.tenant = tenant
        self.study = study
        self.series = series
        self.instance = instance
    }

    /// nil when one of them is no name of its kind.
    public init?(tenantID: String, studyUID: String, seriesUID: String, sopUID: String) {
        guard let tenant = TenantID(tenantID), let study = UID(studyUID), let series = UID(seriesUID),
            let instance = UID(sopUID)
        else { return nil }
        self.init(tenant: tenant, study: study, series: series, instance: instance)
    }
}
