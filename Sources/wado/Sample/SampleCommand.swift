internal import DICOMCore
internal import DICOMDictionary
internal import DICOMNetwork
internal import Foundation
internal import ServiceKit
internal import Wiring

/// `wado sample`: something to see, computed.
enum SampleCommand {
    static let options = [CommandOption("--out", takes: "FOLDER", "writes the files into this folder instead")]

    static func run(_ arguments: [String]) throws -> Int32 {
        let options = try CommandOptions(arguments, options)
        let folder = options["--out"]
        let settings = try Main.settings(options.rest)
        let endpoints = folder == nil ? try RunningArchive.endpoints(settings) : nil
        let study = SampleStudy()
        if let folder {
            try write(study, to: folder)
            Terminal.write("\(study.phantom.slices) CT slices are in \(folder)\n")
        } else if let endpoints {
            try send(study, to: endpoints)
            Terminal.write(
                """
                \(study.phantom.slices) CT slices are in the archive: patient Phantom^Shepp-Logan, \
                study \(SampleStudy.studyUID)

                """)
        }
        return 0
    }

    private static func write(_ study: SampleStudy, to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for slice in 0..<study.phantom.slices {
            let meta = FileMeta(
                mediaStorageSOPClassUID: UIDs.ctImageStorage, mediaStorageSOPInstanceUID: study.instanceUID(slice),
                transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
            let bytes = meta.encoded() + study.dataSet(slice).encoded(in: .explicitVRLittleEndian)
            let number = String(format: "%03d", slice + 1)
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/CT\(number).dcm"))
        }
    }

    /// Stores the study; safe to be done again.
    static func send(_ study: SampleStudy, to endpoints: Endpoints) throws {
        do {
            try store(study, in: endpoints)
        } catch let error as AssociationError {
            throw CommandError(RunningArchive.explain(error))
        }
    }

    private static func store(_ study: SampleStudy, in endpoints: Endpoints) throws {
        let syntax = TransferSyntax.explicitVRLittleEndian
        let context = ProposedContext(id: 1, abstractSyntax: UIDs.ctImageStorage, transferSyntaxes: [syntax.uid])
        let association = try RunningArchive.associate(endpoints, [context])
        for slice in 0..<study.phantom.slices {
            let status = try association.store(
                dataSet: study.dataSet(slice).encoded(in: syntax), sopClassUID: UIDs.ctImageStorage,
                sopInstanceUID: study.instanceUID(slice), transferSyntaxUID: syntax.uid)
            guard status.code == 0 else {
                association.abort()
                throw CommandError(
                    "the archive refused slice \(slice + 1): status 0x\(status.code.hexadecimal(digits: 4))"
                        + (status.comment.map { " (\($0))" } ?? ""))
            }
        }
        try association.release()
    }
}

/// The phantom as a CT study. The same UIDs each time, so that storing it again changes nothing.
struct SampleStudy {
    let phantom = Phantom()

    // UUIDs as UIDs (PS3.5 B.2).
    static let studyUID = "2.25.283617330185302649718405026384110592001"
    static let seriesUID = "2.25.283617330185302649718405026384110592002"
    private static let frameOfReferenceUID = "2.25.283617330185302649718405026384110592003"
    private static let instanceBase: UInt128 = 283_617_330_185_302_649_718_405_026_384_110_592_100

    func instanceUID(_ slice: Int) -> String { "2.25.\(SampleStudy.instanceBase + UInt128(slice))" }

    /// CT Image Storage (PS3.3 A.3).
    func dataSet(_ slice: Int) -> DataSetBuilder {
        var data = DataSetBuilder()
        patient(&data)
        study(&data)
        series(&data)
        geometry(slice, &data)
        pixels(slice, &data)
        return data
    }

