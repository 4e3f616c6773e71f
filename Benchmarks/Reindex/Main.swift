import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import PostgresAdapter
import ServiceKit
import Wiring

/// `reindex-benchmark [SERIES [INSTANCES]]`: how many old instances a second get a new column, by `wado reindex --columns`
/// on a private PostgreSQL and compacted metadata, both in a temporary folder. `reindex-benchmark rows [..]`: the same where
/// rows of instances are published, from files (`RowPublication`).
@main
enum Main {
    static func main() throws {
        let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        let publishes = CommandLine.arguments.dropFirst().first == "rows"
        let series = numbers.first ?? (publishes ? 250 : 1_000)
        let perSeries = numbers.dropFirst().first ?? 200
        let root = NSTemporaryDirectory() + "wado-reindex-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: root) }
        for folder in ["store", "json"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
        }
        var configuration = PrivatePostgres.Configuration(folder: root + "/pg")
        configuration.endsWithProcess = true
        let server = PrivatePostgres(configuration)
        try server.start()
        defer { server.stop() }
        let connection = server.connectionString
        try SchemaMigrator().migrate(PostgresConnection(connection))

        if publishes {
            let rows = RowPublication(series: series, perSeries: perSeries, root: root, connection: connection)
            return try rows.measure()
        }
        let total = series * perSeries
        print("\(total) instances in \(series) series")
        let bytes = try fill(series, perSeries, root, connection)
        print("\(bytes / total) bytes of DICOM JSON an instance")
        try PostgresConnection(connection).run("VACUUM ANALYZE", operation: "vacuum")
        for (columns, what) in [
            (["protocol_name"], "a column of series that is not searched for"),
            (["institution_name"], "a column of series that is searched for"),
            (["slice_thickness"], "a number of each instance"),
            (["rescale_type", "window_center", "high_bit"], "three columns of each instance"),
            (["slice_thickness"], "the same again, with nothing to write"),
        ] {
            let settings = try WadoSettings.catalogue.read(arguments: ["--data", root], environment: [:])
            let run = try ColumnReindex(columns, settings, connection: connection, options: ReindexOptions())
            let clock = ContinuousClock()
            let start = clock.now
            let outcome = try run.run(progress: { _ in }, failure: { print($0) })
            let spent = clock.now - start
            let seconds = Double(spent.components.seconds) + Double(spent.components.attoseconds) / 1e18
            print(
                "\(columns.joined(separator: ",")), \(what): \(Int(Double(outcome.done) / seconds)) instances/s, "
                    + "\(outcome.changed) rows changed in \(String(format: "%.1f", seconds)) s")
        }
    }

    /// Rows that lack the columns, and metadata that has their values.
    private static func fill(_ series: Int, _ perSeries: Int, _ root: String, _ connection: String) throws -> Int {
        let metadata = FileMetadataStore(root: root + "/json")
        let pool = PostgresPool(connection, limit: 2)
        let store = PostgresIngestStore(pool: pool)
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        var bytes = 0
        for number in 0..<series {
            let identity = identity(number)
            var update = SeriesMetadataUpdate(series: identity, instances: [])
            var batch = IngestBatch()
            for instance in 0..<perSeries {
                let dataSet = try instanceBuilder(identity, instance).dataSet()
                let sop = "\(identity.seriesUID).\(instance)"
                var json: [UInt8] = []
                DICOMJSON.encode(dataSet, bulkData: BulkDataPolicy(uriPrefix: "/dicom-web/studies/1/"), into: &json)
                bytes += json.count
                update.instances.append(InstanceMetadata(sopInstanceUID: sop, json: json))
                let context = InstanceContext(
                    tenantID: identity.tenantID, traceID: "019ab3d2-0000-7000-8000-000000000000",
                    workerNodeID: "bench", transferSyntaxUID: "1.2.840.10008.1.2.1",
                    sopClassUID: UIDs.ctImageStorage, filePath: sop, fileSize: 525_000, receivedTime: time,
                    processedTime: time)
                var problems: [ColumnProblem] = []
                var image = try DicomImageMetaRow(extracting: dataSet, from: context, problems: &problems)
                image.sliceThickness = nil
                image.rescaleType = nil
                image.windowCenter = nil
                image.highBit = nil
                batch.logs.images.append(image)
                if instance == 0 {
                    var state = try DicomStateMetaRow(extracting: dataSet, from: context, problems: &problems)
                    state.protocolName = nil
                    state.institutionName = nil
                    batch.series = [SeriesUpdate(state: state, instanceCount: perSeries)]
                }
            }
            _ = try metadata.append([update])
            try store.write(batch)
            _ = try metadata.compact(identity)
        }
        return bytes
    }

