import Foundation
import SchemaGenerator
import TestSupport
import Testing

/// Generated Swift compiles with the hand-written part of ArchiveSchema, whatever columns are called.
@Suite struct GeneratedSwiftTests {
    static let oddNames = ##"""
        version: 3
        tables:
          odd_names:
            about: Names that Swift, the generator or a database uses itself, and "quotes" \ and 'more'.
            stores: [postgres, doris]
            key: [tenant_id, study_uid]
            indexes: [[tenant_id, lower(order)], [json]]
            doris: {distribute_by: [study_uid], buckets: 4, sequence: moment}
            load: {job: odd_load, topic: odd, properties: {max_error_number: 0}}
            columns:
              - {name: tenant_id, from: tenant}
              - {name: study_uid, tag: StudyInstanceUID, required: true, level: study, search: uid}
              - {name: study_uid_hash, from: hash(StudyInstanceUID)}
              - {name: id_hash, from: hash(PatientID)}
              - {name: order, tag: PatientID, level: patient, search: exact, also: {AccessionNumber: study}}
              - {name: self, tag: PatientName}
              - {name: init, tag: "(0010,0040)"}
              - {name: class, tag: StudyDate}
              - {name: key, tag: StudyTime}
              - {name: json, tag: SeriesNumber}
              - {name: copy, tag: PatientSize}
              - {name: bytes, tag: AcquisitionDateTime}
              - {name: element, tag: ImageType, index: 2}
              - {name: reader, tag: WindowCenter, index: 0}
              - {name: instance, tag: PatientAge}
              - {name: problems, tag: Rows, type: bigint, stores: [postgres]}
              - {name: data_set, tag: Columns, stores: [doris], since: 2, renamed_from: datasets}
              - {name: table, tag: "ProcedureCodeSequence[0].CodeValue", since: 3}
              - {name: columns, tag: "ProcedureCodeSequence[0].EquivalentCodeSequence[1].CodeMeaning"}
              - {name: code_2, tag: "ProcedureCodeSequence[1].CodeValue", comment: "line\n break \"and\" \\ more"}
              - {name: description, tag: StudyInstanceUID}
              - {name: sop, tag: SOPClassUID, otherwise: sop_class_uid}
              - {name: moment, from: processed_time}
              - {name: kind, from: service, type: text(8), default: "a\"b\\c'd", required: true}
              - {name: ratio, from: service, type: double, default: 1, required: true}
              - {name: loaded, load: NOW(), type: timestamp}
        """##

    /// Where the build put the modules that ArchiveSchema imports.
    static let modules = URL(filePath: CommandLine.arguments.first ?? "").deletingLastPathComponent()
        .appending(path: "Modules")
    static let areModulesBuilt = FileManager.default.fileExists(
        atPath: modules.appending(path: "DICOMCore.swiftmodule").path)

    @Test(.enabled(if: areModulesBuilt, "the modules of the build are elsewhere"))
    func oddNamesCompile() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-generated-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var arguments = [
            "swiftc", "-typecheck", "-swift-version", "6", "-warnings-as-errors", "-package-name", "wado",
            "-module-name",
            "ArchiveSchema", "-I", Self.modules.path,
        ]
        for feature in ["ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault"] {
            arguments += ["-enable-upcoming-feature", feature]
        }
        let sources = PackageFolder.url("Sources")
        for name in try FileManager.default.contentsOfDirectory(atPath: sources.path) {
            let map = sources.appending(path: "\(name)/module.modulemap").path
            if FileManager.default.fileExists(atPath: map) { arguments += ["-Xcc", "-fmodule-map-file=\(map)"] }
        }
        let files = try #require(FileManager.default.enumerator(atPath: sources.appending(path: "ArchiveSchema").path))
        for case let name as String in files where name.hasSuffix(".swift") {
            arguments.append(sources.appending(path: "ArchiveSchema/\(name)").path)
        }
        let generated = try SpecSamples.swift(Self.oddNames)
        #expect(Set(generated.keys) == Set(SchemaGenerator.swiftFileNames))
        for (name, contents) in generated {
            let file = folder.appending(path: name)
            try Data(contents.utf8).write(to: file)
            arguments.append(file.path)
        }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.prefix(4000))")
    }

    @Test func generatedSwiftIsReadable() throws {
        let rows = try #require(try SpecSamples.swift(Self.oddNames)["ArchiveSchema+Rows.swift"])
        #expect(rows.hasPrefix("// Generated from fields.yaml by schema-generator. Do not edit.\n"))
        #expect(
            rows.contains(
                """
                            case 0x0008_1032:
                                if _has0008_1032 { continue }
                                _has0008_1032 = true
                                if let _outer = _reader.enter(item: 0, of: _element) {
                                    if let _element = _reader.dataSet.element(Tag(0x0008_0100)) {
                                        table = _reader.text(_element, "table", limit: 16)
                                    }
                                    if let _element = _reader.dataSet.element(Tag(0x0008_0121)) {
                                        if let _outer1 = _reader.enter(item: 1, of: _element) {
                                            if let _element = _reader.dataSet.element(Tag(0x0008_0104)) {
                                                columns = _reader.text(_element, "columns", limit: 64)
                                            }
                                            _reader.leave(to: _outer1)
                                        }
                                    }
                                    _reader.leave(to: _outer)
                                }
                                if let _outer = _reader.enter(item: 1, of: _element) {

                """))
        #expect(rows.contains("            idHash: order.map(SeaHash.decimal),\n"))
        #expect(rows.contains("            sop: sop ?? _instance.sopClassUID,\n"))
    }
}
