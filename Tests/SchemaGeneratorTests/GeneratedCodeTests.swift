import Testing

/// What generated code does, of a spec with all kinds of columns that the archive's own has not.
@Suite(.enabled(if: GeneratedModule.areModulesBuilt, "the modules of the build are elsewhere"))
struct GeneratedCodeTests {
    private static let spec = """
        tables:
          all_kinds:
            about: All kinds of columns.
            stores: [postgres, doris]
            key: [study_uid]
            doris: {distribute_by: [study_uid], buckets: 4}
            load: {job: all_load, topic: all}
            columns:
              - {name: study_uid, tag: StudyInstanceUID, required: true}
              - {name: types, tag: ImageType, values: all}
              - {name: names, tag: OtherPatientNames, values: all, type: text(5)}
              - {name: dates, tag: DateOfLastCalibration, values: all}
              - {name: times, tag: TimeOfLastCalibration, values: all}
              - {name: moments, tag: StartAcquisitionDateTime}
              - {name: numbers, tag: WindowCenter, values: all}
              - {name: ints, tag: ReferencedFrameNumber, values: all}
              - {name: longs, tag: SimpleFrameList, values: all}
              - {name: shorts, tag: PixelAspectRatio, values: all, type: bigint}
              - {name: uids, tag: FailedSOPInstanceUIDList, values: all}
              - {name: second, tag: ImageType, index: 1}
              - {name: codes, tag: "ProcedureCodeSequence[*].CodeValue"}
              - {name: meanings, tag: "ProcedureCodeSequence[*].CodeMeaning"}
              - {name: third, tag: "ProcedureCodeSequence[2].CodeValue"}
              - {name: inner, tag: "ProcedureCodeSequence[*].EquivalentCodeSequence[*].CodeValue"}
              - {name: dates_of_items, tag: "ReferencedStudySequence[*].StudyDate"}
              - {name: types_of_items, tag: "ReferencedStudySequence[*].ImageType", join: true, type: text(64)}
          private_kinds:
            about: Elements that no dictionary has.
            level: series
            stores: [postgres]
            key: [study_uid]
            columns:
              - {name: study_uid, tag: StudyInstanceUID, required: true}
              - {name: mode, tag: '(0029,"ACME 1.2",08)', vr: CS, level: series, search: true}
              - {name: counts, tag: '(0029,"ACME 1.2",09)', vr: US, vm: 1-n, values: all}
              - {name: note, tag: '(0029,"OTHER",08)', vr: LO, level: series}
              - {name: inner, tag: 'ProcedureCodeSequence[*].(0029,"OTHER",10)', vr: DS}
              - {name: deep, tag: '(0031,"ACME 1.2",01)[1].CodeValue'}
              - {name: deeper, tag: '(0033,"ACME 1.2",01)[*].(0033,"ACME 1.2",02)[0].CodeValue'}
        """

    private static let main = #"""
        import DICOMCore
        import DICOMDictionary
        import DICOMWeb

        let instance = InstanceContext(
            tenantID: "t", traceID: "", workerNodeID: "", transferSyntaxUID: "", sopClassUID: "", filePath: "",
            fileSize: 0, receivedTime: Timestamp(microsecondsSince1970: 0))

        func show(_ title: String, isLong: Bool = false, _ change: (inout DataSetBuilder) -> Void) throws {
            var builder = DataSetBuilder()
            builder.set(.studyInstanceUID, "1.2")
            change(&builder)
            let dataSet = try DataSet(
                bytes: builder.encoded(in: .explicitVRLittleEndian), transferSyntax: .explicitVRLittleEndian)
            var problems: [ColumnProblem] = []
            let row = try AllKindsRow(extracting: dataSet, from: instance, problems: &problems)
            var json: [UInt8] = []
            row.encodeJSON(into: &json)
            guard try AllKindsRow(json: json) == row else { return print("\(title): another row comes back") }
            var tuple: [UInt8] = []
            row.encodeCopy(into: &tuple)
            var text = String(decoding: json, as: UTF8.self)
            for column in AllKindsRow.table.columns { text = text.replacing(",\"\(column.name)\":null", with: "") }
            print("\(title): \(isLong ? "" : text.dropFirst(19).dropLast())")
            for problem in problems { print("  \(problem)") }
            if !isLong { return }
            let counts = [row.ints?.count, row.types?.count, row.names?.count, row.codes?.count, row.inner?.count]
            print(counts.map { "\($0 ?? 0)" }.joined(separator: " "), row.types?.last as Any, row.names?.last as Any)
        }