    /// Four series a study.
    static func identity(_ series: Int) -> SeriesIdentity {
        let study = "1.2.826.0.1.3680043.10.1999.20240301.\(series / 4)"
        return SeriesIdentity(tenantID: "1234567890", studyUID: study, seriesUID: "\(study).\(series)")
    }

    /// About what a CT writes.
    static func instanceBuilder(_ series: SeriesIdentity, _ number: Int) -> DataSetBuilder {
        var data = DataSetBuilder()
        data.set(.specificCharacterSet, "ISO_IR 100")
        data.set(.imageType, ["ORIGINAL", "PRIMARY", "AXIAL"])
        data.set(.sopClassUID, UIDs.ctImageStorage)
        data.set(.sopInstanceUID, "\(series.seriesUID).\(number)")
        data.set(.studyInstanceUID, series.studyUID)
        data.set(.seriesInstanceUID, series.seriesUID)
        data.set(.frameOfReferenceUID, series.seriesUID + ".1")
        for tag in [Tag.studyDate, .seriesDate, .acquisitionDate, .contentDate] { data.set(tag, "20240301") }
        for tag in [Tag.studyTime, .seriesTime, .acquisitionTime, .contentTime] { data.set(tag, "101112.123456") }
        data.set(.accessionNumber, "A-1000")
        data.set(.modality, "CT")
        data.set(.manufacturer, "Maker of scanners")
        data.set(.institutionName, "Hospital of the North")
        data.set(.institutionAddress, "1 Long Road, Town, Country")
        data.set(.referringPhysicianName, "Roe^Richard^^Dr")
        data.set(.stationName, "CT-STATION-1")
        data.set(.studyDescription, "Thorax with contrast medium")
        data.set(.seriesDescription, "Thorax 1.0 B31f")
        data.set(.manufacturerModelName, "Scanner 64")
        data.set(.patientName, "Doe^Jane^Maria")
        data.set(.patientID, "PID-000123")
        data.set(.patientBirthDate, "19700101")
        data.set(.patientSex, "F")
        data.set(.patientAge, "054Y")
        data.set(.bodyPartExamined, "CHEST")
        data.set(.protocolName, "Thorax routine")
        for tag in [
            Tag.kvp, .sliceThickness, .dataCollectionDiameter, .reconstructionDiameter, .distanceSourceToDetector,
            .distanceSourceToPatient, .gantryDetectorTilt, .tableHeight, .exposureTime, .xRayTubeCurrent, .exposure,
            .generatorPower, .focalSpots, .spacingBetweenSlices, .sliceLocation,
        ] { data.set(tag, "\(number).5") }
        data.set(.softwareVersions, "syngo 1.2.3")
        data.set(.convolutionKernel, "B31f")
        data.set(.patientPosition, "HFS")
        data.set(.filterType, "WEDGE_2")
        data.set(.rotationDirection, "CW")
        data.set(.seriesNumber, 3)
        data.set(.acquisitionNumber, 1)
        data.set(.instanceNumber, number)
        data.set(.imagePositionPatient, ["-195.6", "-372.6", "-\(number).5"])
        data.set(.imageOrientationPatient, ["1", "0", "0", "0", "1", "0"])
        data.set(.pixelSpacing, ["0.763671875", "0.763671875"])
        data.set(.samplesPerPixel, 1)
        data.set(.photometricInterpretation, "MONOCHROME2")
        data.set(.rows, 512)
        data.set(.columns, 512)
        data.set(.bitsAllocated, 16)
        data.set(.bitsStored, 12)
        data.set(.highBit, 11)
        data.set(.pixelRepresentation, 0)
        data.set(.windowCenter, ["40", "-600"])
        data.set(.windowWidth, ["400", "1600"])
        data.set(.rescaleIntercept, "-1024")
        data.set(.rescaleSlope, "1")
        data.set(.rescaleType, "HU")
        for element in UInt8(1)...30 {
            data.setPrivate(
                group: 0x0029, creator: "MAKER CT HEADER", element: element, vr: .lo,
                strings: ["private value \(element) of instance \(number)"])
        }
        return data
    }
}
