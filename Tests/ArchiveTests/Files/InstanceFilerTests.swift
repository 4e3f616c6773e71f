import Archive
import Foundation
import ServiceKit
import Synchronization
import TestSupport
import Testing

/// One process after the other on one store.
struct InstanceFilerTests {
    private final class Bus: EventProducer {
        let traces = Mutex<[String]>([])
        func publish(_ messages: [Message], to topic: Topic) throws {
            traces.withLock { $0 += messages.map { String(decoding: $0.value, as: UTF8.self) } }
        }
        func close() {}
    }

    private struct Process {
        let spool: Spool
        let filer: InstanceFiler

        init(
            root: String = "/store", fileSystem: any FileSystem, time: Int64,
            _ change: (inout InstanceFiler.Configuration) -> Void = { _ in },
            makeEvent: @escaping InstanceFiler.EventMaker = { provenance, _ in
                Message(key: "", value: Array(provenance.traceID.utf8))
            }, notice: @escaping @Sendable (InstanceFiler.Notice) -> Void = { _ in }
        ) throws {
            let paths = ArchivePaths(root: root)
            spool = try Spool(folder: paths.spool("test"), capacity: 4, fileSystem: fileSystem)
            var configuration = InstanceFiler.Configuration()
            configuration.clock = { time }
            change(&configuration)
            filer = InstanceFiler(
                spool: spool, paths: paths, configuration: configuration, makeProducer: { Bus() },
                makeEvent: makeEvent, notice: notice)
            try filer.recover()
        }

        /// - Parameter inPlace: every other piece is put where the writer wants it.
        func receive(
            _ identity: InstanceIdentity, _ trace: String, _ dataSet: [UInt8], pieces: [Int] = [], inPlace: Bool = false
        ) throws {
            let sopClass = "1.2.840.10008.5.1.4.1.1.2"
            let syntax = "1.2.840.10008.1.2.1"
            let header = Provenance.provisionalHeader(
                sopClassUID: sopClass, instanceUID: identity.instance, transferSyntaxUID: syntax, callingAETitle: "A",
                calledAETitle: "B")
            let writer = try spool.begin(headerLength: header.count)
            var rest = dataSet[...]
            for (index, piece) in pieces.enumerated() where !rest.isEmpty {
                guard inPlace, index % 2 == 0 else {
                    try rest.prefix(piece).withUnsafeBytes { try writer.append($0) }
                    rest = rest.dropFirst(piece)
                    continue
                }
                var left = min(piece, rest.count)
                while left > 0 {
                    let room = writer.room(left)
                    try #require(!room.isEmpty)
                    room.copyBytes(from: rest.prefix(room.count))
                    try writer.append(UnsafeRawBufferPointer(room))
                    rest = rest.dropFirst(room.count)
                    left -= room.count
                }
            }
            try rest.withUnsafeBytes { try writer.append($0) }
            let provenance = Provenance(
                identity: identity, sopClassUID: sopClass, transferSyntaxUID: syntax, traceID: trace,
                receivedMicroseconds: filer.receptionTime(of: identity), peerAddress: "::1", callingAETitle: "A",
                calledAETitle: "B", node: "test", dataSetSize: Int64(dataSet.count),
                dataSetCRC32: writer.dataSetCRC32)
            _ = filer.submit(try writer.finish(provenance))
        }
    }

