import Archive
import Foundation
import HTTPServer
import ServiceKit
import Synchronization
import TestSupport
import Testing
import Wiring

/// A folder that is removed at the end.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "wado-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct SettingsDocumentTests {
    @Test func documentIsUpToDate() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/settings.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text == WadoSettings.document, "run: wado help settings > docs/settings.md")
    }

    @Test func rulesOfProblemsAreThoseOfTheDocumentation() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/problems.md")
        let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        // Names in the first column of a table, or in the list before the tables.
        let section = try #require(
            text.components(separatedBy: "## Rules\n").last?.components(separatedBy: "\n## ").first)
        let places = section.components(separatedBy: "\n").map { line in
            line.hasPrefix("|") ? line.components(separatedBy: "|")[1] : line
        }
        let names = places.flatMap { $0.matches(of: /`([a-z-]+)`/).map { String($0.output.1) } }
        let severities = ProblemSeverity.allCases.map(\.rawValue)
        #expect(
            Set(names).subtracting(severities).union([InstanceProblems.furtherRule]) == Set(ProblemRules.all))
    }

    @Test func everySettingHasItsOwnNames() {
        let declarations = WadoSettings.catalogue.declarations
        #expect(Set(declarations.map(\.flag)).count == declarations.count)
        #expect(Set(declarations.map(\.variable)).count == declarations.count)
        for declaration in declarations {
            #expect(declaration.meaning.hasSuffix("."), "\(declaration.name)")
        }
    }

    @Test func defaultsAreLegal() throws {
        let settings = try WadoSettings.catalogue.read(arguments: [], environment: [:])
        let flags = WadoSettings.catalogue.declarations.filter { !$0.defaultText.isEmpty }.map {
            "\($0.flag)=\($0.defaultText)"
        }
        let again = try WadoSettings.catalogue.read(arguments: flags, environment: [:])
        #expect(settings[WadoSettings.dicomPort] == 11_111 && settings[WadoSettings.httpPort] == 9999)
        #expect(again[WadoSettings.aeTitle] == "STORE-SCP")
    }

    @Test(arguments: ["", " ", "12345678901234567", "A\\B", "Ä"])
    func illegalAETitles(title: String) {
        #expect(throws: SettingsError.self) {
            try WadoSettings.catalogue.read(arguments: ["--ae-title", title], environment: [:])
        }
    }
}

@Suite struct DataFolderTests {
    @Test func isMadeAndFoundAgain() throws {
        let temporary = try TemporaryFolder()
        let folder = DataFolder(temporary.path + "/a/./b")
        #expect(folder.path == temporary.path + "/a/b")
        try folder.prepare()
        try folder.prepare()
        #expect(FileManager.default.fileExists(atPath: folder.store))
        #expect(folder.freeBytes > 0)
    }

    @Test func ofANewerVersionIsRefused() throws {
        let folder = DataFolder(try TemporaryFolder().path + "/x")
        try folder.prepare()
        try DataFolder.write("\(DataFolder.format + 1)\n", to: folder.path + "/format")
        let error = #expect(throws: DataFolderError.self) { try folder.prepare() }
        #expect(error?.description.contains("newer version of Wado") == true)
    }

    @Test func manyPrepareANewFolderAtOnce() throws {
        for _ in 0..<20 {
            let temporary = try TemporaryFolder()
            let folder = DataFolder(temporary.path + "/new")
            let failures = Mutex<[String]>([])
            let done = DispatchGroup()
            for _ in 0..<16 {
                done.enter()
                Thread.detachNewThread {
                    do { try folder.prepare() } catch { failures.withLock { $0.append("\(error)") } }
                    done.leave()
                }
            }
            done.wait()
            #expect(failures.withLock { $0 } == [])
            #expect(DataFolder.list(folder.path).sorted() == ["format", "json", "log", "store"])
        }
    }

