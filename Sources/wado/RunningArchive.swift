internal import Glibc
internal import ServiceKit
internal import Wiring

/// The archive that runs in a data folder.
enum RunningArchive {
    static func endpoints(_ settings: Settings) throws -> Endpoints {
        guard let endpoints = try find(settings) else {
            let path = DataFolder(settings[WadoSettings.data]).path
            throw CommandError("no archive runs in \(path): start it with `wado up --data \(path)`")
        }
        return endpoints
    }

    /// Nil when none runs.
    static func find(_ settings: Settings) throws -> Endpoints? {
        guard let endpoints = try Endpoints.read(from: DataFolder(settings[WadoSettings.data])),
            kill(endpoints.supervisor, 0) == 0 || errno == EPERM
        else { return nil }
        return endpoints
    }

    /// The database that was named, or else that of the running archive.
    static func database(_ settings: Settings) throws -> String {
        if settings.isSet(WadoSettings.database) { return settings[WadoSettings.database] }
        guard let connection = try endpoints(settings).database else {
            throw SettingsError(problems: [
                "the running archive does not use a PostgreSQL of its own: name the one it uses by --database"
            ])
        }
        return connection
    }

    /// The settings, with those of the bus of the archive that runs, if one does.
    static func settingsOfItsBus(_ settings: Settings) throws -> Settings {
        guard let endpoints = try find(settings) else { return settings }
        return try self.settings(settings, endpoints)
    }

    /// The settings, with those of the running archive's bus where nothing else is said.
    static func settings(_ settings: Settings, _ endpoints: Endpoints) throws -> Settings {
        var settings = settings
        try settings.setMissing(endpoints.bus ?? [])
        return settings
    }
}
