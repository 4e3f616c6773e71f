import Archive

extension StoredFile {
    /// The data set is what was received, by its length and CRC-32. nil without provenance.
    func isWhole() throws -> Bool? {
        guard let (provenance, offset) = try provenance() else { return nil }
        guard size == offset + provenance.dataSetSize else { return false }
        return try DataSetComparison.crc32(of: file, from: offset) == provenance.dataSetCRC32
    }
}

extension FileStore {
    /// Every instance of every tenant.
    func allInstances() throws -> [InstanceIdentity] {
        try tenants().flatMap { tenant in
            try studies(of: tenant).flatMap { study in
                try series(of: study, tenant: tenant).flatMap { series in
                    try instances(of: series, study: study, tenant: tenant).map { instance in
                        InstanceIdentity(tenant: tenant, study: study, series: series, instance: instance)
                    }
                }
            }
        }
    }
}