    @Test func ofSomethingElseIsRefused() throws {
        let temporary = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: temporary.path + "/letter.txt"))
        let error = #expect(throws: DataFolderError.self) { try DataFolder(temporary.path).prepare() }
        #expect(error?.description.contains("letter.txt") == true && error?.description.contains("--data") == true)
    }

    @Test func whereAFileIsInTheWay() throws {
        let temporary = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: temporary.path + "/file"))
        let error = #expect(throws: DataFolderError.self) { try DataFolder(temporary.path + "/file/x").prepare() }
        #expect(error?.description.contains("a file is in the way") == true)
        let file = #expect(throws: DataFolderError.self) { try DataFolder(temporary.path + "/file").prepare() }
        #expect(file?.description.contains("is not a folder") == true)
    }

    /// /sys lets nobody make folders: there is no right to, or in a container it is read-only; in /proc there is no such
    /// name.
    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/sys/kernel"), "/sys is not mounted here"),
        arguments: [
            ("/sys/wado/data", ["the right to write there", String(cString: strerror(EROFS))]),
            ("/proc/wado", ["cannot make /proc/wado: "]),
        ])
    func whereNoFolderCanBeMade(path: String, reasons: [String]) throws {
        let error = #expect(throws: DataFolderError.self) { try DataFolder(path).prepare() }
        #expect(reasons.contains { error?.description.contains($0) == true }, "\(error as Any)")
        let trial = #expect(throws: DataFolderError.self) { try DataFolder(path).tryOut() }
        #expect(trial?.description == error?.description)
    }

    @Test func aTrialLeavesNothing() throws {
        let temporary = try TemporaryFolder()
        try DataFolder(temporary.path + "/a/b/c").tryOut()
        #expect(DataFolder.list(temporary.path) == [])
        try DataFolder(temporary.path).tryOut()
        #expect(FileManager.default.fileExists(atPath: temporary.path))
        // Of what is made before it fails.
        let long = String(repeating: "x", count: 300)
        #expect(throws: DataFolderError.self) { try DataFolder(temporary.path + "/a/\(long)").tryOut() }
        #expect(DataFolder.list(temporary.path) == [])
    }

    @Test func isLockedOnce() throws {
        let temporary = try TemporaryFolder()
        let folder = DataFolder(temporary.path)
        try folder.prepare()
        let lock = try folder.lock()
        let error = #expect(throws: DataFolderError.self) { try folder.lock() }
        #expect(error?.description.contains("in use by another `wado up` (process \(getpid()))") == true)
        withExtendedLifetime(lock) {}
    }

    @Test func theLockEndsWithItsOwner() throws {
        let temporary = try TemporaryFolder()
        let folder = DataFolder(temporary.path)
        try folder.prepare()
        do { _ = try folder.lock() }
        #expect(throws: Never.self) { try folder.lock() }
    }
}

@Suite struct EndpointsTests {
    @Test func haveTheAgreedForm() throws {
        let temporary = try TemporaryFolder()
        let folder = DataFolder(temporary.path)
        let endpoints = Endpoints(
            dicomHost: "127.0.0.1", dicomPort: 1, aeTitle: "A", webRoot: "http://127.0.0.1:2/dicom-web",
            processes: ["wado-server": 7], admin: ["wado-server": "http://127.0.0.1:2"], supervisor: 6, database: nil)
        #expect(try Endpoints.read(from: folder) == nil)
        try endpoints.write(to: folder)
        #expect(try Endpoints.read(from: folder) == endpoints)
        let data = try Data(contentsOf: URL(fileURLWithPath: folder.endpoints))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let dicom = try #require(object["dicom"] as? [String: Any])
        #expect(
            dicom["host"] as? String == "127.0.0.1" && dicom["port"] as? Int == 1 && dicom["ae_title"] as? String == "A"
        )
        #expect((object["web"] as? [String: String])?["root"] == "http://127.0.0.1:2/dicom-web")
        #expect((object["processes"] as? [String: Int])?["wado-server"] == 7)
        #expect(DataFolder.list(temporary.path) == ["endpoints.json"])
    }

    /// Who takes it for missing would believe that no archive runs.
    @Test func aDamagedFileIsNoMissingOne() throws {
        let temporary = try TemporaryFolder()
        let folder = DataFolder(temporary.path)
        try DataFolder.write("{", to: folder.endpoints)
        #expect(throws: DataFolderError.self) { try Endpoints.read(from: folder) }
        unlink(folder.endpoints)
        try FileManager.default.createDirectory(atPath: folder.endpoints, withIntermediateDirectories: false)
        #expect(throws: DataFolderError.self) { try Endpoints.read(from: folder) }
    }
}

