import Glibc
import ServiceKit
import Testing

private let port = Setting.integer("dicom.port", in: 0...65_535, default: 11_111, "The port.")
private let title = Setting.text("dicom.ae_title", default: "STORE-SCP", "The title.") {
    $0.utf8.count > 16 ? "'\($0)' is longer than 16 characters" : nil
}
private let strict = Setting.flag("dicom.strict", default: false, "Whether strict.")
private let syntaxes = Setting.list("dicom.transfer_syntaxes", default: ["1.2"], "Which ones.")
private let tenants = Setting.map("tenant.by_ae_title", default: [:], "Tenants | by title.")
private let folder = Setting.path("tenant.folder", default: "./var", "Where.")
private let mode = Setting.choice("tenant.mode", ["keep", "replace"], default: "keep", "How.")
private let password = Setting.text("database.password", default: "", isSecret: true, "Secret.") {
    $0.contains(" ") ? "a space in it" : nil
}

private let catalogue = SettingsCatalogue(
    [
        .init("dicom", "DICOM", [AnySetting(port), AnySetting(title), AnySetting(strict), AnySetting(syntaxes)]),
        .init("tenant", "Tenants", [AnySetting(tenants), AnySetting(folder), AnySetting(mode)]),
        .init("database", "Database", [AnySetting(password)]),
    ], otherVariables: ["WADO_PYTHON"])

private func read(_ arguments: [String] = [], _ environment: [String: String] = [:]) throws -> Settings {
    try catalogue.read(arguments: arguments, environment: environment)
}

private func problems(_ arguments: [String] = [], _ environment: [String: String] = [:]) -> [String] {
    do {
        _ = try catalogue.read(arguments: arguments, environment: environment)
        return []
    } catch {
        return error.problems
    }
}

/// Runs `body` with a settings file of this text.
private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
    var path = Array("/tmp/settings-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    try #require(descriptor >= 0)
    let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(name) }
    let bytes = Array(text.utf8)
    try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
    return try body(name)
}

@Suite struct SettingsTests {
    @Test func defaults() throws {
        let settings = try read()
        #expect(settings[port] == 11_111 && settings[title] == "STORE-SCP" && !settings[strict])
        #expect(settings[syntaxes] == ["1.2"] && settings[tenants].isEmpty && settings[mode] == "keep")
        #expect(settings.source(of: port) == .default && !settings.isSet(port))
    }

    @Test func flagWinsOverVariableOverFile() throws {
        try withFile("dicom:\n  port: 1\n  ae_title: FILE\n  transfer_syntaxes: [1.2.3, 1.2.4]\n") { path in
            let environment = ["WADO_DICOM_PORT": "2", "WADO_CONFIG": path, "HOME": "/", "WADO_PYTHON": "python3"]
            let settings = try read(["--dicom-port", "3", "FILE1", "--", "--x"], environment)
            #expect(settings[port] == 3 && settings[title] == "FILE" && settings[syntaxes] == ["1.2.3", "1.2.4"])
            #expect(settings.arguments == ["FILE1", "--x"])
            #expect(try read([], environment)[port] == 2)
            #expect(try read(["--config", path])[port] == 1)
            #expect(try read(["--config=\(path)"]).source(of: port) == .file(path: path, line: 2, column: 9))
        }
    }

