import ArchiveSchema
import DorisAdapter
import DorisTestSupport
import Testing

@Suite(.enabled(if: TestDoris.isAvailable, "neither DORIS_HOST nor what the stand-in needs"))
struct ConnectionTests {
    @Test func valuesAndTitles() throws {
        let connection = try DorisConnection(TestDoris.configuration())
        let result = try connection.run("SELECT 1 AS one, NULL AS none, '王小东' AS name, '' AS empty", operation: "test")
        #expect(result.titles == ["one", "none", "name", "empty"])
        #expect(result.rows == [["1", nil, "王小东", ""]])
        #expect(result.value(0, "name") == "王小东")
        #expect(result.value(0, "nix") == nil)
        #expect(result.value(1, "one") == nil)
    }

    @Test func textsComeBackAsTheyWere() throws {
        let connection = try DorisConnection(TestDoris.configuration())
        for text in ["it's", "\"quoted\"", "back\\slash", "line\nfeed", "王`x`", "%_", "\\n", "'\\\"", "--", "/* */"] {
            let result = try connection.run("SELECT \(DorisText.string(text)) AS x", operation: "test")
            #expect(result.rows == [[text]])
        }
    }

    @Test func errorsSayWhatAndWhere() throws {
        let connection = try DorisConnection(TestDoris.configuration())
        let error = try #require(throws: DorisError.self) { try connection.run("SELEC 1", operation: "count things") }
        #expect(error.description.hasPrefix("Doris: count things: "))
        #expect(!error.description.contains("detailMessage"))
        #expect(!error.isRetriable)
        // The session goes on.
        #expect(try connection.run("SELECT 2 AS x", operation: "test").rows == [["2"]])
    }

    @Test func aServerThatIsNotThere() throws {
        var configuration = DorisConfiguration(host: "127.0.0.1", port: 1, password: "secret", database: "x")
        configuration.connectSeconds = 2
        let error = try #require(throws: DorisError.self) { try DorisConnection(configuration) }
        #expect(error.isRetriable)
        #expect(!error.description.contains("secret"))
    }

    @Test func aWrongPassword() throws {
        var configuration = try TestDoris.configuration()
        configuration.password = "not-this-one"
        let error = try #require(throws: DorisError.self) { try DorisConnection(configuration) }
        #expect(!error.isRetriable)
        #expect(!error.description.contains("not-this-one"))
    }

    @Test(.enabled(if: !TestDoris.isReal, "the stand-in speaks no TLS"))
    func withoutTLSWhereTLSIsWanted() throws {
        var configuration = try TestDoris.configuration()
        configuration.tls = .required
        #expect(throws: DorisError.self) { try DorisConnection(configuration) }
        configuration.tls = .verified(authorities: nil)
        #expect(throws: DorisError.self) { try DorisConnection(configuration) }
    }
}