        func item(_ change: (inout DataSetBuilder) -> Void) -> DataSetBuilder {
            var builder = DataSetBuilder()
            change(&builder)
            return builder
        }

        try show("texts") {
            $0.set(.imageType, vr: .cs, bytes: Array("ORIGINAL\\\\ AXIAL \\".utf8))
            $0.set(.specificCharacterSet, "ISO_IR 192")
            $0.set(.otherPatientNames, vr: .pn, bytes: Array("A^B=\\東京東京東京\\ ".utf8))
        }
        try show("empty") {
            $0.set(.imageType, vr: .cs, bytes: Array(" \\ ".utf8))
            $0.setEmpty(.otherPatientNames)
            $0.set(.procedureCodeSequence, items: [])
            $0.set(.referencedStudySequence, items: [item { $0.setEmpty(.studyDate) }])
        }
        try show("kinds") {
            $0.set(.dateOfLastCalibration, vr: .da, bytes: Array("20240229\\20240230\\18991231".utf8))
            $0.set(.timeOfLastCalibration, vr: .tm, bytes: Array("10\\2560\\10:20:30.5".utf8))
            $0.set(.windowCenter, vr: .ds, bytes: Array("1.5\\x\\1e3\\nan".utf8))
            $0.set(.referencedFrameNumber, vr: .is, bytes: Array("1\\3000000000\\-3".utf8))
            $0.set(.simpleFrameList, vr: .ul, bytes: [1, 0, 0, 0, 255, 255, 255, 255])
            $0.set(.pixelAspectRatio, vr: .us, bytes: [1, 0, 2, 0])
            $0.set(.failedSOPInstanceUIDList, vr: .ui, bytes: Array("1.2\\x\\3".utf8))
        }
        try show("wrong") {
            $0.set(.imageType, vr: .ob, bytes: [1, 2])
            $0.set(.windowCenter, vr: .fd, bytes: [1, 2, 3])
            $0.set(.simpleFrameList, vr: .ob, bytes: [1, 0])
            $0.set(.procedureCodeSequence, vr: .lo, bytes: Array("no".utf8))
        }
        try show("items") {
            $0.set(
                .procedureCodeSequence,
                items: [
                    item {
                        $0.set(.codeValue, "A")
                        $0.set(.codeMeaning, "Alpha")
                        $0.set(.equivalentCodeSequence, items: [item { $0.set(.codeValue, "A1") }, item { _ in }])
                    },
                    item { $0.set(.codeMeaning, "only a meaning") },
                    item {
                        $0.set(.codeValue, "C and more than sixteen")
                        $0.set(.equivalentCodeSequence, items: [item { $0.set(.codeValue, "C1") }])
                    },
                ])
            $0.set(
                .referencedStudySequence,
                items: [
                    item { $0.set(.studyDate, vr: .da, bytes: Array("20240230".utf8)) },
                    item {
                        $0.set(.studyDate, "20240229")
                        $0.set(.imageType, ["A", "B"])
                    },
                ])
        }
        try show("many", isLong: true) {
            $0.set(.referencedFrameNumber, (1...300).map { $0 })
            $0.set(.imageType, (1...300).map { "T\($0)" })
            $0.set(.specificCharacterSet, "ISO_IR 192")
            $0.set(.otherPatientNames, (1...300).map { "é\($0)" })
            $0.set(
                .procedureCodeSequence,
                items: (1...300).map { number in
                    item {
                        $0.set(.codeValue, "\(number)")
                        $0.set(.equivalentCodeSequence, items: [item { $0.set(.codeValue, "x") }, item { _ in }])
                    }
                })
        }
        /// As it is, and out of its DICOM JSON.
        func showPrivate(
            _ title: String, in transferSyntax: TransferSyntax, _ change: (inout DataSetBuilder) -> Void
        ) throws {
            var builder = DataSetBuilder()
            builder.set(.studyInstanceUID, "1.2")
            change(&builder)
            let dataSet = try DataSet(bytes: builder.encoded(in: transferSyntax), transferSyntax: transferSyntax)
            var problems: [ColumnProblem] = []
            let row = try PrivateKindsRow(extracting: dataSet, from: instance, problems: &problems)
            var json: [UInt8] = []
            row.encodeJSON(into: &json)
            print("\(title): \(String(decoding: json, as: UTF8.self).dropFirst(19).dropLast())")
            for problem in problems { print("  \(problem)") }
            json = []
            DICOMJSON.encode(dataSet, bulkData: BulkDataPolicy(uriPrefix: ""), into: &json)
            let stored = try DICOMJSON.decode(json).dataSet.encoded(in: .explicitVRLittleEndian)
            let again = try PrivateKindsRow(
                extracting: try DataSet(bytes: stored, transferSyntax: .explicitVRLittleEndian), from: instance,
                problems: &problems)
            if again != row { print("another row comes back from JSON") }
        }

