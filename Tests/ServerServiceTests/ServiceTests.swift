import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import FoundationNetworking
import HTTPServer
import ServerService
import ServiceKit
import Synchronization
import Testing

@Suite struct CORSTests {
    @Test func preflightsAreAnswered() throws {
        let archive = try TestArchive()
        let answer = archive.get(
            "/dicom-web/studies/1/series/2/instances/3/frames/1", method: "OPTIONS",
            [
                "Origin": "http://viewer.test", "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "accept,authorization",
            ])
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.header("Access-Control-Allow-Origin") == "*")
        #expect(answer.header("Access-Control-Allow-Headers") == "accept,authorization")
        #expect(answer.header("Access-Control-Allow-Methods")?.contains("GET") == true)
        #expect(answer.header("Access-Control-Max-Age") == "86400")
        let odd = archive.get(
            "/", method: "OPTIONS", ["Origin": "x", "Access-Control-Request-Headers": "a\r\nSet-Cookie: b"])
        #expect(odd.header("Access-Control-Allow-Headers")?.contains("Set-Cookie") == false)
    }

    @Test func answersAndErrorsCanBeReadByOtherOrigins() throws {
        let archive = try TestArchive()
        for path in ["/dicom-web/studies", "/dicom-web/studies/9/metadata", "/dicom-web/studies/.."] {
            let answer = archive.get(path, ["Origin": "http://viewer.test"])
            #expect(answer.header("Access-Control-Allow-Origin") == "*")
            #expect(answer.header("Access-Control-Expose-Headers")?.contains("ETag") == true)
            // A cache may give it to a page of another origin.
            #expect(archive.get(path).header("Access-Control-Allow-Origin") == "*")
        }
    }

    @Test func onlyListedOriginsWhenThereIsAList() throws {
        let archive = try TestArchive { $0.corsOrigins = ["https://good.test"] }
        let good = archive.get("/dicom-web/studies", ["Origin": "https://good.test"])
        #expect(good.header("Access-Control-Allow-Origin") == "https://good.test")
        #expect(good.header("Vary")?.contains("Origin") == true)
        #expect(archive.get("/dicom-web/studies").header("Access-Control-Allow-Origin") == nil)
        #expect(
            archive.get("/dicom-web/studies", ["Origin": "https://bad.test"]).header("Access-Control-Allow-Origin")
                == nil)
        let preflight = archive.get("/dicom-web/studies", method: "OPTIONS", ["Origin": "https://bad.test"])
        #expect(preflight.header("Access-Control-Allow-Origin") == nil)
    }
}

@Suite struct PageTests {
    @Test func theHomePageHasCountsAndNoPatientData() throws {
        let archive = try TestArchive { $0.version = "1.0 <beta>" }
        try archive.add(Make.file(Make.builder()))
        let page = archive.get("/")
        #expect(page.status == 200)
        #expect(page.header("Content-Type") == "text/html; charset=utf-8")
        #expect(page.text.contains("Studies: 1. Series: 1. Instances: 1."))
        #expect(page.text.contains("1.0 &lt;beta&gt;"))
        #expect(!page.text.contains("DOE"))
        #expect(!page.text.contains("P-17"))
        #expect(page.text.contains("/dicom-web/studies"))
    }

    @Test func healthAndReadiness() throws {
        let archive = try TestArchive()
        #expect(archive.get("/healthz").text == "ok\n")
        #expect(archive.get("/readyz").status == 200)
        let lost = try TestArchive { $0.storeFolder = "/nowhere/at/all" }
        #expect(lost.get("/readyz").status == 503)
        #expect(lost.get("/healthz").status == 200)
    }
}

@Suite struct ServiceTests {
    private func fetch(_ port: UInt16, _ target: String) async throws -> (Int, Data) {
        let url = try #require(URL(string: "http://127.0.0.1:\(port)\(target)"))
        let (data, response) = try await URLSession.shared.data(from: url)
        return (try #require(response as? HTTPURLResponse).statusCode, data)
    }

    private func service(_ archive: TestArchive, _ logs: MemoryLog, _ metrics: MetricsRegistry) -> ServerService {
        ServerService(
            configuration: archive.configuration, index: archive.index, metadata: archive.metadata, logs: logs,
            logger: archive.log.logger, metrics: metrics)
    }

    @Test func servesOverHTTPAndLogsAccess() async throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        let logs = MemoryLog()
        let metrics = MetricsRegistry()
        let service = service(archive, logs, metrics)
        try service.start()
        let port = service.status.port
        #expect(try await fetch(port, "/dicom-web/studies?PatientName=SECRET").0 == 200)
        #expect(try await fetch(port, archive.url(identity) + "/frames/1").0 == 200)
        #expect(try await fetch(port, archive.url(identity) + "/frames/2").0 == 404)
        #expect(try await fetch(port, "/dicom-web/studies/..%2F..").0 == 400)
        let text = String(decoding: try await fetch(port, "/metrics").1, as: UTF8.self)
        #expect(text.contains("wado_http_requests_total{operation=\"frames\",status=\"404\"} 1"))
        #expect(text.contains("wado_http_request_seconds_count"))
        service.stop()
        let rows = logs.access
        #expect(rows.count == 5)
        #expect(!"\(rows)".contains("SECRET"))
        let frame = try #require(rows.first { $0.operation == "frames" && $0.status == 200 })
        #expect(frame.sopUID == identity.instance.value)
        #expect(frame.tenantID == TenantID.standard.value)
        #expect(frame.bytesSent > 48)
        #expect(frame.remoteAddress == "127.0.0.1")
        #expect(frame.path == archive.url(identity) + "/frames/1")
        #expect(Set(rows.map(\.traceID)).count == 5)
    }

    @Test func aRowThatIsRefusedKeepsNoOtherBack() async throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        let logs = MemoryLog()
        let metrics = MetricsRegistry()
        let service = service(archive, logs, metrics)
        try service.start()
        for number in 0..<7 {
            let target = number == 3 ? archive.url(identity) + "/bulkdata/7FE00010" : "/healthz"
            #expect(try await fetch(service.status.port, target).0 == 200)
        }
        service.stop()
        #expect(logs.access.map(\.operation) == Array(repeating: "health", count: 6))
        let text = String(decoding: metrics.text(), as: UTF8.self)
        #expect(text.contains("wado_access_log_rows_total 6\n") && text.contains("wado_access_log_dropped_total 1\n"))
    }

    @Test func aLogThatFailsDelaysNobodyAndIsCounted() async throws {
        let archive = try TestArchive { $0.accessLogCapacity = 3 }
        let logs = MemoryLog()
        logs.isBroken.store(true, ordering: .relaxed)
        let metrics = MetricsRegistry()
        let service = service(archive, logs, metrics)
        try service.start()
        for _ in 0..<10 { #expect(try await fetch(service.status.port, "/healthz").0 == 200) }
        service.stop()
        #expect(
            archive.log.all.contains { $0.contains("access log not written") && $0.contains("the index is broken") })
        let text = String(decoding: metrics.text(), as: UTF8.self)
        #expect(text.contains("wado_access_log_rows_total 0"))
        let dropped = try #require(text.split(separator: "\n").first { $0.hasPrefix("wado_access_log_dropped_total ") })
        #expect(try #require(Int(dropped.split(separator: " ")[1])) >= 7)
    }
}
