internal import Archive
internal import Glibc
internal import HTTPServer
internal import ServiceKit
import Synchronization

/// What is for people and their tools, not for DICOMweb clients.
struct Pages: Sendable {
    let configuration: ServerConfiguration
    let index: any SeriesIndex
    let metrics: MetricsRegistry
    let failures: FailureLog

    func health() -> HTTPResponse { Self.text(200, "ok\n") }

    func figures() -> HTTPResponse {
        var response = HTTPResponse(200, body: .bytes(metrics.text()))
        response.add("Content-Type", literal: "text/plain; version=0.0.4; charset=utf-8")
        return response
    }

    func readiness() -> HTTPResponse { problem.map { Self.text(503, $0 + "\n") } ?? Self.text(200, "ready\n") }

    /// Why the store's folder or the index cannot be used; nil when they can.
    var problem: String? {
        guard access(configuration.storeFolder, R_OK | X_OK) == 0 else { return "the store's folder cannot be read" }
        do {
            _ = try index.series(ofStudy: "0.0", tenantID: configuration.defaultTenant.value)
        } catch {
            failures.write(error, .readiness)
            return "the index cannot be asked"
        }
        return nil
    }

    func home(_ request: WebRequest) -> HTTPResponse {
        let root = configuration.roots.first ?? ""
        let instance = "\(root)/studies/{study}/series/{series}/instances/{instance}"
        let endpoints: [(String, String)] = [
            ("\(root)/studies", "search for studies (QIDO-RS)"),
            ("\(root)/studies/{study}/series", "series of a study"),
            ("\(root)/studies/{study}/series/{series}/instances", "instances of a series"),
            ("\(root)/studies/{study}/metadata", "metadata of a study; of a series or instance likewise"),
            ("\(root)/studies/{study}", "all instances of a study; of a series likewise (WADO-RS)"),
            (instance, "an instance"),
            ("\(instance)/frames/1,2", "frames of an instance"),
            ("\(instance)/bulkdata/{attribute}", "a large value"),
            ("/healthz", "whether this program runs"), ("/readyz", "whether it can serve"),
            ("/metrics", "figures for Prometheus"),
        ]
        var html = """
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8"><title>Wado</title>
            <style>
            body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
            td { padding: .2em 1.5em .2em 0; vertical-align: top; }
            code { background: #f3f3f3; padding: .1em .3em; }
            </style></head>
            <body>
            <h1>Wado</h1>
            <p>A DICOM archive, version \(Self.escaped(configuration.version)), node \(Self.escaped(configuration.nodeID)).
            Tenant \(Self.escaped(request.tenant.value)).</p>

            """
        do {
            let counts = try index.counts(tenantID: request.tenant.value)
            html += "<p>Studies: \(counts.studies). Series: \(counts.series). Instances: \(counts.instances).</p>\n"
        } catch {
            failures.write(error, .home)
            html += "<p>The index cannot be asked now.</p>\n"
        }
        html += "<table>\n"
        for (path, about) in endpoints {
            html += "<tr><td><code>\(Self.escaped(path))</code></td><td>\(Self.escaped(about))</td></tr>\n"
        }
        html += "</table>\n"
        if configuration.roots.count > 1 {
            let others = configuration.roots.dropFirst().map { "<code>\(Self.escaped($0))</code>" }
            html += "<p>The same is served below \(others.joined(separator: ", ")).</p>\n"
        }
        html += "</body>\n</html>\n"
        var response = HTTPResponse(200, body: .bytes(Array(html.utf8)))
        response.add("Content-Type", literal: "text/html; charset=utf-8")
        response.add("Content-Security-Policy", literal: "default-src 'none'; style-src 'unsafe-inline'")
        return response
    }

    private static func text(_ status: Int, _ text: String) -> HTTPResponse {
        var response = HTTPResponse(status, body: .bytes(Array(text.utf8)))
        response.add("Content-Type", literal: "text/plain; charset=utf-8")
        return response
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
        return result
    }
}