    private func identity(_ number: Int) throws -> InstanceIdentity {
        InstanceIdentity(
            tenant: .standard, study: try #require(UID("1.2")), series: try #require(UID("1.2.1")),
            instance: try #require(UID("1.2.9.\(number)")))
    }

    private func trace(_ identity: InstanceIdentity, root: String = "/store", _ system: any FileSystem) throws
        -> String?
    {
        try FileStore(paths: ArchivePaths(root: root), fileSystem: system).open(identity)?.provenance()?.0.traceID
    }

    private let hour: Int64 = 3_600_000_000

    /// The clock was set back between two starts, or another node's is ahead: what came last stays, and is published.
    @Test func aReplacementByAnEarlierClockStays() throws {
        let system = PowerCutFileSystem()
        let bus = Bus()
        let instance = try identity(1)
        let first = try Process(fileSystem: system, time: 10 * hour)
        try first.receive(instance, "old", [1, 2, 3])
        #expect(first.filer.fileGroup())
        try first.filer.publishGroup(bus)

        let second = try Process(fileSystem: system, time: 9 * hour)
        #expect(try second.filer.receptionTime(of: identity(2)) == 9 * hour)
        try second.receive(instance, "new", [4, 5, 6])
        try second.receive(instance, "newest", [7, 8])
        #expect(second.filer.fileGroup())
        try second.filer.publishGroup(bus)
        #expect(try trace(instance, system) == "newest")
        #expect(bus.traces.withLock { $0 }.contains("newest"))
        #expect(second.filer.pending == 0)
    }

    /// The older one is still in the spool, and fails at first, so that it comes behind the newer one.
    @Test(arguments: [false, true])
    func whatIsInTheSpoolIsOlderToo(_ isFiledLater: Bool) throws {
        let system = PowerCutFileSystem()
        let bus = Bus()
        let instance = try identity(1)
        let first = try Process(fileSystem: system, time: 10 * hour)
        try first.receive(instance, "old", [1, 2, 3])

        let second = try Process(fileSystem: system, time: 9 * hour) { $0.minimumPauseMilliseconds = 0 }
        if isFiledLater {
            // The next change, making the folder, fails.
            system.disk.withLock { $0.failing = [$0.operations + 1] }
            #expect(!second.filer.fileGroup())
        }
        try second.receive(instance, "new", [4, 5, 6])
        for _ in 0..<4 {
            _ = second.filer.fileGroup()
            try second.filer.publishGroup(bus)
        }
        #expect(try trace(instance, system) == "new")
        #expect(bus.traces.withLock { $0 }.last == "new")
        #expect(second.filer.pending == 0)
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let root = "/tmp/wado-filer-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body(root)
    }

    /// A link has the place of one instance: the others do not wait for it.
    @Test func oneThatCannotBeFiledWaitsAlone() throws {
        try withFolder { root in
            let system = PosixFileSystem()
            let process = try Process(root: root, fileSystem: system, time: hour) {
                $0.minimumPauseMilliseconds = 0
                $0.maximumPauseMilliseconds = 0
            }
            let path = ArchivePaths(root: root).absolute(ArchivePaths.instance(try identity(1)))
            let folder = (path as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/nonexistent")
            try process.receive(identity(1), "one", [1])
            // The first failure may be everybody's; those after it are its own.
            #expect(!process.filer.fileGroup())
            #expect(process.filer.fileGroup())
            for number in 2..<6 {
                try process.receive(identity(number), "\(number)", [UInt8(number)])
                #expect(process.filer.fileGroup())
                #expect(try trace(identity(number), root: root, system) == "\(number)")
            }
            #expect(process.filer.pending == 5)
            let bus = Bus()
            try process.filer.publishGroup(bus)
            #expect(process.filer.pending == 1 && bus.traces.withLock { $0 } == ["2", "3", "4", "5"])
            try FileManager.default.removeItem(atPath: path)
            #expect(process.filer.fileGroup())
            try process.filer.publishGroup(bus)
            #expect(try process.filer.pending == 0 && trace(identity(1), root: root, system) == "one")
        }
    }

    /// Its pause is its own: nothing is tried before it is over.
    @Test func oneThatFailedPauses() throws {
        try withFolder { root in
            let process = try Process(root: root, fileSystem: PosixFileSystem(), time: hour) {
                $0.minimumPauseMilliseconds = 3_600_000
                $0.maximumPauseMilliseconds = 3_600_000
            }
            let path = ArchivePaths(root: root).absolute(ArchivePaths.instance(try identity(1)))
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try process.receive(identity(1), "one", [1])
            try process.receive(identity(2), "two", [2])
            #expect(process.filer.fileGroup())
            try FileManager.default.removeItem(atPath: path)
            for _ in 0..<5 { #expect(process.filer.fileGroup()) }
            #expect(try trace(identity(1), root: root, PosixFileSystem()) == nil)
            #expect(try trace(identity(2), root: root, PosixFileSystem()) == "two")
        }
    }

    /// A file in the spool cannot be read back for its event: the others' events go out.
    @Test func oneThatCannotBeReadIsPublishedLater() throws {
        try withFolder { root in
            let process = try Process(root: root, fileSystem: PosixFileSystem(), time: hour) {
                $0.inMemory = 0
                $0.minimumPauseMilliseconds = 0
            }
            for number in 1..<4 { try process.receive(identity(number), "\(number)", [UInt8(number)]) }
            #expect(process.filer.fileGroup())
            let spool = ArchivePaths(root: root).spool("test")
            let stored = ArchivePaths(root: root).absolute(ArchivePaths.instance(try identity(2)))
            let inode = try FileManager.default.attributesOfItem(atPath: stored)[.systemFileNumber] as? Int
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: spool).first {
                    try FileManager.default.attributesOfItem(atPath: "\(spool)/\($0)")[.systemFileNumber] as? Int
                        == inode
                })
            try FileManager.default.moveItem(atPath: "\(spool)/\(name)", toPath: "\(root)/away")
            try FileManager.default.createSymbolicLink(atPath: "\(spool)/\(name)", withDestinationPath: "/nonexistent")
            let bus = Bus()
            for _ in 0..<3 { try process.filer.publishGroup(bus) }
            #expect(bus.traces.withLock { $0 } == ["1", "3"] && process.filer.pending == 1)
            try FileManager.default.removeItem(atPath: "\(spool)/\(name)")
            try FileManager.default.moveItem(atPath: "\(root)/away", toPath: "\(spool)/\(name)")
            try process.filer.publishGroup(bus)
            #expect(bus.traces.withLock { $0 } == ["1", "3", "2"] && process.filer.pending == 0)
        }
    }

    /// Its event never goes out, and somebody hears of it.
    @Test func oneThatIsGoneBeforeItsEventIsReported() throws {
        let system = PowerCutFileSystem()
        let lost = Monitor<[UInt64]>([])
        let process = try Process(
            fileSystem: system, time: hour, { $0.inMemory = 0 },
            notice: { notice in
                if case .lost(let number, nil) = notice { lost.withLock { $0.append(number) } }
            })
        try process.receive(identity(1), "one", [1])
        try process.receive(identity(2), "two", [2])
        #expect(process.filer.fileGroup())
        let spool = ArchivePaths(root: "/store").spool("test")
        let stored = try ArchivePaths(root: "/store").absolute(ArchivePaths.instance(identity(1)))
        let name = try #require(
            system.disk.withLock { disk in
                disk.names.keys.first { $0.hasPrefix(spool) && disk.names[$0] == disk.names[stored] }
            })
        try system.remove(name)
        let bus = Bus()
        try process.filer.publishGroup(bus)
        #expect(bus.traces.withLock { $0 } == ["two"] && process.filer.pending == 0)
        #expect(lost.current == [UInt64(name.split(separator: "/").last ?? "", radix: 16)])
    }

