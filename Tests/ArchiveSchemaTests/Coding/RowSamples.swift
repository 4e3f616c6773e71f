import ArchiveSchema

/// Rows of any content that a row can have.
enum RowSamples {
    static let access = WadoAccessLogRow(
        tenantID: "1234567890", requestTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_001),
        traceID: "01890a5d-ac96-774b-bcce-b302099a8057", workerNodeID: "node-1", method: "GET", operation: "metadata",
        path: "/dicom-web/studies/1.2.3/metadata", studyUID: "1.2.3", status: 200, bytesSent: .max, durationUs: -1,
        remoteAddress: "::1")

    static func state(_ random: inout SplitMix) -> DicomStateMetaRow {
        DicomStateMetaRow(
            tenantID: text(64, &random) ?? "t", studyUID: uid(&random), seriesUID: uid(&random),
            studyUIDHash: SeaHash.decimal(uid(&random)), seriesUIDHash: SeaHash.decimal(uid(&random)),
            representativeSOPUID: uid(&random), patientID: text(64, &random), patientName: text(194, &random),
            patientBirthDate: date(&random), patientBirthTime: time(&random), patientAge: "033Y",
            patientSize: double(&random), patientWeight: double(&random), pregnancyStatus: int(&random),
            studyDate: date(&random), studyDateOrigin: text(16, &random), studyTime: time(&random),
            accessionNumber: text(64, &random), studyDescription: text(64, &random), procedureCode: texts(16, &random),
            procedureCodeMeaning: texts(64, &random), readingPhysiciansName: texts(194, &random),
            modality: text(16, &random),
            seriesNumber: int(&random), seriesDescription: text(256, &random), seriesRelatedInstances: int(&random),
            createdTime: moment(&random), updatedTime: moment(&random))
    }

    static func image(_ random: inout SplitMix) -> DicomImageMetaRow {
        DicomImageMetaRow(
            tenantID: "t", studyUID: uid(&random), seriesUID: uid(&random), sopUID: uid(&random),
            studyUIDHash: SeaHash.decimal(uid(&random)), seriesUIDHash: SeaHash.decimal(uid(&random)),
            contentDate: date(&random), contentTime: time(&random), instanceNumber: int(&random),
            imageType: text(128, &random), sliceThickness: double(&random), width: int(&random), columns: int(&random),
            windowCenter: text(64, &random), transferSyntaxUID: uid(&random), pixelDataLocation: text(512, &random),
            sopClassUID: uid(&random), spaceSize: Int64.random(in: .min ... .max, using: &random),
            createdTime: moment(&random), updatedTime: moment(&random))
    }

    static func object(_ random: inout SplitMix) -> DicomObjectMetaRow {
        DicomObjectMetaRow(
            tenantID: "t", studyUID: uid(&random), seriesUID: uid(&random), sopUID: uid(&random),
            patientID: text(64, &random), fileSize: Int64.random(in: 0 ... .max, using: &random),
            filePath: text(1024, &random) ?? "f", transferSyntaxUID: uid(&random), numberOfFrames: int(&random),
            createdTime: moment(&random), seriesUIDHash: SeaHash.decimal(uid(&random)),
            studyUIDHash: SeaHash.decimal(uid(&random)), studyDate: date(&random), sourceIP: "fe80::1",
            traceID: "01890a5d-ac96-774b-bcce-b302099a8057", workerNodeID: "node-1")
    }

    /// One tuple of each table.
    static func tuples(_ random: inout SplitMix) -> [(TableSchema, [UInt8])] {
        var (state, image, object, access): ([UInt8], [UInt8], [UInt8], [UInt8]) = ([], [], [], [])
        Self.state(&random).encodeCopy(into: &state)
        Self.image(&random).encodeCopy(into: &image)
        Self.object(&random).encodeCopy(into: &object)
        Self.access.encodeCopy(into: &access)
        return [
            (DicomStateMetaRow.table, state), (DicomImageMetaRow.table, image), (DicomObjectMetaRow.table, object),
            (WadoAccessLogRow.table, access),
        ]
    }

    private static func text(_ limit: Int, _ random: inout SplitMix) -> String? {
        guard Int.random(in: 0..<4, using: &random) > 0 else { return nil }
        let alphabet = Array("aZ09 ^=\\\"'/\u{1}\n\té東\u{1F600}張".unicodeScalars)
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 1...limit, using: &random) {
            scalars.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
        }
        return String(scalars)
    }

    private static func texts(_ limit: Int, _ random: inout SplitMix) -> [String?]? {
        guard Bool.random(using: &random) else { return nil }
        return (0..<Int.random(in: 0...5, using: &random)).map { _ in text(limit, &random) }
    }

    private static func uid(_ random: inout SplitMix) -> String {
        "1.2.\(UInt64.random(in: 0 ... .max, using: &random)).\(UInt64.random(in: 0 ... .max, using: &random))"
    }

    private static func int(_ random: inout SplitMix) -> Int32? {
        Bool.random(using: &random) ? Int32.random(in: .min ... .max, using: &random) : nil
    }

    private static func double(_ random: inout SplitMix) -> Double? {
        let value = Double(bitPattern: random.next())
        return value.isFinite ? value : nil
    }

    private static func date(_ random: inout SplitMix) -> CalendarDate? {
        Bool.random(using: &random)
            ? CalendarDate(daysSince1970: Int32.random(in: -719_162...2_932_896, using: &random)) : nil
    }

    private static func time(_ random: inout SplitMix) -> ClockTime? {
        ClockTime(microseconds: Int64.random(in: -10_000_000_000..<86_400_000_000, using: &random))
    }

    private static func moment(_ random: inout SplitMix) -> Timestamp {
        Timestamp(
            microsecondsSince1970: Int64.random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random))
    }
}
