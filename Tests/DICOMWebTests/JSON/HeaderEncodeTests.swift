import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import TestSupport
import Testing

/// Ingest reads up to Pixel Data; its JSON is that of the whole file, but for what stands behind Pixel Data.
@Suite struct HeaderEncodeTests {
    private static func attributes(_ json: [UInt8]) throws -> [(tag: DICOMTag, value: [UInt8])] {
        var result: [(DICOMTag, [UInt8])] = []
        try JSONInstanceReader.forEachAttribute(in: json.span.bytes) { result.append(($0, Array(json[$1]))) }
        return result
    }

    @Test(.enabled(if: !DICOMFiles.all.isEmpty, "no DICOM files at hand"))
    func headersGiveTheSameJSON() throws {
        let policy = BulkDataPolicy(uriPrefix: "/dicom-web/bulkdata/")
        var compared = 0
        var withPixelData = 0
        for url in DICOMFiles.all {
            guard let whole = try? DICOMFile.read(path: url.path, options: .whole).dataSet, whole.isSorted else {
                continue
            }
            let header = try DICOMFile.read(path: url.path, options: .header).dataSet
            var (wholeJSON, headerJSON): ([UInt8], [UInt8]) = ([], [])
            DICOMJSON.encode(whole, bulkData: policy, into: &wholeJSON)
            DICOMJSON.encode(header, bulkData: policy, into: &headerJSON)
            let expected = try Self.attributes(wholeJSON).filter { $0.tag <= .pixelData }
            let actual = try Self.attributes(headerJSON)
            #expect(actual.map(\.tag) == expected.map(\.tag), "\(url.lastPathComponent)")
            #expect(actual.map(\.value) == expected.map(\.value), "\(url.lastPathComponent)")
            if actual.last?.tag == .pixelData { withPixelData += 1 }
            compared += 1
        }
        #expect(compared > 60 && withPixelData > 40)
    }
}