    private func patient(_ data: inout DataSetBuilder) {
        data.set(.specificCharacterSet, "ISO_IR 192")
        data.set(.patientName, "Phantom^Shepp-Logan")
        data.set(.patientID, "WADO-SAMPLE")
        data.setEmpty(.patientBirthDate)
        data.set(.patientSex, "O")
    }

    private func study(_ data: inout DataSetBuilder) {
        data.set(.studyInstanceUID, SampleStudy.studyUID)
        data.set(.studyDate, "20260115")
        data.set(.studyTime, "093000")
        data.set(.studyID, "1")
        data.set(.accessionNumber, "SAMPLE-1")
        data.setEmpty(.referringPhysicianName)
        data.set(.studyDescription, "Head phantom")
    }

    private func series(_ data: inout DataSetBuilder) {
        data.set(.seriesInstanceUID, SampleStudy.seriesUID)
        data.set(.modality, "CT")
        data.set(.seriesNumber, 1)
        data.set(.seriesDate, "20260115")
        data.set(.seriesTime, "093000")
        data.set(.seriesDescription, "Shepp-Logan head \(SampleStudy.decimal(phantom.sliceSpacing)) mm")
        data.set(.bodyPartExamined, "HEAD")
        data.set(.patientPosition, "HFS")
        data.set(.manufacturer, "Wado")
        data.set(.manufacturerModelName, "wado sample")
        data.set(.kvp, 120.0)
        data.set(.frameOfReferenceUID, SampleStudy.frameOfReferenceUID)
        data.setEmpty(.positionReferenceIndicator)
    }

    private func geometry(_ slice: Int, _ data: inout DataSetBuilder) {
        let position = phantom.position(of: slice)
        data.set(.sopClassUID, UIDs.ctImageStorage)
        data.set(.sopInstanceUID, instanceUID(slice))
        data.set(.instanceNumber, slice + 1)
        data.set(.acquisitionNumber, 1)
        data.set(.contentDate, "20260115")
        data.set(.contentTime, "093000")
        data.set(.imageType, ["DERIVED", "PRIMARY", "AXIAL"])
        data.set(.imagePositionPatient, [position.x, position.y, position.z].map(SampleStudy.decimal))
        data.set(.imageOrientationPatient, ["1", "0", "0", "0", "1", "0"])
        data.set(.sliceLocation, SampleStudy.decimal(position.z))
        data.set(.sliceThickness, SampleStudy.decimal(phantom.sliceSpacing))
        data.set(.spacingBetweenSlices, SampleStudy.decimal(phantom.sliceSpacing))
        data.set(.pixelSpacing, [phantom.pixelSpacing, phantom.pixelSpacing].map(SampleStudy.decimal))
    }

    private func pixels(_ slice: Int, _ data: inout DataSetBuilder) {
        data.set(.samplesPerPixel, 1)
        data.set(.photometricInterpretation, "MONOCHROME2")
        data.set(.rows, phantom.rows)
        data.set(.columns, phantom.columns)
        data.set(.bitsAllocated, 16)
        data.set(.bitsStored, 12)
        data.set(.highBit, 11)
        data.set(.pixelRepresentation, 0)
        data.set(.rescaleIntercept, "\(phantom.rescaleIntercept)")
        data.set(.rescaleSlope, "1")
        data.set(.rescaleType, "HU")
        data.set(.windowCenter, ["40", "480"])
        data.set(.windowWidth, ["120", "2500"])
        data.set(.windowCenterWidthExplanation, ["BRAIN", "BONE"])
        var bytes: [UInt8] = []
        bytes.reserveCapacity(phantom.rows * phantom.columns * 2)
        for pixel in phantom.pixels(of: slice) {
            bytes.append(UInt8(truncatingIfNeeded: pixel))
            bytes.append(UInt8(truncatingIfNeeded: pixel >> 8))
        }
        data.set(.pixelData, vr: .ow, bytes: bytes)
    }

    /// At most 16 characters, as DS has it.
    private static func decimal(_ value: Double) -> String {
        var text = String(format: "%.6f", value)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