    /// What is made and not kept in mind would lie there until the next start.
    @Test func preparingThatFailsLeavesNothing() throws {
        var failures = 0
        for place in 1...12 {
            let system = PowerCutFileSystem()
            system.disk.withLock { $0.failing = [place] }
            if (try? Process(fileSystem: system, time: hour)) != nil { continue }
            failures += 1
            let spool = ArchivePaths(root: "/store").spool("test")
            #expect(system.disk.withLock { disk in disk.names.keys.allSatisfy { !$0.hasPrefix(spool + "/") } })
        }
        // Four files and a sync.
        #expect(failures >= 5)
    }

    /// Its event cannot be made for now: it is asked for again, with its file in the spool, and the others go on.
    @Test func anEventThatCannotBeMadeNowIsMadeLater() throws {
        try withFolder { root in
            let failures = Monitor(2)
            let make: InstanceFiler.EventMaker = { provenance, path throws(FileSystemError) in
                let fails = failures.withLock { left in
                    left -= 1
                    return left >= 0
                }
                if fails { throw FileSystemError(operation: "read header", errorNumber: 5) }
                #expect(path.hasPrefix(ArchivePaths(root: root).spool("test")))
                return Message(key: "", value: Array(provenance.traceID.utf8))
            }
            let process = try Process(
                root: root, fileSystem: PosixFileSystem(), time: hour,
                {
                    $0.inMemory = 0
                    $0.minimumPauseMilliseconds = 0
                }, makeEvent: make)
            for number in 1..<4 { try process.receive(identity(number), "\(number)", [UInt8(number)]) }
            #expect(process.filer.fileGroup())
            let bus = Bus()
            try process.filer.publishGroup(bus)
            #expect(bus.traces.withLock { $0 } == ["3"] && process.filer.pending == 2)
            try process.filer.publishGroup(bus)
            #expect(bus.traces.withLock { $0 } == ["3", "1", "2"] && process.filer.pending == 0)
        }
    }

