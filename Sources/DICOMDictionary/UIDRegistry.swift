/// A row of the registry of unique identifiers (PS3.6 Table A-1).
public struct UIDRegistryEntry: Hashable, Sendable {
    /// The type of a UID.
    public enum Kind: String, Sendable {
        case transferSyntax = "Transfer Syntax"
        case sopClass = "SOP Class"
        case metaSOPClass = "Meta SOP Class"
        case serviceClass = "Service Class"
        case wellKnownSOPInstance = "Well-known SOP Instance"
        case wellKnownFrameOfReference = "Well-known frame of reference"
        case synchronizationFrameOfReference = "Synchronization Frame of Reference"
        case codingScheme = "Coding Scheme"
        case applicationContextName = "Application Context Name"
        case applicationHostingModel = "Application Hosting Model"
        case mappingResource = "Mapping Resource"
        case ldapOID = "LDAP OID"
        /// A type of another edition.
        case other
    }

    public let uid: String
    /// Without the mark `(Retired)`; empty in a few retired rows.
    public let name: String
    /// Empty in a few retired rows.
    public let keyword: String
    public let kind: Kind
    public let isRetired: Bool
    /// True for a SOP class whose instances are sent by C-STORE.
    public let isStorageSOPClass: Bool
}

/// The registry of unique identifiers (PS3.6 Table A-1).
public enum UIDRegistry {
    /// The row of a UID, written without padding; nil when it is not the standard's.
    public static func entry(_ uid: String) -> UIDRegistryEntry? {
        byUID[uid].map { allEntries[$0] }
    }

    /// All SOP classes whose instances a storage SCP may be sent (PS3.4 B.5), those retired included, in the order of the
    /// registry. The media storage directory is none of them.
    public static let storageSOPClasses: [String] = allEntries.filter(\.isStorageSOPClass).map(\.uid)

    /// Every row, in the order of the registry.
    public static let allEntries: [UIDRegistryEntry] = entries.withUTF8Buffer { text in
        text.split(separator: UInt8(ascii: "\n")).map { line in
            let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            return UIDRegistryEntry(
                uid: fields[1], name: fields[4], keyword: fields[3], kind: .init(rawValue: fields[2]) ?? .other,
                isRetired: fields[0].hasPrefix("R"), isStorageSOPClass: fields[0].hasSuffix("S"))
        }
    }

    private static let byUID = [String: Int](
        uniqueKeysWithValues: allEntries.enumerated().map { ($1.uid, $0) })
}
