import Archive
import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Testing
import Wiring

/// The tool as people see it.
@Suite(.enabled(if: Programs.areBuilt)) struct ProgramTests {
    @Test(arguments: [
        (["frobnicate"], Int32(64), "there is no 'frobnicate'"), (["upp"], 64, "did you mean up?"),
        (["help", "nonsense"], 64, "there is no help about 'nonsense'\nthere is about up, status, "),
        (["help", "setings"], 64, "did you mean settings?"),
        (["up", "--dicom-prot", "1"], 78, "there is no flag --dicom-prot; did you mean --dicom-port?"),
        (["up", "--http-port", "x"], 78, "flag --http-port: 'x' is not a whole number from 0 to 65535"),
        (["status", "--data", "/nonexistent/wado"], 1, "no archive runs in /nonexistent/wado: start it with `wado up"),
        (["import", "--data", "/nonexistent/wado"], 78, "name the files or folders"),
        (["replay", "--data", "/nonexistent/wado"], 78, "say what: wado replay count"),
        (["replay", "all", "--data", "/nonexistent/wado"], 1, "no archive runs in /nonexistent/wado"),
        (["up", "extra"], 78, "'extra' is not expected here"),
        (["reindex", "--from-files=maybe"], 78, "--from-files=maybe: write --from-files, or --from-files=false"),
        (["reindex", "--from-files=false"], 78, "say what: --columns NAME[,NAME..], --from-files, or --problems"),
        (["problems", "--rule", "not-a-dat"], 78, "there is no rule 'not-a-dat'; did you mean not-a-date?"),
        (["problems", "--rule", "nonsense"], 78, "the rules are data-set-unreadable, disk-full, "),
        (["reindex", "--problems", "--rule", "file-misssing"], 78, "did you mean file-missing?"),
    ])
    func mistakesAreExplained(arguments: [String], status: Int32, message: String) throws {
        let output = try Programs.wado(arguments)
        #expect(output.status == status && output.errors.contains(message), "\(output)")
    }

    /// An archive may run all the same, with a bus that is not the default one.
    @Test(arguments: [["status"], ["replay", "all"], ["reindex", "--problems"], ["reconcile"]])
    func damagedEndpointsAreNoMissingOnes(_ command: [String]) throws {
        let folder = try TemporaryFolder()
        try DataFolder.write("{", to: DataFolder(folder.path).endpoints)
        let database = command == ["status"] ? [] : ["--database", "host=/nonexistent"]
        let output = try Programs.wado(command + ["--data", folder.path] + database)
        #expect(output.status != 0 && output.errors.contains("endpoints.json is damaged"), "\(output)")
    }

    @Test func environmentMistakesAreExplained() throws {
        let output = try Programs.wado(["up"], environment: ["WADO_DICOM_PROT": "1"])
        #expect(output.status == 78)
        #expect(
            output.errors.contains("variable WADO_DICOM_PROT: there is no such setting; did you mean WADO_DICOM_PORT?"))
    }

    @Test func helpNamesEverySetting() throws {
        let output = try Programs.wado(["up", "--help"])
        #expect(output.status == 0)
        for declaration in WadoSettings.catalogue.declarations { #expect(output.text.contains(declaration.flag)) }
        #expect(try Programs.wado(["help"]).text.contains("wado import"))
        #expect(try Programs.wado(["help", "import"]).text.hasPrefix("wado import: "))
        #expect(try Programs.wado(["version"]).text.hasPrefix("wado "))
    }

    @Test(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
    func deadLettersAreShownAndReplayed() throws {
        let database = try TestPostgres.makeArchiveDatabase()
        let pool = PostgresPool(database, limit: 2)
        defer { pool.close() }
        func replay(_ what: String, bus: String? = "postgres") throws -> Programs.Output {
            try Programs.wado(["replay", what, "--database", database] + (bus.map { ["--bus", $0] } ?? []))
        }
        #expect(try replay("count").text == "no dead letters\n")
        var batch = IngestBatch()
        for number in 0..<3 {
            let message = ReceivedMessage(
                topic: .storage, partition: 1, offset: Int64(number), message: Message(key: "k", value: [UInt8(number)])
            )
            let reason = number == 0 ? "file_missing" : "row_refused"
            batch.deadLetters.append(DeadLetter(message: message, reason: reason, detail: "why"))
        }
        try PostgresIngestStore(pool: pool).write(batch)
        #expect(try replay("count").text == "1  file_missing\n2  row_refused\n")
        let list = try replay("list")
        #expect(list.status == 0 && list.text.hasPrefix("storage_queue/1/0  file_missing  why\n"), "\(list)")
        let wrong = try replay("nothing")
        #expect(wrong.status == 1 && wrong.errors.contains("no dead letter has the reason 'nothing'"), "\(wrong)")
        // Nobody may read the bus that is the default one.
        let guess = try replay("all", bus: nil)
        #expect(guess.status == 78 && guess.errors.contains("say --bus postgres"), "\(guess)")
        #expect(try replay("count", bus: nil).text == "1  file_missing\n2  row_refused\n")
        #expect(try replay("row_refused").text == "2 messages are in the queue again\n")
        #expect(try replay("count").text == "1  file_missing\n")
        #expect(try replay("all").text == "1 messages are in the queue again\n")
        #expect(try replay("all").text == "0 messages are in the queue again\n")
        let consumer = try PostgresEventBus(pool: pool).makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        #expect(try consumer.poll(limit: 10, timeoutMilliseconds: 5_000).map(\.message.value) == [[1], [2], [0]])
    }

    @Test(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
    func schemasAreShownWhole() throws {
        let database = try TestPostgres.makeDatabase()
        let plan = try Programs.wado(["schema", "plan", "--database", database])
        #expect(plan.status == 2)
        // What is shown can be run, and is all there is to do.
        let indent = "      "
        let lines = plan.text.split(separator: "\n").filter { $0.hasPrefix(indent) }.map { $0.dropFirst(indent.count) }
        try PostgresConnection(database).run(lines.joined(separator: "\n"), operation: "run the plan")
        let left = try Programs.wado(["schema", "plan", "--database", database])
        #expect(left.status == 0 && left.text == "PostgreSQL: nothing to do\n", "\(left)")
    }

    @Test func statementsForDorisAreThoseOfTheSettings() throws {
        let output = try Programs.wado([
            "schema", "sql", "--store", "doris", "--bus", "kafka", "--kafka-brokers", "k1:9092,k2:9092",
            "--doris-replicas", "3", "--doris-buckets", "7", "--doris-database", "images", "--kafka-security-protocol",
            "sasl_ssl", "--kafka-sasl-mechanism", "PLAIN", "--kafka-sasl-username", "reader", "--kafka-sasl-password",
            "geheim",
            "--doris-load-properties", "max_error_number=1000",
        ])
        #expect(output.status == 0 && !output.text.contains("geheim"), "\(output)")
        for text in [
            "CREATE DATABASE IF NOT EXISTS `images`;", "\"kafka_broker_list\" = \"k1:9092,k2:9092\"", "BUCKETS 7\n",
            "\"replication_num\" = \"3\"", "\"max_error_number\" = \"1000\"", "\"property.sasl.username\" = \"reader\"",
            "\"property.sasl.password\" = \"******\"",
        ] { #expect(output.text.contains(text), "\(text)\n\(output.text)") }
        #expect(!output.text.contains("127.0.0.1"), "\(output.text)")
    }

    @Test(arguments: ["wado-storescp", "wado-consumer", "wado-webworker", "wado-server"])
    func servicesExplainThemselves(name: String) throws {
        let help = try Programs.run(name, ["--help"])
        #expect(help.status == 0 && help.text.contains("usage: \(name)"))
        let temporary = try TemporaryFolder()
        let output = try Programs.run(name, ["--data", temporary.path + "/data"])
        #expect(output.status == 78 && output.errors.contains("database is not set"), "\(output)")
    }

    @Test func takenPortAndOtherFolders() throws {
        let temporary = try TemporaryFolder()
        guard case .free(let port) = Sockets.probe(host: "127.0.0.1", port: 0) else { return }
        let socket = try #require(listener(port))
        defer { close(socket) }
        let taken = try Programs.wado(["up", "--data", temporary.path + "/a", "--dicom-port", "\(port)"])
        #expect(taken.status == 1 && taken.errors.contains("port \(port) (dicom.port) is taken by another program"))
        try "9999\n".write(toFile: temporary.path + "/format", atomically: true, encoding: .utf8)
        let newer = try Programs.wado(["up", "--data", temporary.path])
        #expect(newer.status == 1 && newer.errors.contains("written by a newer version of Wado"))
    }

    private func listener(_ port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 && listen(descriptor, 1) == 0 ? descriptor : nil
    }

    @Test func sampleIsAVolume() throws {
        let temporary = try TemporaryFolder()
        let output = try Programs.wado(["sample", "--out", temporary.path])
        #expect(output.status == 0)
        let names = DataFolder.list(temporary.path).sorted()
        try #require(names.count == 64)
        var positions: [Double] = []
        var instances: Set<String> = []
        for name in names {
            let file = try DICOMFile.read(path: temporary.path + "/" + name)
            let data = file.dataSet
            #expect(file.meta?.mediaStorageSOPInstanceUID == data.string(.sopInstanceUID))
            #expect(data.string(.sopClassUID) == UIDs.ctImageStorage)
            #expect(data.doubles(.imageOrientationPatient) == [1, 0, 0, 0, 1, 0])
            positions.append(try #require(data.doubles(.imagePositionPatient)?.last))
            instances.insert(try #require(data.string(.sopInstanceUID)))
            let pixels = try #require(data.element(.pixelData))
            #expect(pixels.length == 256 * 256 * 2)
            #expect(data.strings(.imagePositionPatient).allSatisfy { $0.utf8.count <= 16 })
        }
        #expect(instances.count == 64 && instances.allSatisfy { $0.utf8.count <= 64 })
        for (below, above) in zip(positions, positions.dropFirst()) { #expect(abs(above - below - 2.85) < 1e-6) }
        // In the middle: air in the corner, bone at the side, brain inside.
        let middle = try DICOMFile.read(path: temporary.path + "/" + names[32]).dataSet
        let pixels = try #require(middle.element(.pixelData))
        middle.withValue(of: pixels) { bytes in
            func hounsfield(_ column: Int, _ row: Int) -> Int {
                Int(bytes.unsafeLoadUnaligned(fromByteOffset: (row * 256 + column) * 2, as: UInt16.self)) - 1024
            }
            #expect(hounsfield(2, 2) < -950)
            #expect(hounsfield(128, 12) > 700)
            #expect((10...60).contains(hounsfield(128, 160)))
        }
    }
}

extension Programs {
    static func wado(_ arguments: [String], environment: [String: String] = [:]) throws -> Output {
        try run("wado", arguments, environment: environment)
    }
}

/// The archive as a whole.
@Suite(.serialized, .enabled(if: Programs.areBuilt && TestPostgres.isInstalled)) struct ArchiveTests {
    @Test func fromImportToStatus() throws {
        let archive = try ArchiveUnderTest()
        let data = archive.folder.path
        let sample = archive.temporary.path + "/sample"
        #expect(try Programs.wado(["sample", "--out", sample]).status == 0)
        try "no image".write(toFile: sample + "/notes.txt", atomically: true, encoding: .utf8)
        let imported = try Programs.wado(["import", sample, "--data", data])
        #expect(imported.status == 0 && imported.text.hasPrefix("64 stored ("), "\(imported)")
        #expect(imported.text.contains("0 refused, 1 not DICOM"))
        // The same again, from the sample itself.
        #expect(try Programs.wado(["sample", "--data", data]).status == 0)
        let study = try archive.eventually("the study is counted") { () -> [String: Any]? in
            let studies = try archive.json("/studies?PatientID=WADO-SAMPLE")
            guard let study = studies.first, value(study, "00201208") as? Int == 64 else { return nil }
            return studies.count == 1 ? study : nil
        }
        #expect(((value(study, "00100010") as? [String: Any])?["Alphabetic"] as? String) == "Phantom^Shepp-Logan")
        let status = try Programs.wado(["status", "--data", data])
        #expect(status.status == 0 && status.text.contains("1 studies, 1 series, 64 instances"), "\(status)")
        let doctor = try Programs.wado(["doctor", "--data", data])
        #expect(doctor.status == 0 && doctor.text.contains("PostgreSQL") && !doctor.text.contains("BAD"), "\(doctor)")
        let second = try Programs.wado(["up", "--data", data])
        #expect(second.status == 1 && second.errors.contains("in use by another `wado up`"))
        for (name, root) in archive.endpoints.admin {
            for page in ["healthz", "readyz", "metrics"] {
                #expect(LocalHTTP.get("\(root)/\(page)")?.status == 200, "\(name) \(page)")
            }
        }
        try whatWaitsIsSaid(archive)
        let missing = try Programs.wado(["import", "/nonexistent/file.dcm", "--data", data])
        #expect(missing.status == 1 && missing.errors.contains("no such file or folder: /nonexistent/file.dcm"))

        let processes = archive.endpoints.processes.values
        #expect(archive.stop() == 0)
        #expect(processes.allSatisfy { kill($0, 0) != 0 })
        #expect(try Endpoints.read(from: archive.folder) == nil)
        // Every line of every log is JSON, and no patient's name is in any.
        for name in DataFolder.list(archive.folder.log) where name.hasSuffix(".log") {
            let text = try String(contentsOfFile: archive.folder.log + "/" + name, encoding: .utf8)
            #expect(!text.contains("Phantom^") && !text.contains("WADO-SAMPLE"))
            for line in text.split(separator: "\n") {
                #expect(FlatJSON.parse(Array(line.utf8)) != nil, "\(name): \(line)")
            }
        }
    }

    /// While the event bus takes nothing, instances are received all the same.
    private func whatWaitsIsSaid(_ archive: ArchiveUnderTest) throws {
        let session = try PostgresConnection(try #require(archive.endpoints.database))
        let root = try #require(archive.endpoints.admin["wado-storescp"])
        func page(_ name: String) -> String {
            LocalHTTP.get("\(root)/\(name)").map { "\($0.status) " + String(decoding: $0.body, as: UTF8.self) } ?? ""
        }
        try session.run("ALTER TABLE bus_message RENAME TO bus_message_away", operation: "take the bus away")
        let association = try archive.associate()
        #expect(try TestInstance(study: 1, series: 1, number: 1).store(association).code == 0)
        try association.release()
        try archive.eventually("it is said that one waits") {
            let text = page("readyz")
            let start = "200 ready, but the event bus has taken no events since "
            return text.hasPrefix(start) && text.hasSuffix(" UTC: 1 instances wait\n") ? () : nil
        }
        for command in ["status", "doctor"] {
            let output = try Programs.wado([command, "--data", archive.folder.path])
            #expect(output.text.contains("ready, but the event bus has taken no events since"), "\(output)")
        }
        #expect(!page("metrics").contains("wado_storescp_bus_down_seconds 0\n"))
        try session.run("ALTER TABLE bus_message_away RENAME TO bus_message", operation: "bring it back")
        try archive.eventually("nothing waits") { page("readyz") == "200 ready\n" ? () : nil }
        #expect(page("metrics").contains("wado_storescp_bus_down_seconds 0\n"))
    }

    /// Two tenants with the same UIDs and different pixels, and a third who has nothing.
    @Test func tenantsNeverMeet() throws {
        let archive = try ArchiveUnderTest("--tenant-by-ae-title", "ALPHA=alpha,BETA=beta")
        let seeds = ["alpha": 1, "beta": 2]
        func instances(_ tenant: String) -> [TestInstance] {
            (1...(tenant == "alpha" ? 3 : 2)).map {
                TestInstance(study: 7, series: 1, number: $0, pixelSeed: seeds[tenant] ?? 0)
            }
        }
        for tenant in ["alpha", "beta"] {
            let association = try archive.associate(callingAETitle: tenant.uppercased())
            for instance in instances(tenant) { #expect(try instance.store(association).code == 0) }
            try association.release()
        }
        for tenant in ["alpha", "beta"] {
            let sent = instances(tenant)
            let study = try #require(sent.first?.study)
            let series = "/studies/\(study)/series/\(sent[0].series)"
            try archive.eventually("\(tenant) has its study") {
                let found = try archive.json("/studies", tenant: tenant)
                return found.first.flatMap { value($0, "00201208") as? Int } == sent.count ? () : nil
            }
            #expect(try archive.json("/studies", tenant: tenant).count == 1)
            #expect(try archive.json(series + "/metadata", tenant: tenant).count == sent.count)
            for instance in sent {
                let answer = LocalHTTP.get(
                    archive.endpoints.web.root + series + "/instances/\(instance.instance)/frames/1",
                    headers: ["Accept: application/octet-stream", "x-tenant: \(tenant)"])
                #expect(answer?.status == 200 && answer?.body == Array(instance.bytes.suffix(8_192)))
            }
        }
        let third =
            "/studies/\(TestInstance.root).7/series/\(TestInstance.root).7.1/instances/\(TestInstance.root).7.1.1"
        for (path, accept) in [("", "application/dicom"), ("/metadata", "*/*"), ("/frames/1", "*/*")] {
            for tenant in ["gamma", "../alpha", "1234567890"] {
                let answer = LocalHTTP.get(
                    archive.endpoints.web.root + third + path, headers: ["Accept: \(accept)", "x-tenant: \(tenant)"])
                #expect([400, 404].contains(answer?.status ?? 0), "\(tenant) \(path)")
            }
        }
        #expect(try archive.json("/studies").isEmpty)
        #expect(archive.stop() == 0)
    }

    /// What the settings say of the store and of associations is what the service does.
    @Test func settingsReachTheService() throws {
        let archive = try ArchiveUnderTest(
            "--ae-title", "MYARCHIVE", "--dicom-require-called-ae-title", "--store-duplicates=refuse",
            "--dicom-calling-ae-titles", "TEST")
        #expect(archive.endpoints.dicom.aeTitle == "MYARCHIVE")
        #expect(throws: AssociationError.self) { try archive.associate(callingAETitle: "OTHER") }
        let association = try archive.associate()
        let instance = TestInstance(study: 8, series: 1, number: 1)
        #expect(try instance.store(association).code == 0)
        // Again the same is no other one; a different one is refused.
        #expect(try instance.store(association).code == 0)
        #expect(try TestInstance(study: 8, series: 1, number: 1, pixelSeed: 3).store(association).code != 0)
        try association.release()
        #expect(archive.stop() == 0)
    }
}
