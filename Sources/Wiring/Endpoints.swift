internal import Foundation

/// `endpoints.json` in the data folder: where the running archive is to be reached.
public struct Endpoints: Codable, Sendable, Equatable {
    public struct Dicom: Codable, Sendable, Equatable {
        public var host: String
        public var port: Int
        public var aeTitle: String
        enum CodingKeys: String, CodingKey {
            case host, port
            case aeTitle = "ae_title"
        }
    }

    public struct Web: Codable, Sendable, Equatable {
        /// Of DICOMweb, without a slash at its end.
        public var root: String
    }

    public var dicom: Dicom
    public var web: Web
    /// Process ids of the services by the names of their programs.
    public var processes: [String: Int32]
    /// Of each service the root of `/metrics`, `/healthz` and `/readyz`.
    public var admin: [String: String]
    /// The process that keeps the services running.
    public var supervisor: Int32
    /// The private PostgreSQL; nil when the archive uses another one.
    public var database: String?
    /// Settings of the event bus, and of Doris, as flags, secrets left out; nil in a file of an older version.
    public var bus: [String]?

    public init(
        dicomHost: String, dicomPort: Int, aeTitle: String, webRoot: String, processes: [String: Int32],
        admin: [String: String], supervisor: Int32, database: String?, bus: [String] = []
    ) {
        dicom = Dicom(host: dicomHost, port: dicomPort, aeTitle: aeTitle)
        web = Web(root: webRoot)
        self.processes = processes
        self.admin = admin
        self.supervisor = supervisor
        self.database = database
        self.bus = bus
    }

    /// Writes the file, whole or not at all.
    public func write(to folder: DataFolder) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(self), as: UTF8.self)
        try DataFolder.write(text + "\n", to: folder.endpoints)
    }

    /// Reads the file; nil when there is none.
    /// - Throws: when there is one and it tells nothing: an archive may well be running.
    public static func read(from folder: DataFolder) throws(DataFolderError) -> Endpoints? {
        let text: Data
        do { text = try Data(contentsOf: URL(filePath: folder.endpoints)) } catch {
            if (error as? CocoaError)?.code == .fileReadNoSuchFile { return nil }
            throw DataFolderError("cannot read \(folder.endpoints): \(error.localizedDescription)")
        }
        do { return try JSONDecoder().decode(Endpoints.self, from: text) } catch {
            throw DataFolderError(
                "\(folder.endpoints) is damaged, or of another version of Wado; restart `wado up`, which writes it anew"
            )
        }
    }
}
