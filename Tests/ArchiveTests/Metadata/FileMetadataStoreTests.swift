import Archive
import Foundation
import Synchronization
import TestSupport
import Testing

struct FileMetadataStoreTests {
    /// A store in a folder of its own, gone afterwards.
    private func withStore(_ body: (FileMetadataStore, String) throws -> Void) throws {
        let root = "/tmp/wado-metadata-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body(FileMetadataStore(root: root), root)
    }

    private let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2.3", seriesUID: "1.2.3.4")

    private func instance(_ number: Int, _ text: String = "", bytes: Int = 0) -> InstanceMetadata {
        let filler = String(repeating: "x", count: bytes)
        let uid = "1.2.3.4.\(number)"
        return InstanceMetadata(
            sopInstanceUID: uid,
            json: Array("{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"\(uid)\"]},\"n\":\"\(text)\(filler)\"}".utf8))
    }

    private func append(_ store: FileMetadataStore, _ instances: [InstanceMetadata]) throws -> Int {
        try store.append([SeriesMetadataUpdate(series: series, instances: instances)])[0]
    }

    private func text(_ snapshot: any SeriesSnapshot, piece: Int = 4_099) throws -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: piece)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try snapshot.read(into: $0) }
            if count == 0 { break }
            all += buffer[..<count]
        }
        return String(decoding: all, as: UTF8.self)
    }

    private func expected(_ instances: [InstanceMetadata]) -> String {
        "[" + instances.map { String(decoding: $0.json, as: UTF8.self) }.joined(separator: ",") + "]"
    }

    private func files(_ root: String) -> [String] {
        (FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []).filter {
            !FileManager.default.subpathsFolder("\(root)/\($0)")
        }.map { ($0 as NSString).lastPathComponent }.sorted()
    }

    private func path(_ root: String, _ name: String) throws -> String {
        let all = FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []
        let found = try #require(all.first { $0.hasSuffix(name) })
        return "\(root)/\(found)"
    }

    @Test func appendsReadsAndCompacts() throws {
        try withStore { store, root in
            #expect(try store.snapshot(of: series) == nil)
            #expect(try store.compact(series) == nil)
            let first = (0..<10).map { instance($0) }
            #expect(try append(store, first) == 10)
            // Again: nothing changes, not even the file.
            let size = try Data(contentsOf: URL(fileURLWithPath: path(root, ".log"))).count
            #expect(try append(store, first) == 10)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path(root, ".log"))).count == size)

            let before = try #require(try store.snapshot(of: series))
            #expect(try text(before) == expected(first))
            #expect(before.length == expected(first).utf8.count && before.instanceCount == 10)
            #expect(before.compressed == nil)

            #expect(try store.compact(series) == CompactionResult(instanceCount: 10, didWrite: true))
            #expect(files(root) == ["1.2.3.4.json.gz"])
            let after = try #require(try store.snapshot(of: series))
            #expect(try text(after) == expected(first))
            after.rewind()
            #expect(try text(after, piece: 7) == expected(first))
            #expect(after.version == before.version && after.length == before.length)
            #expect(after.compressed != nil)
            #expect(try store.compact(series) == CompactionResult(instanceCount: 10, didWrite: false))

            // A replaced instance keeps its place, a new one comes last; the old snapshot stays as it was.
            #expect(try append(store, [instance(3, "new"), instance(10)]) == 11)
            var now = first
            now[3] = instance(3, "new")
            now.append(instance(10))
            let mixed = try #require(try store.snapshot(of: series))
            #expect(try text(mixed) == expected(now))
            #expect(mixed.version != after.version && mixed.compressed == nil)
            after.rewind()
            #expect(try text(after) == expected(first))
            #expect(try store.compact(series) == CompactionResult(instanceCount: 11, didWrite: true))
            #expect(try text(#require(try store.snapshot(of: series))) == expected(now))
            #expect(try store.instance("1.2.3.4.3", of: series) == instance(3, "new").json)
            #expect(try store.instance("1.2.3.4.99", of: series) == nil)

            var seen: [String] = []
            try mixed.forEachInstance { uid, json in
                seen.append(uid)
                return json.byteCount > 0 && seen.count < 4
            }
            #expect(seen == ["1.2.3.4.0", "1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"])
        }
    }

    /// While a compaction waits for the log, another one has replaced it, and new records were appended: they stay.
    @Test func aCompactionLeavesALogAloneThatItHasNotRead() throws {
        try withStore { store, root in
            let old = (0..<5).map { instance($0) }
            #expect(try append(store, old) == 5)
            let log = try path(root, ".log")
            let held = open(log, O_RDWR)
            #expect(held >= 0 && flock(held, LOCK_EX) == 0)
            let second = FileMetadataStore(root: root)
            let series = series
            let result = Mutex<Result<CompactionResult?, any Error>?>(nil)
            let thread = Thread {
                let outcome = Result { try second.compact(series) }
                result.withLock { $0 = outcome }
            }
            thread.start()
            // What it has read it writes aside; then it waits for the log.
            let aside = log.replacingOccurrences(of: ".log", with: ".json.gz.new")
            try eventually {
                let size = (try? FileManager.default.attributesOfItem(atPath: aside)[.size]) as? Int ?? 0
                return size > 0 || result.withLock { $0 != nil }
            }
            try withStore { other, otherRoot in
                #expect(try append(other, [instance(9)]) == 1)
                let fresh = try path(otherRoot, ".log")
                #expect(rename(fresh, log) == 0)
            }
            close(held)
            try eventually { result.withLock { $0 != nil } }
            _ = try result.withLock { $0 }?.get()
            let snapshot = try #require(try store.snapshot(of: series))
            #expect(try text(snapshot) == expected(old + [instance(9)]))
            _ = try store.compact(series)
            #expect(try text(#require(try store.snapshot(of: series))) == expected(old + [instance(9)]))
        }
    }

    /// A process was killed after it wrote a log and before it synced the log's name: the next one syncs it, and the
    /// folders above, although it has nothing to write.
    @Test func namesOfAnEarlierProcessAreSynced() throws {
        try withStore { _, root in
            let killed = FileMetadataStore(root: root) { _ throws(MetadataStoreError) in
                throw MetadataStoreError(.file(operation: "killed", errno: 0))
            }
            #expect(throws: MetadataStoreError.self) { try append(killed, [instance(1)]) }
            #expect(files(root) == ["1.2.3.4.log"])
            let synced = Mutex<[String]>([])
            let isBroken = Mutex(false)
            let next = FileMetadataStore(root: root) { path throws(MetadataStoreError) in
                if isBroken.withLock({ $0 }) { throw MetadataStoreError(.file(operation: "test", errno: 5)) }
                synced.withLock { $0.append(path) }
            }
            #expect(try append(next, [instance(1)]) == 1)
            let study = (try path(root, ".log") as NSString).deletingLastPathComponent
            var expected = [study]
            while let last = expected.last, last != root {
                expected.append((last as NSString).deletingLastPathComponent)
            }
            #expect(expected.count == 4 && synced.withLock { $0 } == expected)
            // Now it knows.
            #expect(try append(next, [instance(1), instance(2)]) == 2)
            #expect(synced.withLock { $0 } == expected)
            // A new log in a known folder.
            let other = SeriesIdentity(tenantID: "t1", studyUID: "1.2.3", seriesUID: "1.2.3.5")
            #expect(try next.append([SeriesMetadataUpdate(series: other, instances: [instance(1)])]) == [1])
            #expect(synced.withLock { $0 } == expected + [study])
            // Another one, whose sync fails at first.
            let third = SeriesIdentity(tenantID: "t1", studyUID: "1.2.3", seriesUID: "1.2.3.6")
            let update = SeriesMetadataUpdate(series: third, instances: [instance(1)])
            isBroken.withLock { $0 = true }
            #expect(throws: MetadataStoreError.self) { try next.append([update]) }
            isBroken.withLock { $0 = false }
            #expect(try next.append([update]) == [1])
            #expect(synced.withLock { $0 }.dropFirst(5).contains(study))
        }
    }

    @Test func gzipToolsReadTheCompactedFile() throws {
        try withStore { store, root in
            // Several chunks, several pieces of index.
            let all = (0..<3_000).map { instance($0, bytes: 700) }
            for start in stride(from: 0, to: 3_000, by: 500) {
                #expect(try append(store, Array(all[start..<(start + 500)])) == start + 500)
            }
            _ = try store.compact(series)
            let file = try path(root, ".json.gz")
            func run(_ command: String) throws -> Data {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/bin/sh")
                process.arguments = ["-c", command]
                let pipe = Pipe()
                process.standardOutput = pipe
                try process.run()
                let data = pipe.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                #expect(process.terminationStatus == 0)
                return data
            }
            #expect(String(decoding: try run("gzip -dc '\(file)'"), as: UTF8.self) == expected(all))
            // The part that is sent, alone.
            let snapshot = try #require(try store.snapshot(of: series))
            let body = try #require(snapshot.compressed)
            #expect(body.offset == 0 && body.length < snapshot.length / 10)
            let sent = try run("head -c \(body.length) '\(file)' | gzip -dc")
            #expect(String(decoding: sent, as: UTF8.self) == expected(all))
            #expect(try store.instance("1.2.3.4.2999", of: series) == all[2_999].json)
            #expect(try text(snapshot) == expected(all))
        }
    }

    @Test func anInstanceLargerThanAChunk() throws {
        try withStore { store, _ in
            let all = [instance(1), instance(2, bytes: 3_000_000), instance(3), instance(4, bytes: 9_000_000)]
            #expect(try append(store, all) == 4)
            #expect(try text(#require(try store.snapshot(of: series)), piece: 100_000) == expected(all))
            _ = try store.compact(series)
            #expect(try text(#require(try store.snapshot(of: series)), piece: 100_000) == expected(all))
            #expect(try store.instance("1.2.3.4.4", of: series) == all[3].json)
            #expect(try append(store, [instance(5)]) == 5)
            #expect(try text(#require(try store.snapshot(of: series))) == expected(all + [instance(5)]))
        }
    }

    @Test func tornTailsAreRepairedAtEveryLength() throws {
        try withStore { store, root in
            let first = [instance(1), instance(2)]
            _ = try append(store, first)
            let log = try path(root, ".log")
            let whole = try Data(contentsOf: URL(fileURLWithPath: log))
            _ = try append(store, [instance(3)])
            let longer = try Data(contentsOf: URL(fileURLWithPath: log))
            for length in whole.count..<longer.count {
                for fill in [0, 1] {
                    // Cut short, or its end never written: zeros.
                    var torn = longer.prefix(length)
                    if fill == 1 { torn.append(Data(repeating: 0, count: longer.count - length)) }
                    try torn.write(to: URL(fileURLWithPath: log))
                    let isWhole = length == longer.count || (fill == 1 && torn == longer)
                    // Another process: nothing is remembered.
                    let other = FileMetadataStore(root: root)
                    let snapshot = try #require(try other.snapshot(of: series))
                    // Only the line feed behind the last record is not covered by its checks.
                    if length < longer.count - 1 && !isWhole {
                        #expect(try text(snapshot) == expected(first), "\(length)")
                    }
                    #expect(try append(other, [instance(4)]) == snapshot.instanceCount + 1)
                    let repaired = try #require(try FileMetadataStore(root: root).snapshot(of: series))
                    #expect(try text(repaired).hasSuffix(expected([instance(4)]).dropFirst()), "\(length)")
                    try other.compact(series).map { #expect($0.didWrite) }
                    try FileManager.default.removeItem(atPath: path(root, ".json.gz"))
                }
            }
        }
    }

    @Test func damageInTheMiddleLosesOnlyWhatItHits() throws {
        try withStore { store, root in
            _ = try append(store, [instance(1), instance(2), instance(3)])
            let log = try path(root, ".log")
            var bytes = try Data(contentsOf: URL(fileURLWithPath: log))
            bytes[bytes.count / 2] ^= 0x20
            try bytes.write(to: URL(fileURLWithPath: log))
            let snapshot = try #require(try FileMetadataStore(root: root).snapshot(of: series))
            #expect(try text(snapshot) == expected([instance(1), instance(3)]))
            // What is lost comes back when it is appended again.
            #expect(try append(FileMetadataStore(root: root), [instance(2)]) == 3)
            #expect(try #require(try store.snapshot(of: series)).instanceCount == 3)
        }
    }

    @Test func damagedCompactedFilesAreRefused() throws {
        try withStore { store, root in
            _ = try append(store, (0..<50).map { instance($0) })
            _ = try store.compact(series)
            let file = try path(root, ".json.gz")
            let good = try Data(contentsOf: URL(fileURLWithPath: file))
            var generator = SystemRandomNumberGenerator()
            for _ in 0..<500 {
                var bad = good
                if Bool.random(using: &generator) {
                    bad[Int.random(in: 0..<bad.count, using: &generator)] ^= UInt8.random(
                        in: 1...255, using: &generator)
                } else {
                    bad = bad.prefix(Int.random(in: 0..<bad.count, using: &generator))
                }
                try bad.write(to: URL(fileURLWithPath: file))
                // A value or a typed error; never a crash.
                do {
                    let snapshot = try store.snapshot(of: series)
                    if let snapshot { _ = try text(snapshot) }
                } catch { #expect(error is MetadataStoreError) }
            }
        }
    }

    @Test func identitiesThatAreNoPathsAreRefused() throws {
        try withStore { store, root in
            for bad in ["", "..", "1/2", "1.2/../3", "a\0b", String(repeating: "1", count: 65)] {
                let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: bad)
                #expect(throws: MetadataStoreError(.invalidIdentity)) {
                    _ = try store.append([SeriesMetadataUpdate(series: series, instances: [instance(1)])])
                }
                #expect(throws: MetadataStoreError(.invalidIdentity)) { _ = try store.snapshot(of: series) }
                let tenant = SeriesIdentity(tenantID: "../" + bad, studyUID: "1.2", seriesUID: "1.3")
                #expect(throws: MetadataStoreError(.invalidIdentity)) { _ = try store.snapshot(of: tenant) }
            }
            #expect(files(root).isEmpty)
            #expect(throws: MetadataStoreError(.invalidLength)) {
                _ = try append(store, [InstanceMetadata(sopInstanceUID: "1.2", json: [])])
            }
        }
    }

    /// Consumers append, workers compact, readers read, each with a store of its own, as processes would.
    @Test func nothingIsLostBetweenAppendsAndCompactions() throws {
        try withStore { (_: FileMetadataStore, root: String) throws in
            let writers = 3
            let each = 60
            let failures = Failures()
            let running = Failures()
            DispatchQueue.concurrentPerform(iterations: writers + 3) { thread in
                let store = FileMetadataStore(root: root)
                do {
                    if thread < writers {
                        for number in 0..<each {
                            let own = instance(thread * 1_000 + number, "v1")
                            _ = try append(store, [own, instance(9_999, "\(thread).\(number)")])
                            let found = try store.instance(own.sopInstanceUID, of: series)
                            if found != own.json { failures.add("\(own.sopInstanceUID) is not readable") }
                        }
                        running.add("done")
                    } else if thread < writers + 2 {
                        while running.all.count < writers { _ = try store.compact(series) }
                    } else {
                        var most = 0
                        while running.all.count < writers {
                            guard let snapshot = try store.snapshot(of: series) else { continue }
                            if snapshot.instanceCount < most { failures.add("instances vanished") }
                            most = snapshot.instanceCount
                            if try text(snapshot).utf8.count != snapshot.length { failures.add("length") }
                        }
                    }
                } catch {
                    failures.add("\(error)")
                    running.add("done")
                }
            }
            #expect(failures.all.isEmpty)
            let store = FileMetadataStore(root: root)
            #expect(try #require(try store.snapshot(of: series)).instanceCount == writers * each + 1)
            _ = try store.compact(series)
            let whole = try text(#require(try store.snapshot(of: series)))
            for thread in 0..<writers {
                for number in 0..<each { #expect(whole.contains("\"1.2.3.4.\(thread * 1_000 + number)\"")) }
            }
            #expect(files(root) == ["1.2.3.4.json.gz"])
        }
    }
}

extension FileManager {
    fileprivate func subpathsFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}

private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var texts: [String] = []
    func add(_ text: String) { lock.withLock { texts.append(text) } }
    var all: [String] { lock.withLock { texts } }
}
