import Archive
import Foundation
import Testing

/// Times, by hand: WADO_MEASURE=1.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["WADO_MEASURE"] != nil, "only when measuring"))
struct FileMetadataStoreMeasurements {
    private static func resident() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    @Test func seriesOfManySizes() throws {
        let root = "/tmp/wado-metadata-measure"
        try? FileManager.default.removeItem(atPath: root)
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        var text = "{"
        for tag in 0..<75 {
            text += "\"0008\(1_000 + tag)\":{\"vr\":\"LO\",\"Value\":[\"value \(tag * 7_919) of some text\"]},"
        }
        for size in [250, 100_000] {
            let store = FileMetadataStore(root: root)
            let series = SeriesIdentity(tenantID: "t", studyUID: "1.2", seriesUID: "1.2.\(size)")
            func time(_ name: String, repeats: Int = 1, _ body: () throws -> Void) throws {
                var best = Double.infinity
                for _ in 0..<repeats {
                    let start = Date()
                    try body()
                    best = min(best, Date().timeIntervalSince(start))
                }
                print(
                    "MEASURE \(size): \(name) \(String(format: "%.2f", best * 1_000)) ms, resident \(Self.resident()) kB"
                )
            }
            func read() throws {
                guard let snapshot = try store.snapshot(of: series) else { return }
                var buffer = [UInt8](repeating: 0, count: 131_072)
                var total = 0
                while true {
                    let count = try buffer.withUnsafeMutableBytes { try snapshot.read(into: $0) }
                    if count == 0 { break }
                    total += count
                }
                #expect(total == snapshot.length)
            }
            try time("append in batches of 50") {
                for start in stride(from: 0, to: size, by: 50) {
                    let all = (start..<min(size, start + 50)).map { number in
                        let uid = "1.2.840.113619.2.\(number)"
                        return InstanceMetadata(
                            sopInstanceUID: uid,
                            json: Array("\(text)\"00080018\":{\"vr\":\"UI\",\"Value\":[\"\(uid)\"]}}".utf8))
                    }
                    _ = try store.append([SeriesMetadataUpdate(series: series, instances: all)])
                }
            }
            let repeats = size > 1_000 ? 1 : 20
            try time("read the log", repeats: repeats, read)
            try time("one instance from the log", repeats: repeats) {
                let found = try store.instance("1.2.840.113619.2.7", of: series)
                #expect(found != nil)
            }
            try time("compact") { _ = try store.compact(series) }
            try time("open to send", repeats: repeats) {
                let snapshot = try store.snapshot(of: series)
                #expect(snapshot?.compressed != nil)
            }
            try time("read the compacted", repeats: repeats, read)
            try time("one instance from the compacted", repeats: repeats) {
                let found = try store.instance("1.2.840.113619.2.7", of: series)
                #expect(found != nil)
            }
        }
    }
}
