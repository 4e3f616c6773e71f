import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import ServiceKit
import StoreSCPService
import Synchronization
import TestSupport
import Testing

struct StoreSCPServiceTests {
    @Test(arguments: [
        TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian, .deflatedExplicitVRLittleEndian,
    ])
    func anInstanceIsFiledAndItsEventPublished(_ syntax: TransferSyntax) throws {
        let fixture = try StoreSCPFixture()
        let user = try fixture.user()
        let sample = Sample()
        #expect(try user.store(sample, syntax) == .success)
        try user.release()
        let row = try #require(try fixture.bus.rows(1).first)
        #expect(row.tenantID == "1234567890")
        #expect(row.studyUID == sample.study)
        #expect(row.seriesUID == sample.series)
        #expect(row.sopUID == sample.instance)
        #expect(row.patientID == "P1")
        #expect(row.sourceIP == "127.0.0.1")
        #expect(row.sourceAE == "MODALITY")
        #expect(row.transferSyntaxUID == syntax.uid)
        #expect(fixture.files == [row.filePath])
        fixture.waitUntilPublished()
        #expect(fixture.spooled == 0)

        let url = fixture.folder.appending(path: row.filePath)
        let bytes = [UInt8](try Data(contentsOf: url))
        #expect(row.fileSize == Int64(bytes.count))
        let file = try DICOMFile(bytes: bytes)
        #expect(file.meta?.mediaStorageSOPInstanceUID == sample.instance)
        #expect(file.meta?.transferSyntaxUID == syntax.uid)
        #expect(Array(bytes[file.dataSetOffset...]) == sample.bytes(syntax))
        let stored = try PosixFileSystem().open(url.path, forWriting: false)
        let provenance = try #require(try Provenance.read(stored)).0
        #expect(provenance.traceID == row.traceID)
        #expect(provenance.identity.study.value == sample.study)
        #expect(provenance.peerAddress == "127.0.0.1")
    }

    @Test func refusals() throws {
        let fixture = try StoreSCPFixture {
            $0.maximumInstanceBytes = 100_000
            $0.tenants = [.standard]
        }
        let user = try fixture.user()
        func status(_ change: (inout Sample) -> Void) throws -> UInt16 {
            var sample = Sample()
            change(&sample)
            let status = try user.store(sample)
            if status.code != 0 { #expect(status.comment?.isEmpty == false) }
            return status.code
        }
        #expect(try status { $0.builder.remove(.studyInstanceUID) } == 0xC000)
        #expect(try status { $0.builder.setEmpty(.seriesInstanceUID) } == 0xC000)
        #expect(try status { $0.builder.set(.studyInstanceUID, vr: .ui, text: "../../etc") } == 0xC000)
        #expect(try status { $0.builder.set(.studyInstanceUID, vr: .ui, text: "1..2") } == 0xC000)
        #expect(try status { $0.builder.remove(.sopInstanceUID) } == 0xA900)
        #expect(try status { $0.builder.set(.sopInstanceUID, "1.2.3.9") } == 0xA900)
        #expect(try status { $0.builder.set(.sopClassUID, "1.2.3.9") } == 0xA900)
        #expect(try status { $0.instance = "../x" } == 0xC000)
        #expect(
            try status { $0.builder.set(.pixelData, vr: .ob, bytes: [UInt8](repeating: 0, count: 200_000)) } == 0xA700)
        let tenant = Array("other ".utf8)
        #expect(try user.store(Sample(), extra: [(0x1211_1217, tenant)]).code == 0x0124)
        let traversal = try user.store(Sample(), extra: [(0x1211_1217, Array("../up ".utf8))])
        #expect(traversal.code == 0x0124)
        // Bytes that are no data set, and none at all.
        for bytes in [[UInt8](repeating: 0xFF, count: 500), [8, 0, 0x60, 0, 0x43, 0x53, 0, 1, 0x43, 0x54], []] {
            #expect(
                try user.store(
                    dataSet: bytes, sopClassUID: Sample.sopClass, sopInstanceUID: "1.2",
                    transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid
                ).code == 0xC000)
        }
        #expect(fixture.files.isEmpty)
        #expect(try user.store(Sample()) == .success)
        try user.release()
        _ = try fixture.bus.rows(1)
        fixture.waitUntilPublished()
        #expect(fixture.files.count == 1)
        #expect(fixture.spooled == 0)
        let text = String(decoding: fixture.metrics.text(), as: UTF8.self)
        #expect(text.contains(#"wado_storescp_refused_total{status="0xA900"} 3"#))
        #expect(text.contains("wado_storescp_instances_total 1"))

