internal import Archive
internal import PostgresAdapter

/// A folder has nothing of series that the database knows: most likely its disk is not mounted. To go on would call
/// everything lost, or done.
public struct EmptyFolder: Error, CustomStringConvertible {
    public let path: String
    public var description: String {
        "\(path) is empty, but the database knows series: is its disk mounted? "
            + "(What is lost of the metadata is made anew by wado reindex --from-files.)"
    }

    /// - Parameter path: of the stored files, or of the metadata: both have the same folders.
    /// - Throws: `EmptyFolder`.
    static func check(_ path: String, tenant: TenantID?, _ inventory: IndexInventory) throws {
        guard try FileStore(paths: ArchivePaths(root: path)).isEmpty(tenant) else { return }
        if try inventory.series(tenantID: tenant?.value, after: nil, limit: 1).isEmpty { return }
        throw EmptyFolder(path: path)
    }
}