    /// The disk is full in the middle of an instance, and then for names too: what was acknowledged is filed and
    /// published when there is room again, and the rest was told.
    @Test func aFullDiskLosesNothingThatWasAcknowledged() throws {
        let system = PowerCutFileSystem()
        let bus = Bus()
        let process = try Process(fileSystem: system, time: hour) {
            $0.minimumPauseMilliseconds = 0
            $0.maximumPauseMilliseconds = 0
        }
        let dataSet = [UInt8](repeating: 7, count: 300_000)
        system.disk.withLock { $0.capacity = 500_000 }
        try process.receive(identity(1), "one", dataSet)
        for _ in 0..<3 {
            do {
                try process.receive(identity(2), "two", dataSet)
                Issue.record("there is no room for it")
            } catch let error as FileSystemError {
                #expect(error.isOutOfSpace)
            }
        }
        // The unfinished ones gave their room back.
        try process.receive(identity(3), "three", [UInt8](repeating: 3, count: 100_000))
        system.disk.withLock { $0.capacity -= $0.free }
        for _ in 0..<3 { _ = process.filer.fileGroup() }
        #expect(try trace(identity(1), system) == nil)
        // Another process finds both.
        let next = try Process(fileSystem: system, time: 2 * hour) { $0.minimumPauseMilliseconds = 0 }
        #expect(next.filer.pending == 2)
        system.disk.withLock { $0.capacity = .max }
        for _ in 0..<3 {
            _ = next.filer.fileGroup()
            try next.filer.publishGroup(bus)
        }
        try next.receive(identity(2), "two", dataSet)
        #expect(next.filer.fileGroup())
        try next.filer.publishGroup(bus)
        let store = FileStore(paths: ArchivePaths(root: "/store"), fileSystem: system)
        for (number, trace) in [(1, "one"), (2, "two"), (3, "three")] {
            #expect(try self.trace(identity(number), system) == trace)
            #expect(try store.open(identity(number))?.isWhole() == true)
        }
        #expect(bus.traces.withLock { $0.sorted() } == ["one", "three", "two"] && next.filer.pending == 0)
    }

    /// Nobody waits for others when no more will come.
    @Test func theLastOnesAreFiledAtOnce() throws {
        let system = PowerCutFileSystem()
        let process = try Process(fileSystem: system, time: hour) { configuration in
            configuration.gatherMilliseconds = 600_000
            configuration.quietMilliseconds = 600_000
        }
        let filer = process.filer
        let filing = try ServiceThread(name: "filing") { filer.runFiling($0) }
        let store = FileStore(paths: ArchivePaths(root: "/store"), fileSystem: system)
        for number in 0..<8 { try process.receive(identity(number), "\(number)", [1, 2, 3]) }
        try eventually {
            filer.hurry()
            return try (0..<8).allSatisfy { try store.open(identity($0)) != nil }
        }
        filing.stop()
        filer.hurry()
        filing.join()
    }

    /// However the pieces lie to the steps in which a file is written.
    @Test func piecesOfAnySizeMakeTheSameFile() throws {
        let system = PowerCutFileSystem()
        let process = try Process(fileSystem: system, time: hour)
        var random = SeededRandom(state: 11)
        let dataSet = (0..<900_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        var kinds: [[Int]] = [
            [], [1, 131_072, 131_072], [131_072], [262_144, 3], [130_000, 1_000, 1_000, 400_000],
            [65_536, 65_536, 700_000],
        ]
        for _ in 0..<10 { kinds.append((0..<30).map { _ in Int.random(in: 1...200_000, using: &random) }) }
        let store = FileStore(paths: ArchivePaths(root: "/store"), fileSystem: system)
        for (number, pieces) in kinds.enumerated() {
            try process.receive(
                identity(number), "\(number)", dataSet, pieces: pieces, inPlace: number % 2 == 1)
            #expect(process.filer.fileGroup())
            let file = try #require(try store.open(identity(number)))
            let (_, offset) = try #require(try file.provenance())
            var content = [UInt8](repeating: 0, count: dataSet.count)
            let count = try content.withUnsafeMutableBytes { try file.file.read(into: $0, at: offset) }
            #expect(count == dataSet.count && content == dataSet && file.size == offset + Int64(dataSet.count))
        }
    }
}