    @Test func kinds() throws {
        let settings = try read([
            "--dicom-strict", "--tenant-by-ae-title", "A=1, B=2", "--tenant-by-ae-title=C=3=4", "--tenant-mode=replace",
            "--dicom-transfer-syntaxes", "1, 2,", "--dicom-port=1", "--dicom-port=2",
        ])
        #expect(settings[strict] && settings[mode] == "replace" && settings[syntaxes] == ["1", "2"])
        #expect(settings[port] == 2)
        #expect(try read(["--tenant-by-ae-title", "A=1, B=2"])[tenants] == ["A": "1", "B": "2"])
        #expect(
            try read(["--tenant-by-ae-title=A=1", "--tenant-by-ae-title=B=2=3"])[tenants] == ["A": "1", "B": "2=3"])
        #expect(try !read(["--no-dicom-strict"], ["WADO_DICOM_STRICT": "yes"])[strict])
        #expect(try !read(["--dicom-strict=false"], ["WADO_DICOM_STRICT": "yes"])[strict])
        let followed = try read(["--dicom-strict", "FILE", "--dicom-strict=on"])
        #expect(followed[strict] && followed.arguments == ["FILE"])
        try withFile("tenant: {by_ae_title: {A: 1, B: '2'}, folder: sub/x}\ndatabase: ~\n") { path in
            let settings = try read(["--config", path])
            #expect(settings[tenants] == ["A": "1", "B": "2"] && settings[folder] == "/tmp/sub/x")
        }
    }

    @Test(arguments: [
        (["--dicom-port", "x"], "flag --dicom-port: 'x' is not a whole number from 0 to 65535; dicom.port is"),
        (["--dicom-port=65536"], "flag --dicom-port: '65536' is not a whole number from 0 to 65535"),
        (["--dicom-prot=1"], "there is no flag --dicom-prot; did you mean --dicom-port?"),
        (["--frobnicate", "1"], "there is no flag --frobnicate; --help lists them"),
        (["--dicom-port"], "--dicom-port needs a value: --dicom-port N"),
        (["--dicom-strict", "false"], "--dicom-strict false: write --dicom-strict=false"),
        (["--tenant-mode=drop"], "flag --tenant-mode: 'drop' is not one of keep, replace"),
        (["--tenant-by-ae-title=A"], "flag --tenant-by-ae-title: 'A' is not NAME=VALUE pairs"),
        (["--dicom-ae-title=12345678901234567"], "'12345678901234567' is longer than 16 characters"),
        (["--config=/nowhere/x.yaml"], "/nowhere/x.yaml: the settings file cannot be read"),
        (["--config=/tmp"], "/tmp: the settings file cannot be read"),
    ])
    func flagProblems(arguments: [String], start: String) throws {
        let all = problems(arguments)
        #expect(all.count == 1)
        #expect(try #require(all.first).contains(start))
    }

    @Test func variableProblems() {
        #expect(
            problems([], ["WADO_DICOM_PORT": "tcp://10.0.0.1:1"]).first?.hasPrefix(
                "environment variable WADO_DICOM_PORT: 'tcp://10.0.0.1:1' is not a whole number") == true)
        #expect(
            problems([], ["WADO_DICOM_AETITLE": "A"]) == [
                "environment variable WADO_DICOM_AETITLE: there is no such setting; did you mean WADO_DICOM_AE_TITLE?"
            ])
        #expect(problems([], ["WADO_SERVER_SERVICE_HOST": "10.0.0.1", "WADO_SERVER_PORT_99_TCP": "x"]).isEmpty)
    }

    @Test(arguments: [
        ("dicom:\n  prot: 1\n", ":2:3: there is no setting 'dicom.prot'; did you mean dicom.port?"),
        ("dicom:\n  port: x\n", ":2:9: 'x' is not a whole number from 0 to 65535; dicom.port is"),
        ("dicom:\n  port: 1\n  port: 2\n", ":3:3: 'port' is there twice, first in line 2; remove one"),
        ("dicom: 5\n", ":1:8: dicom holds settings: write 'name: value' lines below it"),
        ("dicmo:\n  port: 1\n", ":1:1: there is no setting 'dicmo'; did you mean dicom?"),
        ("dicom:\n  port: [1, [2]]\n", ":2:9: dicom.port is no nested value"),
        ("dicom:\n\tport: 1\n", ":2:1: found character that cannot start any token"),
        ("a: &x 1\nb: *x\n", ":2:4: anchors and aliases are not read here"),
        ("dicom: {port: 1}\n---\ndicom: {port: 2}\n", ":2:1: a second document"),
        (String(repeating: "[", count: 100), ":1:17: nested deeper than settings go"),
        ("- 1\n", ":1:1: the file holds settings"),
    ])
    func fileProblems(text: String, message: String) throws {
        try withFile(text) { path in
            let all = problems(["--config", path])
            #expect(all.contains { $0.hasPrefix(path) && $0.contains(message) }, "\(all)")
        }
    }

    @Test func emptyFilesAreFine() throws {
        for text in ["", "# nothing\n", "---\n", "dicom:\n"] {
            let value = try withFile(text) { path in try read(["--config", path])[port] }
            #expect(value == 11_111)
        }
    }

    @Test func allProblemsAtOnce() {
        #expect(problems(["--dicom-port=x", "--nothing-such=1"], ["WADO_TENANT_MODE": "?"]).count == 3)
    }

    @Test func secretsAreNeverPrinted() throws {
        let settings = try read(["--database-password=geheim", "--dicom-port=7"])
        #expect(settings[password] == "geheim")
        #expect(settings.flags == ["--dicom-port=7"])
        #expect(settings.secretVariables == ["WADO_DATABASE_PASSWORD": "geheim"])
        var line = ""
        for (key, value) in settings.logFields.pairs { line += "\(key)=\(value) " }
        #expect(line.contains("database.password") && !line.contains("geheim"))
        #expect(!problems(["--database-password=ge heim"]).joined().contains("heim"))
    }

    @Test func settingsGoOnToAnotherProgram() throws {
        let settings = try read([
            "--dicom-transfer-syntaxes=1,2", "--tenant-by-ae-title=A=1", "--tenant-by-ae-title=B=2", "--dicom-strict",
        ])
        let again = try read(settings.flags)
        #expect(again[syntaxes] == ["1", "2"] && again[tenants] == ["A": "1", "B": "2"] && again[strict])
    }

    @Test func helpAndDocumentation() {
        let help = catalogue.help(sections: ["tenant"])
        #expect(
            help.contains("--tenant-mode keep|replace\n        How. Default: keep.") && !help.contains("--dicom-strict")
        )
        #expect(help.split(separator: "\n").allSatisfy { $0.count <= 110 })
        #expect(catalogue.help().contains("  --dicom-strict[=true|false]\n"))
        #expect(
            catalogue.markdown.contains(
                "| `dicom.port` | `--dicom-port` `WADO_DICOM_PORT` | 0 to 65535 | `11111` | The port. |"))
        #expect(catalogue.markdown.contains("Tenants \\| by title."))
    }
}
