package import DICOMCore
internal import DICOMDictionary

/// An instance's file, open.
public final class StoredFile {
    public let file: any OpenFile
    /// Relative to the store.
    public let path: String
    /// Bytes of the whole file.
    public let size: Int64

    init(file: any OpenFile, path: String) throws(FileSystemError) {
        self.file = file
        self.path = path
        size = try file.size()
    }

    /// What the archive wrote down when it received the instance, and where the data set begins; nil when the file
    /// came to be by other means.
    public func provenance() throws(FileSystemError) -> (Provenance, dataSetOffset: Int64)? {
        try Provenance.read(file)
    }

    /// Whether it is the instance as it was received: it is read to its end, and compared with the size and the CRC-32 in
    /// its provenance. Without provenance it has to be a file of this instance, and no more can be said.
    public func isSound(_ identity: InstanceIdentity) throws(FileSystemError) -> Bool {
        if let (provenance, offset) = try provenance() {
            guard provenance.identity == identity else { return false }
            return try provenance.describes(file, from: offset)
        }
        let header = try? HeaderReader().read(descriptor: file.descriptor)
        return header.map { identity.isOf($0.dataSet) } ?? false
    }
}

extension InstanceIdentity {
    /// Whether a data set is this instance's, by its SOP Instance UID.
    package func isOf(_ dataSet: DataSet) -> Bool { dataSet.string(.sopInstanceUID).flatMap(UID.init) == instance }
}

/// The stored instances: finds and lists them by nothing but the folders.
public struct FileStore: Sendable {
    public let paths: ArchivePaths
    private let fileSystem: any FileSystem

    public init(paths: ArchivePaths, fileSystem: any FileSystem = PosixFileSystem()) {
        self.paths = paths
        self.fileSystem = fileSystem
    }

    /// nil when there is no such instance.
    public func open(_ identity: InstanceIdentity) throws(FileSystemError) -> StoredFile? {
        let path = ArchivePaths.instance(identity)
        do {
            return try StoredFile(file: fileSystem.open(paths.absolute(path), forWriting: false), path: path)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Ascending, as all lists here; names that are none of ours are left out.
    public func tenants() throws(FileSystemError) -> [TenantID] {
        try names(paths.root).compactMap(TenantID.init).sorted()
    }

    /// Whether there is no study, of the tenant or of any.
    public func isEmpty(_ tenant: TenantID? = nil) throws(FileSystemError) -> Bool {
        for own in try tenants() where tenant == nil || own == tenant {
            for shard in try names(paths.absolute(own.value)) where shard.utf8.count == 2 {
                if try !names(paths.absolute("\(own.value)/\(shard)")).isEmpty { return false }
            }
        }
        return true
    }

    public func studies(of tenant: TenantID) throws(FileSystemError) -> [UID] {
        var studies: [UID] = []
        for shard in try names(paths.absolute(tenant.value)) where shard.utf8.count == 2 {
            for study in try names(paths.absolute("\(tenant.value)/\(shard)")).compactMap(UID.init)
            where ArchivePaths.study(tenant: tenant, study: study) == "\(tenant.value)/\(shard)/\(study.value)" {
                studies.append(study)
            }
        }
        return studies.sorted()
    }

    public func series(of study: UID, tenant: TenantID) throws(FileSystemError) -> [UID] {
        try names(paths.absolute(ArchivePaths.study(tenant: tenant, study: study))).compactMap(UID.init).sorted()
    }

    public func instances(of series: UID, study: UID, tenant: TenantID) throws(FileSystemError) -> [UID] {
        let folder = paths.absolute(ArchivePaths.series(tenant: tenant, study: study, series: series))
        return try names(folder).compactMap { name in
            name.hasSuffix(".dcm") ? UID(String(name.dropLast(4))) : nil
        }.sorted()
    }

    /// Empty when the folder is missing, or is none.
    func names(_ path: String) throws(FileSystemError) -> [String] {
        do { return try fileSystem.list(path) } catch {
            if error.isNotFound || error.isNotAFolder { return [] }
            throw error
        }
    }
}