        func fill(_ builder: inout DataSetBuilder, _ mode: VR, _ counts: VR, _ note: VR) {
            builder.setPrivate(group: 0x0029, creator: "ACME 1.2", element: 8, vr: mode, bytes: Array("FAST".utf8))
            builder.setPrivate(group: 0x0029, creator: "ACME 1.2", element: 9, vr: counts, bytes: [1, 0, 2, 0])
            builder.setPrivate(group: 0x0029, creator: "OTHER", element: 8, vr: note, bytes: Array("words ".utf8))
            let inner = item { $0.setPrivate(group: 0x0029, creator: "OTHER", element: 0x10, vr: note, bytes: Array("1.5 ".utf8)) }
            builder.set(.procedureCodeSequence, items: [item { $0.set(.codeValue, "A") }, inner])
        }

        try showPrivate("explicit", in: .explicitVRLittleEndian) {
            fill(&$0, .cs, .us, .lo)
            $0.set(Tag(0x0031_0010), vr: .lo, strings: ["ACME 1.2"])
            $0.set(Tag(0x0031_1001), vr: .sq, items: [item { _ in }, item { $0.set(.codeValue, "deep") }])
        }
        try showPrivate("implicit", in: .implicitVRLittleEndian) { fill(&$0, .cs, .us, .lo) }
        try showPrivate("unknown", in: .explicitVRLittleEndian) { fill(&$0, .un, .un, .un) }
        try showPrivate("elsewhere", in: .explicitVRLittleEndian) {
            // Others have the first blocks, and one of ours is empty.
            for creator in ["FIRST", "ACME 1.2", "SECOND"] {
                $0.setPrivate(group: 0x0029, creator: creator, element: 0x77, vr: .cs, bytes: Array("X ".utf8))
            }
            $0.setPrivate(group: 0x0029, creator: "FIRST", element: 8, vr: .cs, bytes: Array("WRONG ".utf8))
            $0.set(Tag(0x0029_0080), vr: .lo, strings: ["ACME 1.2"])
            $0.set(Tag(0x0029_8008), vr: .cs, strings: ["SLOW"])
        }
        // In an item only what it reserves itself counts.
        try showPrivate("in items", in: .explicitVRLittleEndian) {
            $0.setPrivate(group: 0x0029, creator: "OTHER", element: 8, vr: .lo, bytes: Array("root".utf8))
            let items = [("OTHER ", UInt16(0x10)), ("OTHER\0\0", 0xFF), ("FIRST ", 0x10), ("OTHER", 0x42)].map { name, block in
                item {
                    $0.set(Tag(group: 0x0029, element: block), vr: block == 0xFF ? .un : .lo, bytes: Array(name.utf8))
                    $0.set(Tag(group: 0x0029, element: block << 8 | 0x10), vr: .ds, bytes: Array("\(block) ".utf8))
                }
            }
            $0.set(.procedureCodeSequence, items: items)
        }
        /// The items of a sequence in implicit VR, with lengths or with delimiters.
        func bytes(_ items: [DataSetBuilder], hasLengths: Bool) -> [UInt8] {
            func little(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
            return items.flatMap { item -> [UInt8] in
                let value = item.encoded(in: .implicitVRLittleEndian)
                let start: [UInt8] = [0xFE, 0xFF, 0x00, 0xE0]
                if hasLengths { return start + little(value.count) + value }
                return start + little(-1) + value + [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]
            }
        }
        // A sequence that the file does not call one: as UN, or in implicit VR, where nothing is called anything.
        for (name, syntax) in [
            ("implicit", TransferSyntax.implicitVRLittleEndian), ("explicit", .explicitVRLittleEndian),
            ("big endian", .explicitVRBigEndian),
        ] {
            for hasLengths in [true, false] {
                try showPrivate("hidden, \(name)", in: syntax) {
                    let items = [item { _ in }, item { $0.set(.codeValue, "deep") }]
                    $0.set(Tag(0x0031_0010), vr: .lo, strings: ["ACME 1.2"])
                    $0.set(Tag(0x0031_1001), vr: .un, bytes: bytes(items, hasLengths: hasLengths))
                    let inner = item { $0.set(.codeValue, "inner") }
                    let outer = item {
                        $0.set(Tag(0x0033_0010), vr: .lo, strings: ["ACME 1.2"])
                        $0.set(Tag(0x0033_1002), vr: .un, bytes: bytes([inner], hasLengths: hasLengths))
                    }
                    $0.set(Tag(0x0033_0011), vr: .lo, strings: ["ACME 1.2"])
                    $0.set(Tag(0x0033_1101), vr: .un, bytes: bytes([outer, outer], hasLengths: hasLengths))
                }
            }
        }
        for broken in [[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8], [0xFE, 0xFF]] as [[UInt8]] {
            try showPrivate("no sequence", in: .explicitVRLittleEndian) {
                $0.set(Tag(0x0031_0010), vr: .lo, strings: ["ACME 1.2"])
                $0.set(Tag(0x0031_1001), vr: .un, bytes: broken)
                $0.set(Tag(0x0033_0010), vr: .lo, strings: ["ACME 1.2"])
                $0.set(Tag(0x0033_1001), vr: .un, bytes: broken)
            }
        }
        try showPrivate("nobody's", in: .explicitVRLittleEndian) {
            $0.set(Tag(0x0029_1008), vr: .cs, strings: ["WRONG"])
            $0.setPrivate(group: 0x0029, creator: "ACME 1", element: 8, vr: .cs, bytes: Array("WRONG ".utf8))
            $0.setPrivate(group: 0x0029, creator: "ACME 1.2", element: 9, vr: .ob, bytes: [1, 2])
        }
        for column in PrivateKindsRow.table.columns.dropFirst() {
            let tags = column.steps.map { String($0.tag.rawValue, radix: 16) + ($0.creator.map { " \($0)" } ?? "") }
            print("\(column.name) \(tags.joined(separator: ", ")): \(column.comment)")
        }
        print(ArchiveSchema.searchKeys.map { "\($0.keywords)" }.joined())

        let types = AllKindsRow.table.columns.map { "\($0.type.postgresName) \($0.type.dorisName) \($0.type.postgresOID)" }
        print(types.joined(separator: "\n"))
        """#

    @Test func arraysAreExtracted() throws {
        var module = try GeneratedModule(Self.spec)
        defer { module.remove() }
        let lines = try module.output(of: Self.main).split(separator: "\n").map(String.init)
        let types = lines.suffix(18)
        #expect(
            lines.dropLast(18).joined(separator: "\n") == ##"""
                texts: "types":["ORIGINAL",null,"AXIAL",null],"names":["A^B","東京東京東",null]
                  all_kinds.names (0010,1001): too-long, shortened
                empty:\##u{20}
                kinds: "dates":["2024-02-29",null,"1899-12-31"],"times":["10:00:00",null,"10:20:30.5"],"numbers":[1.5,null,1000.0,null],"ints":[1,null,-3],"longs":[1,4294967295],"shorts":[1,2],"uids":["1.2",null,"3"]
                  all_kinds.uids (0008,0058): not-a-uid, null
                  all_kinds.ints (0008,1160): out-of-range, null
                  all_kinds.dates (0018,1200): not-a-date, null
                  all_kinds.times (0018,1201): not-a-time, null
                  all_kinds.numbers (0028,1050): not-a-number, null
                  all_kinds.numbers (0028,1050): not-finite, null
                wrong:\##u{20}
                  all_kinds.types (0008,0008): wrong-vr, null
                  all_kinds.second (0008,0008): wrong-vr, null
                  all_kinds.codes (0008,1032): wrong-vr, null
                  all_kinds.meanings (0008,1032): wrong-vr, null
                  all_kinds.longs (0008,1161): wrong-vr, null
                  all_kinds.numbers (0028,1050): wrong-length, null
                items: "codes":["A",null,"C and more than "],"meanings":["Alpha","only a meaning",null],"third":"C and more than ","inner":["A1",null,"C1"],"dates_of_items":[null,"2024-02-29"],"types_of_items":[null,"A\\B"]
                  all_kinds.third (0008,1032)[0](0008,0100): too-long, shortened
                  all_kinds.codes (0008,1032)[0](0008,0100): too-long, shortened
                  all_kinds.dates_of_items (0008,1110)[0](0008,0020): not-a-date, null
                many:\##u{20}
                  all_kinds.types (0008,0008): too-many-values, shortened
                  all_kinds.codes (0008,1032): too-many-values, shortened
                  all_kinds.meanings (0008,1032): too-many-values, shortened
                  all_kinds.inner (0008,1032)[0](0008,0121): too-many-values, shortened
                  all_kinds.ints (0008,1160): too-many-values, shortened
                  all_kinds.names (0010,1001): too-many-values, shortened
                256 256 256 256 256 Optional(Optional("T256")) Optional(Optional("é256"))
                explicit: "mode":"FAST","counts":[1,2],"note":"words","inner":[null,1.5],"deep":"deep","deeper":null
                implicit: "mode":"FAST","counts":[1,2],"note":"words","inner":[null,1.5],"deep":null,"deeper":null
                unknown: "mode":"FAST","counts":[1,2],"note":"words","inner":[null,1.5],"deep":null,"deeper":null
                elsewhere: "mode":"SLOW","counts":null,"note":null,"inner":null,"deep":null,"deeper":null
                in items: "mode":null,"counts":null,"note":"root","inner":[16.0,255.0,null,66.0],"deep":null,"deeper":null
                hidden, implicit: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                hidden, implicit: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                hidden, explicit: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                hidden, explicit: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                hidden, big endian: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                hidden, big endian: "mode":null,"counts":null,"note":null,"inner":null,"deep":"deep","deeper":["inner","inner"]
                no sequence: "mode":null,"counts":null,"note":null,"inner":null,"deep":null,"deeper":null
                  private_kinds.deeper (0033,1001): wrong-vr, null
                no sequence: "mode":null,"counts":null,"note":null,"inner":null,"deep":null,"deeper":null
                  private_kinds.deeper (0033,1001): wrong-vr, null
                no sequence: "mode":null,"counts":null,"note":null,"inner":null,"deep":null,"deeper":null
                  private_kinds.deeper (0033,1001): wrong-vr, null
                nobody's: "mode":null,"counts":null,"note":null,"inner":null,"deep":null,"deeper":null
                  private_kinds.counts (0029,1109): wrong-vr, null
                mode 291008 ACME 1.2: (0029,"ACME 1.2",08)
                counts 291009 ACME 1.2: (0029,"ACME 1.2",09), all values
                note 291108 OTHER: (0029,"OTHER",08)
                inner 81032, 291110 OTHER: ProcedureCodeSequence[*].(0029,"OTHER",10)
                deep 311001 ACME 1.2, 80100: (0031,"ACME 1.2",01)[1].CodeValue (0008,0100)
                deeper 331001 ACME 1.2, 331002 ACME 1.2, 80100: (0033,"ACME 1.2",01)[*].(0033,"ACME 1.2",02)[0].CodeValue (0008,0100)
                ["00291008"]
                """##)
        #expect(
            types.prefix(11).joined(separator: "\n") == """
                varchar(64) VARCHAR(64) 1043
                varchar(16)[] ARRAY<VARCHAR(64)> 1015
                varchar(5)[] ARRAY<VARCHAR(20)> 1015
                date[] ARRAY<DATE> 1182
                time[] ARRAY<VARCHAR(15)> 1183
                timestamp with time zone DATETIME(6) 1184
                double precision[] ARRAY<DOUBLE> 1022
                integer[] ARRAY<INT> 1007
                bigint[] ARRAY<BIGINT> 1016
                bigint[] ARRAY<BIGINT> 1016
                varchar(64)[] ARRAY<VARCHAR(64)> 1015
                """)
    }
}