        let rows = fixture.bus.problems.wait(milliseconds: 20_000) { $0.count >= 14 ? $0 : nil } ?? []
        #expect(
            rows.map(\.rule) == [
                "study-uid-invalid", "series-uid-invalid", "study-uid-invalid", "study-uid-invalid",
                "sop-instance-uid-missing", "sop-instance-uid-differs", "sop-class-differs", "sop-instance-uid-invalid",
                "instance-too-large", "tenant-not-admitted", "tenant-not-admitted", "study-uid-invalid",
                "data-set-unreadable", "no-data-set",
            ])
        #expect(rows.allSatisfy { $0.severity == "refused" && $0.state == "open" && $0.program == "wado-storescp" })
        #expect(rows.allSatisfy { $0.sourceAE == "MODALITY" && $0.sourceIP == "127.0.0.1" && $0.traceID.count == 36 })
        #expect(rows[0].tagPath == "(0020,000D)" && rows[0].studyUID == "" && rows[0].sopUID == Sample().instance)
        #expect(rows[1].studyUID == Sample().study && rows[1].detail?.hasPrefix("status 0xC000") == true)
        // What is no UID, and no tenant, stands nowhere; the trace tells such rows apart.
        #expect(rows[7].sopUID == "" && rows[7].occasion == rows[7].traceID && rows[6].occasion == "")
        #expect(rows[9].tenantID == "" && rows[0].tenantID == "1234567890")
        #expect(rows[12].detail?.contains("truncated at byte") == true && rows[12].tagPath == "(0008,0060)")
        let json = rows.map { String(decoding: $0.message.value, as: UTF8.self) }.joined()
        for value in ["Doe", "Jane", "P1\"", "../x", "other", "etc"] { #expect(!json.contains(value), "\(value)") }
    }

    /// What would have no metadata is refused; one long value is no reason for that.
    @Test func headersThatAreTooLong() throws {
        let fixture = try StoreSCPFixture()
        let user = try fixture.user()
        let deflated = TransferSyntax.deflatedExplicitVRLittleEndian
        var sample = Sample(instance: "1.2.3.1.1.7")
        sample.builder.set(DICOMDictionary.Tag(0x0040_A160), vr: .ut, bytes: [UInt8](repeating: 0x41, count: 90 << 20))
        #expect(try user.store(sample, deflated) == .success)
        sample = Sample(instance: "1.2.3.1.1.8")
        for number in 0..<62 {
            sample.builder.set(
                DICOMDictionary.Tag(group: 0x0009, element: 0x1000 + UInt16(number)), vr: .ut,
                bytes: [UInt8](repeating: 0x41, count: 1_000_000))
        }
        let refused = try user.store(sample)
        #expect(refused.code == 0xA700 && refused.comment?.contains("metadata") == true)
        try user.release()
        #expect(try fixture.bus.rows(1).map(\.sopUID) == ["1.2.3.1.1.7"])
        let rows = fixture.bus.problems.wait(milliseconds: 20_000) { $0.isEmpty ? nil : $0 } ?? []
        #expect(rows.map(\.rule) == ["metadata-too-long"])
    }

    /// Neither the answers nor the instances wait for problems to be published.
    @Test func problemsWaitForTheBus() throws {
        let fixture = try StoreSCPFixture()
        fixture.bus.isDown.withLock { $0 = true }
        let user = try fixture.user()
        var sample = Sample()
        sample.builder.remove(.studyInstanceUID)
        for _ in 0..<3 { #expect(try user.store(sample).code == 0xC000) }
        #expect(try user.store(Sample()) == .success)
        fixture.bus.isDown.withLock { $0 = false }
        let rows = fixture.bus.problems.wait(milliseconds: 20_000) { $0.count >= 3 ? $0 : nil } ?? []
        #expect(rows.count == 3)
    }

    /// The bus is down when an instance is refused, and still when the service ends; the next one publishes it, once.
    @Test func aRefusalOutlivesTheService() throws {
        let fixture = try StoreSCPFixture()
        fixture.bus.isDown.withLock { $0 = true }
        let user = try fixture.user()
        var sample = Sample()
        sample.builder.remove(.seriesInstanceUID)
        #expect(try user.store(sample).code == 0xC000)
        try user.release()
        try fixture.restart()
        #expect(fixture.bus.problems.current.isEmpty)
        fixture.bus.isDown.withLock { $0 = false }
        let rows = fixture.bus.problems.wait(milliseconds: 20_000) { $0.isEmpty ? nil : $0 } ?? []
        #expect(rows.map(\.rule) == ["series-uid-invalid"] && rows.map(\.studyUID) == [sample.study])
        try fixture.restart()
        // It publishes what waits before it ends.
        fixture.service.stop()
        #expect(fixture.bus.problems.current == rows)
    }

    @Test func aFileThatWasNotFinishedIsTold() throws {
        let fixture = try StoreSCPFixture()
        fixture.service.stop()
        let spool = fixture.folder.appending(path: ".spool/storescp/00000000000fffff")
        try Data("half an instance".utf8).write(to: spool)
        try fixture.restart()
        let row = fixture.bus.problems.wait(milliseconds: 20_000) { $0.first }
        #expect(row?.rule == "unfinished-file" && row?.severity == "info" && row?.sopUID == "")
        fixture.waitUntilPublished()
        #expect(fixture.spooled == 0)
    }

    @Test func aFullDiskIsOutOfResources() throws {
        let fixture = try StoreSCPFixture { $0.minimumFreeBytes = .max }
        let status = try fixture.user().store(Sample())
        #expect(status.code == 0xA700)
        #expect(fixture.service.status?.hasDiskSpace == false)
        let row = fixture.bus.problems.wait(milliseconds: 20_000) { $0.first }
        #expect(row?.rule == "disk-full" && row?.sopUID == Sample().instance)
        // It came all the same, and said where it belongs.
        #expect(row?.studyUID == Sample().study && row?.seriesUID == Sample().series)
    }

    /// Also of one that is refused in the middle, and of one whose sender gives up.
    @Test func whatIsRefusedSaysItsStudy() throws {
        let fixture = try StoreSCPFixture { $0.maximumInstanceBytes = 150_000 }
        let user = try fixture.user()
        var sample = Sample()
        sample.builder.set(.pixelData, vr: .ob, bytes: [UInt8](repeating: 0, count: 500_000))
        for syntax in [TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian] {
            #expect(try user.store(sample, syntax).code == 0xA700)
        }
        // What follows is no data set any more, but it began as one.
        for tag in [DICOMDictionary.Tag.rows, .columns, .bitsAllocated, .pixelData] { sample.builder.remove(tag) }
        let broken = sample.bytes() + [0x28, 0, 0x10, 0, 0x55, 0x53, 0xFF, 0x7F, 1, 2]
        #expect(
            try user.store(
                dataSet: broken, sopClassUID: Sample.sopClass, sopInstanceUID: sample.instance,
                transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid
            ).code == 0xC000)
        let rows = fixture.bus.problems.wait(milliseconds: 20_000) { $0.count >= 3 ? $0 : nil } ?? []
        #expect(rows.map(\.rule) == ["instance-too-large", "instance-too-large", "data-set-unreadable"])
        #expect(rows.allSatisfy { $0.studyUID == sample.study && $0.seriesUID == sample.series })
        #expect(fixture.files.isEmpty && fixture.spooled == 0)
    }

    @Test func tenantsByElementTitleAndDefault() throws {
        let fixture = try StoreSCPFixture {
            $0.tenantsByAETitle = [
                "CT1": TenantID("clinic-a") ?? .standard, "ARCHIVE": TenantID("clinic-b") ?? .standard,
            ]
        }
        let sample = Sample()
        #expect(try fixture.user().store(sample) == .success)
        #expect(try fixture.user("CT1").store(sample) == .success)
        #expect(try fixture.user(called: "ARCHIVE").store(sample) == .success)
        #expect(try fixture.user("CT1").store(sample, extra: [(0x1211_1217, Array("49\\50\\51".utf8))]) == .success)
        #expect(try fixture.user().store(sample, extra: [(0x1211_1217, Array("abc ".utf8))]) == .success)
        let rows = try fixture.bus.rows(5)
        #expect(Set(rows.map(\.tenantID)) == ["1234567890", "clinic-a", "clinic-b", "123", "abc"])
        #expect(fixture.files.count == 5)
        #expect(Set(fixture.files) == Set(rows.map(\.filePath)))
    }

    @Test(arguments: DuplicatePolicy.allCases)
    func theSameUIDTwice(_ policy: DuplicatePolicy) throws {
        let fixture = try StoreSCPFixture { $0.filing.policy = policy }
        let user = try fixture.user()
        let (first, second) = (Sample(pixel: 1), Sample(pixel: 2))
        #expect(try user.store(first) == .success)
        #expect(try user.store(first) == .success)
        let answer = try user.store(second).code
        #expect(answer == (policy == .refuse ? 0x0111 : 0))
        if policy == .keep {
            // The sender was told success, so what was discarded is told here.
            let row = fixture.bus.problems.wait(milliseconds: 20_000) { $0.first }
            #expect(row?.rule == "other-data-set-kept" && row?.severity == "warning" && row?.sopUID == second.instance)
        }
        _ = try fixture.bus.rows(policy == .replace ? 2 : 1)
        fixture.waitUntilPublished()
        #expect(fixture.bus.messages.current.count == (policy == .replace ? 2 : 1))
        #expect(fixture.files.count == 1)
        #expect(fixture.spooled == 0)
        let bytes = [UInt8](try Data(contentsOf: fixture.folder.appending(path: fixture.files[0])))
        let expected = policy == .replace ? second : first
        #expect(bytes.suffix(expected.bytes().count).elementsEqual(expected.bytes()))
    }

    /// The clock is set back an hour between two starts: the replacement is what is stored, and its event is the later.
    @Test func aClockThatIsSetBackLosesNoReplacement() throws {
        let fixture = try StoreSCPFixture()
        #expect(try fixture.user().store(Sample(pixel: 1)) == .success)
        let first = try #require(try fixture.bus.rows(1).first)
        try fixture.restart { $0.filing.clock = { WallClock.microseconds - 3_600_000_000 } }
        let replacement = Sample(pixel: 2)
        #expect(try fixture.user().store(replacement) == .success)
        let second = try #require(try fixture.bus.rows(2).last)
        #expect(second.createdTime > first.createdTime && second.traceID != first.traceID)
        fixture.waitUntilPublished()
        let file = try #require(fixture.files.first)
        let bytes = try Data(contentsOf: fixture.folder.appending(path: file))
        #expect(bytes.suffix(replacement.bytes().count) == Data(replacement.bytes()))
    }

    @Test func aBusThatIsDownCostsNothingButTime() throws {
        let fixture = try StoreSCPFixture()
        fixture.bus.isDown.withLock { $0 = true }
        let user = try fixture.user()
        for number in 1...5 { #expect(try user.store(Sample(instance: "1.2.3.\(number)")) == .success) }
        // A restart in between; then the bus is there again.
        try fixture.restart()
        #expect(fixture.bus.messages.current.isEmpty)
        #expect(fixture.service.status?.pendingInstances == 5)
        try eventually { fixture.service.status?.busIsDownSince != nil }
        #expect(fixture.service.status?.hasRoom == true)
        fixture.bus.isDown.withLock { $0 = false }
        let rows = try fixture.bus.rows(5)
        #expect(Set(rows.map(\.sopUID)) == Set((1...5).map { "1.2.3.\($0)" }))
        fixture.waitUntilPublished()
        try eventually { fixture.service.status?.busIsDownSince == nil }
        #expect(fixture.spooled == 0)
        #expect(fixture.files.count == 5)
    }

    @Test func twoProcessesCannotShareASpool() throws {
        let fixture = try StoreSCPFixture()
        var configuration = StoreSCPConfiguration(storeFolder: fixture.folder.path)
        configuration.port = 0
        let second = StoreSCPService(configuration: configuration, bus: fixture.bus)
        #expect(throws: FileSystemError.self) { try second.start() }
    }

    /// An instance in the mid of nowhere: an element of 70 MB before the UIDs of study and series.
    @Test func aLongHeaderIsNoReasonToRefuse() throws {
        let fixture = try StoreSCPFixture()
        var sample = Sample()
        sample.builder.setPrivate(
            group: 0x0009, creator: "TEST", element: 0x10, vr: .ob, bytes: [UInt8](repeating: 1, count: 70 << 20))
        #expect(try fixture.user().store(sample) == .success)
        #expect(try fixture.bus.rows(1).first?.studyUID == sample.study)
    }

    /// Two associations send the same instance at once, again and again.
    @Test(arguments: DuplicatePolicy.allCases)
    func theSameInstanceFromTwoSides(_ policy: DuplicatePolicy) throws {
        let fixture = try StoreSCPFixture { $0.filing.policy = policy }
        let refused = Monitor(0)
        let port = fixture.port
        let threads = try (1...2).map { side in
            try ServiceThread(name: "sender") { _ in
                guard let user = try? StoreSCPFixture.user(port: port) else { return }
                for number in 0..<20 {
                    let status = try? user.store(Sample(instance: "1.2.3.\(number)", pixel: UInt8(side)))
                    if status?.code == 0x0111 { refused.withLock { $0 += 1 } } else { #expect(status == .success) }
                }
                try? user.release()
            }
        }
        for thread in threads { thread.join() }
        #expect(refused.current == (policy == .refuse ? 20 : 0))
        fixture.waitUntilPublished()
        #expect(fixture.files.count == 20)
        #expect(fixture.spooled == 0)
        for path in fixture.files {
            let file = try PosixFileSystem().open(fixture.folder.appending(path: path).path, forWriting: false)
            let (provenance, offset) = try #require(try Provenance.read(file))
            #expect(try file.size() == offset + provenance.dataSetSize)
        }
        let rows = try fixture.bus.rows(20)
        #expect(Set(rows.map(\.sopUID)).count == 20)
    }

    /// Memory does not grow with the instance: 600 MB come in.
    @Test func aLargeInstanceStreams() throws {
        let fixture = try StoreSCPFixture()
        var sample = Sample()
        sample.builder.set(.pixelData, vr: .ob, bytes: [])
        var head = sample.bytes()
        // Pixel Data OB with its length, in front of the bytes themselves.
        let piece = [UInt8](repeating: 3, count: 1 << 20)
        let count = 600
        let length = UInt32(count << 20)
        head.replaceSubrange((head.count - 4)..., with: withUnsafeBytes(of: length.littleEndian) { Array($0) })
        let user = try fixture.user()
        let before = Self.residentKilobytes()
        var sent = -1
        var peak = 0
        let status = try user.store(
            sopClassUID: Sample.sopClass, sopInstanceUID: sample.instance,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid
        ) { () throws(AssociationError) -> (ArraySlice<UInt8>, Bool) in
            sent += 1
            peak = max(peak, Self.residentKilobytes())
            return sent == 0 ? (head[...], false) : (piece[...], sent == count)
        }
        #expect(status == .success)
        #expect(try fixture.bus.rows(1).first?.fileSize ?? 0 > Int64(length))
        // Other tests run in this process too, with instances of 70 MB.
        #expect(peak - before < 400 << 10)
    }

    private static func residentKilobytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4
    }
}
