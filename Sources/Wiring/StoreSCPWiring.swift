internal import Archive
internal import ArchiveSchema
internal import ServiceKit
internal import StoreSCPService

extension StoreSCPConfiguration {
    /// From settings; `adminPort` and the like are no part of it.
    init(_ settings: Settings, folder: DataFolder) {
        self.init(storeFolder: folder.store)
        host = settings[WadoSettings.dicomAddress]
        port = UInt16(clamping: settings[WadoSettings.dicomPort])
        aeTitle = settings[WadoSettings.aeTitle]
        requiresCalledAETitle = settings[WadoSettings.requiresCalledAETitle]
        callingAETitles = Set(settings[WadoSettings.callingAETitles])
        node = Node.name(settings)
        spoolName = settings[WadoSettings.spool]
        additionalSOPClasses = settings[WadoSettings.additionalSOPClasses]
        let syntaxes = settings[WadoSettings.transferSyntaxes]
        if !syntaxes.isEmpty {
            transferSyntaxes = syntaxes
            followsRequestorOrder = false
        }
        maximumAssociations = settings[WadoSettings.maximumAssociations]
        artimMilliseconds = settings[WadoSettings.artim] * 1_000
        idleMilliseconds = settings[WadoSettings.dicomIdle] * 1_000
        maximumPDULength = UInt32(clamping: settings[WadoSettings.maximumPDULength])
        tenantTag = WadoSettings.tagNumber(settings[WadoSettings.tenantTag])
        tenantsByAETitle = settings[WadoSettings.tenantsByAETitle].compactMapValues { TenantID($0) }
        defaultTenant = TenantID(settings[WadoSettings.defaultTenant]) ?? .standard
        tenants = Set(settings[WadoSettings.tenants].compactMap { TenantID($0) })
        minimumFreeBytes = Int64(settings[WadoSettings.minimumFree]) << 20
        maximumInstanceBytes = Int64(settings[WadoSettings.maximumInstance]) << 20
        filing.policy = DuplicatePolicy(rawValue: settings[WadoSettings.duplicates]) ?? .replace
    }
}

extension Readiness {
    /// While the event bus is down instances are received all the same: their events wait in the spool.
    init(_ status: StoreSCPService.Status) {
        self =
            if !status.hasDiskSpace {
                .notReady("too little disk space: instances are refused")
            } else if !status.hasRoom {
                .notReady("\(status.pendingInstances) instances wait, which are too many: instances are refused")
            } else if let since = status.busIsDownSince {
                .readyBut(
                    "the event bus has taken no events since \(since.description.prefix(19)) UTC: "
                        + "\(status.pendingInstances) instances wait")
            } else {
                .ready
            }
    }
}

extension ServiceMain {
    /// `wado-storescp`: receives instances.
    public static func storeSCP() -> Never {
        run(
            "wado-storescp", about: "receives DICOM instances by C-STORE",
            sections: ["dicom", "store", "tenant", "kafka"]
        ) { context in
            let backends = try Backends(context, sessions: 2, name: "wado-storescp", needsDatabase: false)
            let service = StoreSCPService(
                configuration: StoreSCPConfiguration(context.settings, folder: context.folder),
                bus: backends.bus, logger: context.logger, metrics: context.metrics)
            try service.start()
            return try ServiceWithAdminServer(
                port: context.settings[WadoSettings.storeSCPAdminPort], context: context,
                readiness: {
                    service.status.map(Readiness.init) ?? .notReady("stopped")
                },
                stop: {
                    service.stop()
                    backends.close()
                })
        }
    }
}
