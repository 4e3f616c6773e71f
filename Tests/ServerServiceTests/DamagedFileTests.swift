import Archive
import DICOMCore
import DICOMDictionary
import Foundation
import Testing

/// Stored files that something has happened to: never half an instance, nor another one.
@Suite struct DamagedFileTests {
    /// A file as it was received, under its name.
    private func store(_ archive: TestArchive) throws -> (url: String, path: URL, header: Int) {
        let builder = Make.builder(rows: 50, columns: 100)
        let bytes = builder.encoded(in: .explicitVRLittleEndian)
        let identity = try archive.add(Make.file(builder))
        let provenance = Provenance(
            identity: identity, sopClassUID: "1.2.840.10008.5.1.4.1.1.2", transferSyntaxUID: "1.2.840.10008.1.2.1",
            traceID: "t", receivedMicroseconds: 1, peerAddress: "", callingAETitle: "A", calledAETitle: "B", node: "n",
            dataSetSize: Int64(bytes.count), dataSetCRC32: 0)
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        let header = provenance.header()
        try Data(header + bytes).write(to: path)
        return (archive.url(identity), path, header.count)
    }

    private func statuses(_ archive: TestArchive, _ url: String) -> [Int] {
        [
            archive.get(url, ["Accept": "application/dicom"]).status,
            archive.get(url + "/frames/1", ["Accept": "application/octet-stream"]).status,
            archive.get(url + "/bulkdata/7FE00010", ["Accept": "application/octet-stream"]).status,
        ]
    }

    @Test func aWholeFileIsServed() throws {
        let archive = try TestArchive()
        let stored = try store(archive)
        #expect(statuses(archive, stored.url) == [200, 200, 200])
    }

    @Test(arguments: [-1_000, -2, 2])
    func aFileOfAnotherLengthIsNotServed(by difference: Int) throws {
        let archive = try TestArchive()
        let stored = try store(archive)
        var bytes = try Data(contentsOf: stored.path)
        if difference < 0 { bytes.removeLast(-difference) } else { bytes += Data(count: difference) }
        try bytes.write(to: stored.path)
        #expect(statuses(archive, stored.url) == [500, 500, 500])
        #expect(archive.log.all.contains { $0.contains("truncated") })
    }

    @Test func aFileOfZerosIsNotServed() throws {
        let archive = try TestArchive()
        let stored = try store(archive)
        try Data(count: try Data(contentsOf: stored.path).count).write(to: stored.path)
        #expect(statuses(archive, stored.url) == [500, 500, 500])
    }

    @Test(arguments: [true, false])
    func anotherInstanceUnderTheNameIsNotServed(isReceived: Bool) throws {
        let archive = try TestArchive()
        let stored = try store(archive)
        let other = try TestArchive()
        let path = try store(other).path
        var bytes = try Data(contentsOf: path)
        if isReceived {
            // The same data set, of another tenant by its provenance.
            let identity = InstanceIdentity(
                tenant: try #require(TenantID("other")), study: try #require(UID("1.2.3")),
                series: try #require(UID("1.2.3.4")), instance: try #require(UID("1.2.3.4.5")))
            let provenance = Provenance(
                identity: identity, sopClassUID: "1.2.840.10008.5.1.4.1.1.2", transferSyntaxUID: "1.2.840.10008.1.2.1",
                traceID: "t", receivedMicroseconds: 1, peerAddress: "", callingAETitle: "A", calledAETitle: "B",
                node: "n", dataSetSize: Int64(bytes.count - stored.header), dataSetCRC32: 0)
            bytes = Data(provenance.header()) + bytes[stored.header...]
        } else {
            bytes = Data(Make.file(Make.builder(instance: "1.2.3.4.6", rows: 50, columns: 100)))
        }
        try bytes.write(to: stored.path)
        #expect(statuses(archive, stored.url) == [500, 500, 500])
    }

    /// What came too short is served as it came; only its missing frames are not.
    @Test func pixelDataThatCameShort() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder(rows: 50, columns: 100)))
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        try Data(contentsOf: path).dropLast(1_000).write(to: path)
        let frame = archive.get(archive.url(identity) + "/frames/1", ["Accept": "application/octet-stream"])
        #expect(frame.status == 404)
        #expect(frame.text.contains("frame 1 is not in Pixel Data, which is shorter than the instance says"))
        #expect(archive.get(archive.url(identity), ["Accept": "application/dicom"]).status == 200)
    }
}