@Suite struct SocketsTests {
    @Test func findsFreeAndTakenPorts() throws {
        guard case .free(let port) = Sockets.probe(host: "127.0.0.1", port: 0) else {
            Issue.record("no free port")
            return
        }
        #expect(port > 0)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0 && listen(descriptor, 1) == 0)
        #expect(Sockets.probe(host: "127.0.0.1", port: port) == .taken)
        #expect(Sockets.probe(host: "192.0.2.1", port: 0) == .noSuchAddress)
    }

    @Test func asksNobodyInVain() {
        #expect(LocalHTTP.get("http://127.0.0.1:1/healthz") == nil)
        #expect(LocalHTTP.get("ftp://127.0.0.1/") == nil)
        #expect(LocalHTTP.reachable("::") == "[::1]" && LocalHTTP.reachable("0.0.0.0") == "127.0.0.1")
    }
}

@Suite struct SupervisionTests {
    @Test func logLinesForPeople() {
        func text(_ line: String) -> String? { LogSummary.text(Array(line.utf8)) }
        let head = #"{"time":"2026-01-31T09:00:01.123Z","level":"#
        #expect(text(head + #""info","service":"wado-server","event":"started"}"#) == nil)
        #expect(
            text(head + #""warning","service":"wado-server","event":"slow","path":"a \"b\"","n":5}"#)
                == #"09:00:01 server: warning: slow path='a "b"' n=5"#)
        #expect(text("Fatal error: what") == "Fatal error: what" && text("  ") == nil)
        #expect(FlatJSON.parse(Array(#"{"a":"b""#.utf8)) == nil)
    }

    @Test func ofManyAlikeLinesAFewAreShown() {
        let repeats = RepeatedLines()
        let shown = (0..<100).compactMap { repeats.filter("slow n=\($0)", kind: "slow", now: $0) }
        #expect(shown.count == 3 && shown[2] == "slow n=2 (more of these are in the log)")
        #expect(repeats.filter("other", kind: "other", now: 100) == "other")
        #expect(repeats.filter("slow", kind: "slow", now: 60_001) == "slow")
    }

    @Test func logFilesStayBounded() throws {
        let temporary = try TemporaryFolder()
        let log = RotatingLog(path: temporary.path + "/x.log", maximumBytes: 1_000, kept: 2)
        for number in 0..<200 { log.append(Array("line number \(number)".utf8)) }
        #expect(DataFolder.list(temporary.path).sorted() == ["x.log", "x.log.1", "x.log.2"])
        let last = try String(contentsOfFile: temporary.path + "/x.log", encoding: .utf8)
        let before = try String(contentsOfFile: temporary.path + "/x.log.1", encoding: .utf8)
        #expect(last.hasSuffix("line number 199\n") && last.utf8.count <= 1_000 && before.utf8.count <= 1_000)
        let firstLine = try #require(last.split(separator: "\n").first)
        let lastBefore = try #require(before.split(separator: "\n").last)
        #expect(Int(firstLine.dropFirst(12)) == (Int(lastBefore.dropFirst(12)) ?? 0) + 1)
    }

    @Test func aChildSeesTheEndOfItsInputAndItsLinesArrive() throws {
        let lines = Monitor<[String]>([])
        var child: ChildProgram? = try ChildProgram(
            path: "/bin/sh", arguments: ["-c", "echo out; echo $HI >&2; cat; printf last"],
            environment: ["HI": "there", "PATH": "/bin:/usr/bin"], name: "sh"
        ) { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        #expect(lines.wait(milliseconds: 10_000) { $0.count >= 2 ? true : nil } == true)
        let id = try #require(child?.processID)
        child = nil
        var status: Int32 = -1
        #expect(waitpid(id, &status, 0) == id && status == 0)
        #expect(lines.wait(milliseconds: 10_000) { $0.count >= 3 ? true : nil } == true)
        #expect(lines.current == ["out", "there", "last"])
    }

    @Test func aMissingProgramIsNamed() {
        let error = #expect(throws: ChildProgramError.self) {
            try ChildProgram(path: "/nowhere/program", arguments: [], environment: [:], name: "x") { _ in }
        }
        #expect(error?.description.contains("/nowhere/program: No such file") == true)
    }

    /// Never ready, so that an early death counts.
    private func supervisor(
        _ name: String, _ arguments: [String], logs: TemporaryFolder, say: @escaping @Sendable (String) -> Void
    ) -> Supervisor {
        Supervisor(
            services: [.init(name: name, arguments: arguments, admin: "http://127.0.0.1:1")], programFolder: "/bin",
            logFolder: logs.path, environment: ["PATH": "/bin:/usr/bin"], say: say)
    }

    @Test func whatDiesStartsAgainAndAllStop() throws {
        let said = Monitor<[String]>([])
        let supervisor = supervisor("cat", [], logs: try TemporaryFolder()) { line in said.withLock { $0.append(line) }
        }
        try supervisor.start()
        let first = try #require(supervisor.processes["cat"])
        kill(first, SIGKILL)
        try eventually { try supervisor.reap() }
        #expect(supervisor.processes.isEmpty && supervisor.nextStart != nil && !supervisor.areAllReady())
        try eventually { try supervisor.startAgain() }
        let second = try #require(supervisor.processes["cat"])
        #expect(second != first && said.current.first?.contains("signal 9") == true)
        supervisor.stop()
        #expect(supervisor.processes.isEmpty && kill(second, 0) != 0)
    }

    /// While a build replaces it, say.
    @Test func aProgramThatIsMissingForAWhileEndsNothing() throws {
        let folder = try TemporaryFolder()
        let program = folder.path + "/cat"
        try FileManager.default.copyItem(atPath: "/bin/cat", toPath: program)
        var web = HTTPServerConfiguration()
        web.port = 0
        let isReady = Atomic(false)
        let ready = HTTPServer(configuration: web) { _ in
            isReady.load(ordering: .relaxed)
                ? HTTPResponse(200, body: .empty) : HTTPResponse(503, body: .bytes(Array("too little\nmore".utf8)))
        }
        try ready.start()
        defer { ready.stop() }
        let supervisor = Supervisor(
            services: [.init(name: "cat", arguments: [], admin: "http://127.0.0.1:\(ready.port)")],
            programFolder: folder.path, logFolder: folder.path, environment: [:], say: { _ in })
        try supervisor.start()
        #expect(!supervisor.areAllReady())
        #expect(supervisor.unready.map(\.name) == ["cat"] && supervisor.unready.map(\.reason) == ["too little"])
        isReady.store(true, ordering: .relaxed)
        #expect(supervisor.areAllReady() && supervisor.unready.isEmpty)
        try FileManager.default.moveItem(atPath: program, toPath: program + ".new")
        kill(try #require(supervisor.processes["cat"]), SIGKILL)
        try eventually { try supervisor.reap() }
        try eventually { supervisor.nextStart == 0 }
        #expect(try !supervisor.startAgain())
        #expect(supervisor.nextStart != nil)
        try FileManager.default.moveItem(atPath: program + ".new", toPath: program)
        try eventually { try supervisor.startAgain() }
        #expect(supervisor.processes["cat"] != nil)
        supervisor.stop()
    }

    @Test func whatCannotStartIsGivenUp() throws {
        let supervisor = supervisor("sh", ["-c", "exit 78"], logs: try TemporaryFolder()) { _ in }
        try supervisor.start()
        let error = #expect(throws: ChildProgramError.self) { try eventually { try supervisor.reap() } }
        #expect(error?.description.contains("sh cannot be started (exit status 78)") == true)
    }
}
