import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import TestSupport
import Testing

/// Whatever the reader makes of damaged files, the encoder makes valid JSON of it that our decoder and Foundation read.
@Suite struct DamagedDataSetTests {
    private static let files: [[UInt8]] = DICOMFiles.all.compactMap { url in
        guard let data = try? Data(contentsOf: url), data.count < 12_000 else { return nil }
        return [UInt8](data)
    }

    @Test(.enabled(if: !files.isEmpty, "no DICOM files at hand"))
    func alwaysValidJSON() throws {
        var generator = SplitMix(seed: 18)
        var options = ReadOptions.whole
        options.acceptsTruncation = true
        options.maximumDepth = 60
        let policy = BulkDataPolicy(uriPrefix: "/b/", threshold: 64)
        var encoded = 0
        for round in 0..<2000 {
            var bytes = Self.files[round % Self.files.count]
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                // The first elements matter most: character set, names, identifiers.
                let place = Int.random(in: 132..<max(133, min(bytes.count, 1500)), using: &generator)
                guard place < bytes.count else { continue }
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                case 2: bytes[place] = [0x22, 0x5C, 0x1B, 0x00, 0x1F, 0x80, 0x3D][Int(generator.next() % 7)]
                default: bytes.insert(bytes[place], at: place)
                }
            }
            guard let file = try? DICOMFile(bytes: bytes, options: options) else { continue }
            var json: [UInt8] = []
            DICOMJSON.encode(file.dataSet, bulkData: policy, into: &json)
            #expect(String(validating: json, as: UTF8.self) != nil, "round \(round)")
            #expect(throws: Never.self, "round \(round)") { try DICOMJSON.decode(json) }
            if round % 8 == 0 {
                #expect(throws: Never.self, "round \(round)") { try JSONSerialization.jsonObject(with: Data(json)) }
            }
            encoded += 1
        }
        #expect(encoded > 500)
    }
}
