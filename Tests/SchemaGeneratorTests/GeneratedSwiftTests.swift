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
              - {name: study_uid, tag: StudyInstanceUID, required: true, level: study, search: true}
              - {name: study_uid_hash, from: hash(StudyInstanceUID)}
              - {name: id_hash, from: hash(PatientID)}
              - {name: order, tag: PatientID, level: patient, search: true, also: {AccessionNumber: study}}
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
              - {name: types, tag: ImageType, values: all}
              - {name: outer, tag: "ProcedureCodeSequence[*].CodeValue"}
              - {name: meanings, tag: "ProcedureCodeSequence[*].EquivalentCodeSequence[0].CodeMeaning"}
              - {name: all, tag: "PerformedProtocolCodeSequence[0].EquivalentCodeSequence[*].CodeMeaning"}
              - {name: sop, tag: SOPClassUID, otherwise: sop_class_uid}
              - {name: moment, from: processed_time}
              - {name: kind, from: service, type: text(8), default: "a\"b\\c'd", required: true}
              - {name: ratio, from: service, type: double, default: 1, required: true}
              - {name: loaded, load: NOW(), type: timestamp}
        """##

    static let areModulesBuilt = GeneratedModule.areModulesBuilt

    @Test(.enabled(if: areModulesBuilt, "the modules of the build are elsewhere"))
    func oddNamesCompile() throws {
        let compiler = try GeneratedModule(Self.oddNames)
        defer { compiler.remove() }
        try compiler.compile("-typecheck")
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
        #expect(
            rows.contains(
                """
                                for _item in _reader.items(of: _element, after: outer.count, for: ["outer", "meanings"]) {
                                    let _outer = _reader.enter(_item, of: _element)
                                    outer.append(nil)
                                    meanings.append(nil)
                                    if let _element = _reader.dataSet.element(Tag(0x0008_0100)) {
                                        outer[outer.count - 1] = _reader.text(_element, "outer", limit: 16)
                                    }

                """))
        #expect(rows.contains("            idHash: order.map(SeaHash.decimal),\n"))
        #expect(rows.contains("            sop: sop ?? _instance.sopClassUID,\n"))
    }
}
