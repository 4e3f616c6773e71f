import Archive
import ServiceKit
import Synchronization
import Testing

/// What docs/durability.md promises, with the power cut (or the process killed) at every operation.
struct DurabilityTests {
    /// Survives everything: the bus is another machine, or PostgreSQL.
    final class Bus: Sendable {
        struct Down: Error {}
        let traces = Mutex<[String]>([])
        /// Every second publication fails.
        let count = Mutex(0)
    }

    struct Producer: EventProducer {
        let bus: Bus
        func publish(_ messages: [Message], to topic: Topic) throws {
            let isDown = bus.count.withLock { count in
                count += 1
                return count % 2 == 0
            }
            if isDown { throw Bus.Down() }
            bus.traces.withLock { $0 += messages.map { String(decoding: $0.value, as: UTF8.self) } }
        }
        func close() {}
    }

    struct Instance {
        var provenance: Provenance
        var dataSet: [UInt8]
    }

    static func uid(_ text: String) -> UID { UID(text) ?? { preconditionFailure("no UID") }() }

    /// Ten instances in two series; two UIDs come twice with other bytes, one comes twice with the same.
    static let instances: [Instance] = {
        var random = SeededRandom(state: 3)
        var instances: [Instance] = []
        for number in 0..<10 {
            let sop = [4: 2, 7: 2, 8: 1, 9: 5][number] ?? number
            var dataSet = (0..<Int.random(in: 1...3000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if number == 9 { dataSet = instances[5].dataSet }
            instances.append(
                Instance(
                    provenance: Provenance(
                        identity: InstanceIdentity(
                            tenant: .standard, study: uid("1.2"), series: uid("1.2.\(sop % 2)"),
                            instance: uid("1.2.9.\(sop)")),
                        sopClassUID: "1.2.840.10008.5.1.4.1.1.2", transferSyntaxUID: "1.2.840.10008.1.2.1",
                        traceID: "trace-\(number)", receivedMicroseconds: Int64(1000 + number), peerAddress: "::1",
                        callingAETitle: "A", calledAETitle: "B", node: "test", dataSetSize: Int64(dataSet.count),
                        dataSetCRC32: 0),
                    dataSet: dataSet))
        }
        return instances
    }()

    static func filer(
        _ system: PowerCutFileSystem, _ policy: DuplicatePolicy
    ) throws(FileSystemError) -> (Spool, InstanceFiler) {
        let paths = ArchivePaths(root: "/store")
        let spool = try Spool(folder: paths.spool("test"), capacity: 4, fileSystem: system)
        var configuration = InstanceFiler.Configuration()
        configuration.policy = policy
        configuration.groupSize = 3
        configuration.inMemory = 3
        configuration.minimumPauseMilliseconds = 0
        let filer = InstanceFiler(
            spool: spool, paths: paths, configuration: configuration, makeProducer: { throw Bus.Down() },
            makeEvent: { provenance, _ in Message(key: "", value: Array(provenance.traceID.utf8)) })
        try filer.recover()
        return (spool, filer)
    }

    /// Receives the instances, filing and publishing in between. Returns those acknowledged, in their order.
    static func receive(
        _ system: PowerCutFileSystem, _ bus: Bus, _ random: inout SeededRandom, from first: Int = 0
    ) -> [Int] {
        var acknowledged: [Int] = []
        do {
            let (spool, filer) = try filer(system, .replace)
            for (number, instance) in instances.enumerated() where number >= first {
                let header = Provenance.provisionalHeader(
                    sopClassUID: instance.provenance.sopClassUID, instanceUID: instance.provenance.identity.instance,
                    transferSyntaxUID: instance.provenance.transferSyntaxUID, callingAETitle: "A", calledAETitle: "B")
                // Sometimes an association breaks in the middle.
                if Int.random(in: 0..<4, using: &random) == 0 {
                    let broken = try spool.begin(headerLength: header.count)
                    try instance.dataSet.withUnsafeBytes { try broken.append($0) }
                    try broken.write(header: header)
                    broken.discard()
                }
                let writer = try spool.begin(headerLength: header.count)
                let half = instance.dataSet.count / 2
                try instance.dataSet[..<half].withUnsafeBytes { try writer.append($0) }
                try instance.dataSet[half...].withUnsafeBytes { try writer.append($0) }
                try writer.write(header: header)
                var provenance = instance.provenance
                provenance.dataSetCRC32 = writer.dataSetCRC32
                let spooled = try writer.finish(provenance)
                _ = filer.submit(spooled)
                acknowledged.append(number)
                if Bool.random(using: &random) { _ = filer.fileGroup() }
                if Bool.random(using: &random) { try? filer.publishGroup(Producer(bus: bus)) }
            }
            finish(filer, bus)
        } catch {}
        return acknowledged
    }

    static func finish(_ filer: InstanceFiler, _ bus: Bus) {
        for _ in 0..<60 where filer.pending > 0 {
            _ = filer.fileGroup()
            try? filer.publishGroup(Producer(bus: bus))
        }
    }

    /// What must hold when everything has settled.
    static func check(_ system: PowerCutFileSystem, _ bus: Bus, _ acknowledged: [Int], _ context: String) throws {
        let store = FileStore(paths: ArchivePaths(root: "/store"), fileSystem: system)
        let traces = Set(bus.traces.withLock { $0 })
        for identity in try store.allInstances() {
            let file = try #require(try store.open(identity))
            #expect(try file.isWhole() == true, "a file that is not whole, \(context)")
        }
        for identity in Set(acknowledged.map { instances[$0].provenance.identity }) {
            let last = try #require(acknowledged.last { instances[$0].provenance.identity == identity })
            guard let file = try store.open(identity), let (provenance, offset) = try file.provenance() else {
                Issue.record("an acknowledged instance is gone, \(context)")
                continue
            }
            let number = try #require(Int(provenance.traceID.dropFirst(6)))
            var content = [UInt8](repeating: 0, count: Int(file.size - offset))
            _ = try content.withUnsafeMutableBytes { try file.file.read(into: $0, at: offset) }
            // The last acknowledged one, or one after it that was not acknowledged, or the same bytes earlier.
            #expect(number >= last || instances[number].dataSet == instances[last].dataSet, "an old one, \(context)")
            #expect(content == instances[number].dataSet, "other bytes, \(context)")
            #expect(traces.contains(provenance.traceID), "no event, \(context)")
        }
        let spooled = try system.list("/store/.spool/test").filter {
            try system.open("/store/.spool/test/\($0)", forWriting: false).size() > 0
        }
        #expect(spooled.isEmpty, "left in the spool, \(context)")
    }

    @Test func withoutACrashEverythingIsThere() throws {
        let (system, bus) = (PowerCutFileSystem(), Bus())
        var random = SeededRandom(state: 1)
        let acknowledged = Self.receive(system, bus, &random)
        #expect(acknowledged == Array(0..<10))
        try Self.check(system, bus, acknowledged, "no crash")
    }

    /// The power is cut, or the process killed, before each operation in turn; then once more during recovery.
    @Test(arguments: [true, false])
    func acknowledgedInstancesSurvive(_ powerCut: Bool) throws {
        var crashes = 0
        for seed in 1...4 as ClosedRange<UInt64> {
            for cut in 1...400 {
                let bus = Bus()
                var random = SeededRandom(state: seed)
                let system = PowerCutFileSystem()
                system.disk.withLock { $0.cut = cut }
                let acknowledged = Self.receive(system, bus, &random)
                guard system.disk.withLock({ $0.isDead }) else { break }
                crashes += 1
                // The next start is cut too, somewhere.
                let second = PowerCutFileSystem(system.afterCrash(powerCut: powerCut, &random))
                second.disk.withLock { $0.cut = $0.operations + Int.random(in: 1...40, using: &random) }
                if let (_, filer) = try? Self.filer(second, .replace) { Self.finish(filer, bus) }
                // After a kill the power goes: what the killed process had not synced must have been synced since.
                let third = PowerCutFileSystem(second.afterCrash(powerCut: powerCut, &random))
                let (_, filer) = try Self.filer(third, .replace)
                Self.finish(filer, bus)
                let settled = PowerCutFileSystem(third.afterCrash(powerCut: true, &random))
                let (_, last) = try Self.filer(settled, .replace)
                Self.finish(last, bus)
                try Self.check(settled, bus, acknowledged, "seed \(seed), cut \(cut), power \(powerCut)")
            }
        }
        #expect(crashes > 400)
    }

    /// Single operations fail (a bad disk, for a moment) and the process goes on.
    @Test func failingOperationsAreTriedAgain() throws {
        for place in 1...250 {
            let bus = Bus()
            var random = SeededRandom(state: 5)
            let system = PowerCutFileSystem()
            system.disk.withLock { $0.failing = [place] }
            var acknowledged = Self.receive(system, bus, &random)
            // A client sends again what was not acknowledged.
            if acknowledged.count < 10 {
                acknowledged += Self.receive(system, bus, &random, from: acknowledged.count)
            }
            let settled = PowerCutFileSystem(system.afterCrash(powerCut: true, &random))
            let (_, filer) = try Self.filer(settled, .replace)
            Self.finish(filer, bus)
            #expect(acknowledged == Array(0..<10))
            try Self.check(settled, bus, acknowledged, "failing \(place)")
        }
    }
}
