import Archive
import Testing

struct FilesTests {
    @Test func uidsThatCouldLeaveTheFolderAreNone() {
        for good in ["1", "1.2.840", "0.0.01", String(repeating: "1", count: 64)] { #expect(UID(good)?.value == good) }
        for bad in [
            "", ".", "..", ".1", "1.", "1..2", "1/2", "1 ", "1.2\0", "a", "1.2.é", "../1",
            String(repeating: "1", count: 65),
            "١.٢",
        ] { #expect(UID(bad) == nil, "\(bad)") }
    }

    @Test func tenantsThatCouldLeaveTheFolderAreNone() {
        for good in ["1234567890", "clinic_A-2", String(repeating: "x", count: 64)] {
            #expect(TenantID(good)?.value == good)
        }
        for bad in ["", ".", "..", "a.b", "a/b", "a b", "ä", ".spool", "a\0", String(repeating: "x", count: 65)] {
            #expect(TenantID(bad) == nil, "\(bad)")
        }
    }

    @Test func pathsFollowFromTenantAndUIDs() throws {
        let identity = InstanceIdentity(
            tenant: .standard, study: try #require(UID("1.2")), series: try #require(UID("1.3")),
            instance: try #require(UID("1.4")))
        let parts = ArchivePaths.instance(identity).split(separator: "/")
        #expect(parts.count == 5)
        #expect(parts[0] == "1234567890")
        #expect(parts[1].count == 2 && UInt8(parts[1], radix: 16) != nil)
        #expect(parts[2...] == ["1.2", "1.3", "1.4.dcm"])
        #expect(ArchivePaths(root: "/a/b//").absolute("x") == "/a/b/x")
    }

    @Test func provenanceComesBackFromAFileAndDamageShows() throws {
        let identity = InstanceIdentity(
            tenant: .standard, study: try #require(UID("1.2.3")), series: try #require(UID("1.2.3.4")),
            instance: try #require(UID("1.2.3.4.5")))
        let provenance = Provenance(
            identity: identity, sopClassUID: "1.2.840.10008.5.1.4.1.1.2", transferSyntaxUID: "1.2.840.10008.1.2.1",
            traceID: TraceID.make(microseconds: 1_764_104_400_000_123), receivedMicroseconds: 1_764_104_400_000_123,
            peerAddress: "fe80::1", callingAETitle: "CT 1", calledAETitle: "ARCHIVE", node: "node-1",
            dataSetSize: 12345,
            dataSetCRC32: 0xDEAD_BEEF)
        let header = provenance.header()
        #expect(
            header.count
                == Provenance.provisionalHeader(
                    sopClassUID: provenance.sopClassUID, instanceUID: identity.instance,
                    transferSyntaxUID: provenance.transferSyntaxUID, callingAETitle: "CT 1", calledAETitle: "ARCHIVE"
                ).count)
        let system = PowerCutFileSystem()
        let file = try system.create("/store/x")
        try header.withUnsafeBytes { try file.write($0, at: 0) }
        let read = try #require(try Provenance.read(file))
        #expect(read.0 == provenance)
        #expect(read.dataSetOffset == Int64(header.count))
        for place in stride(from: 0, to: header.count, by: 7) {
            var damaged = header
            damaged[place] ^= 1
            try damaged.withUnsafeBytes { try file.write($0, at: 0) }
            #expect(try Provenance.read(file) == nil, "byte \(place)")
        }
        try file.truncate(to: 100)
        #expect(try Provenance.read(file) == nil)
    }

    @Test func traceIDsAreOfVersionSevenAndInOrder() {
        let ids = (0..<1000).map { TraceID.make(microseconds: 1_764_104_400_000_000 + Int64($0)) }
        for id in ids {
            let characters = Array(id)
            #expect(characters.count == 36)
            #expect(characters[14] == "7")
            #expect("89ab".contains(characters[19]))
            #expect(id.allSatisfy { "0123456789abcdef-".contains($0) })
        }
        #expect(Set(ids).count == 1000)
        #expect(ids == ids.sorted() || ids.map { $0.prefix(18) } == ids.map { $0.prefix(18) }.sorted())
        // 1,764,104,400,000 milliseconds in hexadecimal.
        #expect(ids[0].hasPrefix("019abcd0-ec80-7000-"))
    }
}
