import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Testing

/// Odd values in a data set: the column is NULL or shortened and the problem is noted, and the row is there.
@Suite struct OddValueTests {
    private func state(_ change: (inout DataSetBuilder) -> Void) throws -> (DicomStateMetaRow, [String]) {
        var problems: [ColumnProblem] = []
        let row = try DicomStateMetaRow(
            extracting: try Samples.dataSet(change), from: Samples.context, problems: &problems)
        return (row, problems.map(\.description))
    }

    private func image(_ change: (inout DataSetBuilder) -> Void) throws -> (DicomImageMetaRow, [String]) {
        var problems: [ColumnProblem] = []
        let row = try DicomImageMetaRow(
            extracting: try Samples.dataSet(change), from: Samples.context, problems: &problems)
        return (row, problems.map(\.description))
    }

    @Test func valuesThatBreakTheirRuleBecomeNull() throws {
        let (row, problems) = try state {
            $0.set(.studyDate, vr: .da, bytes: Array("20231301".utf8))
            $0.set(.studyTime, vr: .tm, bytes: Array("25    ".utf8))
            $0.set(.seriesNumber, vr: .is, bytes: Array("1\\2 ".utf8))
            $0.set(.patientAge, vr: .as, bytes: Array("OLD ".utf8))
            $0.set(.patientSize, vr: .ds, bytes: Array("1,75".utf8))
            $0.set(.patientWeight, vr: .ds, bytes: Array("1e999 ".utf8))
            $0.set(.pregnancyStatus, vr: .ul, bytes: [1, 2])
        }
        #expect(row.studyDate == nil && row.studyTime == nil && row.seriesNumber == nil && row.patientAge == nil)
        #expect(row.patientSize == nil && row.patientWeight == nil && row.pregnancyStatus == nil)
        #expect(row.studyDateOrigin == "20231301")
        #expect(
            problems == [
                "dicom_state_meta.study_date (0008,0020): not-a-date, null",
                "dicom_state_meta.study_time (0008,0030): not-a-time, null",
                "dicom_state_meta.patient_age (0010,1010): not-an-age, null",
                "dicom_state_meta.patient_size (0010,1020): not-a-number, null",
                "dicom_state_meta.patient_weight (0010,1030): out-of-range, null",
                "dicom_state_meta.pregnancy_status (0010,21C0): wrong-length, null",
                "dicom_state_meta.series_number (0020,0011): too-many-values, null",
            ])
    }

    @Test func valuesThatAreOnlyUnusualAreTaken() throws {
        let (row, problems) = try state {
            $0.set(.studyDate, vr: .da, bytes: Array("2011.03.04".utf8))
            $0.set(.studyTime, vr: .tm, bytes: Array("10:20:30".utf8))
            $0.set(.patientSize, vr: .ds, bytes: Array("1.7500000000000000001 ".utf8))
            $0.set(.seriesNumber, vr: .is, bytes: Array(" +07\0".utf8))
            $0.set(.patientID, vr: .lo, bytes: Array("  P 1 \0\0".utf8))
            $0.set(.patientSex, vr: .cs, bytes: Array("\0\0".utf8))
            $0.set(.accessionNumber, vr: .sh, bytes: Array(" ".utf8))
            $0.set(.studyID, vr: .sh, bytes: [])
            $0.set(.patientName, vr: .pn, bytes: Array("DOE^JANE = ".utf8))
            $0.set(.referringPhysicianName, vr: .pn, bytes: Array("==".utf8))
        }
        #expect(problems == [])
        #expect(row.studyDate?.description == "2011-03-04" && row.studyDateOrigin == "2011.03.04")
        #expect(row.studyTime?.description == "10:20:30" && row.patientSize == 1.75 && row.seriesNumber == 7)
        #expect(row.patientName == "DOE^JANE" && row.referringPhysicianName == nil)
        #expect(row.patientID == "P 1" && row.patientSex == nil && row.accessionNumber == nil && row.studyID == nil)
    }

    @Test func ofSeveralValuesEachHasItsRule() throws {
        let (row, problems) = try state {
            let names = ["A^B=", String(repeating: "x", count: 200), "", "M\u{fc}ller"].joined(separator: "\\")
            $0.set(.nameOfPhysiciansReadingStudy, vr: .pn, bytes: Array(names.unicodeScalars.map { UInt8($0.value) }))
            var item = DataSetBuilder()
            item.set(.codeValue, vr: .ob, bytes: [1, 2])
            $0.set(.procedureCodeSequence, items: [item, DataSetBuilder()])
        }
        #expect(row.readingPhysiciansName?.count == 4)
        #expect(row.readingPhysiciansName?.prefix(3) == ["A^B", String(repeating: "x", count: 194), nil])
        #expect(row.procedureCode == nil)
        #expect(
            problems == [
                "dicom_state_meta.procedure_code (0008,1032)[0](0008,0100): wrong-vr, null",
                "dicom_state_meta.reading_physicians_name (0008,1060): outside-character-set, guessed",
                "dicom_state_meta.reading_physicians_name (0008,1060): too-long, shortened",
            ])
    }

    @Test func textIsShortenedAndNoted() throws {
        let (row, problems) = try state {
            $0.set(.studyDescription, vr: .lo, bytes: Array(String(repeating: "x", count: 70).utf8))
            $0.set(.seriesDescription, vr: .lo, bytes: Array("one\\two ".utf8))
            $0.set(.protocolName, vr: .lo, bytes: Array("head\0\u{1}rest".utf8))
            $0.set(.specificCharacterSet, vr: .cs, bytes: Array("ISO_IR 192".utf8))
            $0.set(.patientID, vr: .lo, bytes: Array(String(repeating: "東", count: 65).utf8))
            $0.set(.accessionNumber, vr: .sh, bytes: Array("é\0x".utf8))
        }
        #expect(row.studyDescription == String(repeating: "x", count: 64))
        #expect(row.seriesDescription == "one" && row.protocolName == "head")
        #expect(row.patientID == String(repeating: "東", count: 64) && row.accessionNumber == "é")
        #expect(
            problems == [
                "dicom_state_meta.accession_number (0008,0050): nul-in-text, shortened",
                "dicom_state_meta.study_description (0008,1030): too-long, shortened",
                "dicom_state_meta.series_description (0008,103E): too-many-values, shortened",
                "dicom_state_meta.patient_id (0010,0020): too-long, shortened",
                "dicom_state_meta.protocol_name (0018,1030): nul-in-text, shortened",
            ])
    }

    @Test func wrongVRsAreReadAsTheyAreOrNoted() throws {
        let (row, problems) = try image {
            $0.set(.rows, vr: .is, bytes: Array("512 ".utf8))
            $0.set(.columns, vr: .ul, bytes: [0, 2, 0, 0])
            $0.set(.sliceThickness, vr: .fd, bytes: withUnsafeBytes(of: 2.5.bitPattern.littleEndian) { Array($0) })
            $0.set(.instanceNumber, vr: .fl, bytes: withUnsafeBytes(of: Float(3).bitPattern.littleEndian) { Array($0) })
            $0.set(
                .sliceLocation, vr: .fd, bytes: withUnsafeBytes(of: Double.nan.bitPattern.littleEndian) { Array($0) })
            $0.set(.bitsStored, vr: .ul, bytes: [255, 255, 255, 255])
            $0.set(.highBit, vr: .ob, bytes: [1, 2])
            $0.set(.rescaleType, vr: .us, bytes: [1, 2])
            $0.set(.contentDate, vr: .us, bytes: [1, 2])
        }
        #expect(row.width == 512 && row.columns == 512 && row.sliceThickness == 2.5 && row.instanceNumber == 3)
        #expect(row.sliceLocation == nil && row.bitsStored == nil && row.highBit == nil && row.rescaleType == nil)
        #expect(
            problems == [
                "dicom_image_meta.content_date (0008,0023): wrong-vr, null",
                "dicom_image_meta.slice_location (0020,1041): not-finite, null",
                "dicom_image_meta.bits_stored (0028,0101): out-of-range, null",
                "dicom_image_meta.high_bit (0028,0102): wrong-vr, null",
                "dicom_image_meta.rescale_type (0028,1054): wrong-vr, null",
            ])
    }

    @Test func severalValuesAreJoined() throws {
        let (row, problems) = try image {
            $0.set(.imageType, ["ORIGINAL", "PRIMARY", "", "AXIAL"])
            $0.set(.windowCenter, ["40", "400"])
            $0.set(.imagePositionPatient, vr: .ds, bytes: Array("1\\2\\3 ".utf8))
        }
        #expect(problems == [])
        #expect(row.imageType == "ORIGINAL\\PRIMARY\\\\AXIAL" && row.windowCenter == "40\\400")
        #expect(row.imagePositionPatient == "1\\2\\3")
        #expect(row.transferSyntaxUID == Samples.context.transferSyntaxUID)
    }

    @Test func theFirstOfTwoElementsCountsEverywhere() throws {
        var bytes = try builderBytes()
        bytes += [0x20, 0, 0x0D, 0] + Array("UI".utf8) + [4, 0] + Array("9.9\0".utf8)
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        var problems: [ColumnProblem] = []
        let row = try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        #expect(row.studyUID == dataSet.string(.studyInstanceUID) && row.studyUID == "1.2.3")
    }

    /// Hundreds of thousands of elements of two tags, one that no column wants and one that a column does: looking
    /// back through them for each would take minutes.
    @Test func repeatedElementsAreLookedAtOnce() throws {
        var bytes: [UInt8] = []
        for _ in 0..<200_000 { bytes += [0x09, 0, 0x10, 0] + Array("LO".utf8) + [0, 0] }
        bytes += [0x10, 0, 0x20, 0] + Array("LO".utf8) + [2, 0] + Array("P1".utf8)
        for _ in 0..<200_000 { bytes += [0x10, 0, 0x20, 0] + Array("LO".utf8) + [2, 0] + Array("P2".utf8) }
        for _ in 0..<1_000 { bytes += [0x10, 0, 0x10, 0] + Array("PN".utf8) + [0, 0] }
        bytes += [0x10, 0, 0x10, 0] + Array("PN".utf8) + [4, 0] + Array("DOE ".utf8)
        bytes += try builderBytes()
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        var problems: [ColumnProblem] = []
        let row = try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        #expect(row.patientID == "P1" && dataSet.string(.patientID) == "P1")
        #expect(row.patientName == nil && dataSet.string(.patientName) == nil)
        #expect(row.studyUID == "1.2.3")
        let image = try DicomImageMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        #expect(image.sopUID == "1.2.3.4.5" && problems == [])
    }

    private func builderBytes() throws -> [UInt8] {
        var builder = DataSetBuilder(try Samples.dataSet())
        builder.remove(.requestAttributesSequence)
        return builder.encoded(in: .explicitVRLittleEndian)
    }

    @Test(arguments: [
        (
            "1.2.3\\1.2.4",
            "(0020,000D) is no valid value (too-many-values), and dicom_object_meta.study_uid cannot be without one"
        ),
        (
            "../../etc/passwd",
            "(0020,000D) is no valid value (not-a-uid), and dicom_object_meta.study_uid cannot be without one"
        ),
        ("", "(0020,000D) has no value, and dicom_object_meta.study_uid cannot be without one"),
        (" \0", "(0020,000D) has no value, and dicom_object_meta.study_uid cannot be without one"),
    ])
    func aKeyThatBreaksItsRuleRefusesTheInstance(_ value: String, _ message: String) throws {
        let dataSet = try Samples.dataSet { $0.set(.studyInstanceUID, vr: .ui, bytes: Array(value.utf8)) }
        var problems: [ColumnProblem] = []
        #expect {
            try DicomObjectMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        } throws: { error in
            (error as? ExtractionError)?.description == message
        }
    }

    @Test func theSOPClassOfTheMetaStandsIn() throws {
        let (row, problems) = try image { $0.remove(.sopClassUID) }
        #expect(row.sopClassUID == Samples.context.sopClassUID && problems == [])
    }

    @Test func bigEndianNumbersAreRead() throws {
        var builder = DataSetBuilder(try Samples.dataSet())
        builder.set(.rows, vr: .us, integers: [258])
        let dataSet = try DataSet(
            bytes: builder.encoded(in: .explicitVRBigEndian), transferSyntax: .explicitVRBigEndian)
        var problems: [ColumnProblem] = []
        #expect(try DicomImageMetaRow(extracting: dataSet, from: Samples.context, problems: &problems).width == 258)
    }

    /// Values of any bytes in every element that a column comes from: a row or a refusal, and a row that both
    /// encodings take.
    @Test func randomValuesAreSurvived() throws {
        var random = SplitMix(seed: 5)
        let tags = ArchiveSchema.tables.flatMap(\.columns).filter { $0.path.count == 1 }.map { ($0.path[0], $0.vr) }
        let vrs: [VR] = [.lo, .pn, .da, .tm, .ui, .ds, .is, .us, .fd, .ob, .st, .sq, .un, .as]
        let alphabet = Array("0123456789.:-+eE\\ \0^=YMD".utf8) + [0x1B, 0x24, 0x42, 0x80, 0xE6, 0xFF]
        var refused = 0
        for _ in 0..<2000 {
            let dataSet = try Samples.dataSet { builder in
                builder.set(
                    .specificCharacterSet, vr: .cs,
                    bytes: Array(
                        ["ISO_IR 100", "ISO_IR 192", "GB18030 "].randomElement(using: &random)?.utf8 ?? "".utf8))
                for _ in 0..<6 {
                    let (tag, vr) = tags[Int.random(in: 0..<tags.count, using: &random)]
                    let wrong = Int.random(in: 0..<3, using: &random) == 0
                    let chosen = wrong ? vrs[Int.random(in: 0..<vrs.count, using: &random)] : vr ?? .lo
                    guard chosen != .sq else { continue }
                    let bytes = (0..<2 * Int.random(in: 0..<40, using: &random)).map { _ in
                        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                    }
                    builder.set(tag, vr: chosen, bytes: bytes)
                }
            }
            var problems: [ColumnProblem] = []
            do {
                let state = try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
                let image = try DicomImageMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
                var bytes: [UInt8] = []
                state.encodeJSON(into: &bytes)
                #expect(try DicomStateMetaRow(json: bytes) == state)
                bytes = []
                image.encodeJSON(into: &bytes)
                #expect(try DicomImageMetaRow(json: bytes) == image)
            } catch is ExtractionError {
                refused += 1
            }
        }
        #expect(refused > 0 && refused < 1500)
    }
}
