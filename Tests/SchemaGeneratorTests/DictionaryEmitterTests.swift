import Dictionary
import SchemaGenerator
import TestSupport
import Testing

@Suite struct DictionaryEmitterTests {
    static func element(
        _ tag: UInt32, _ keyword: String, mask: UInt32 = .max, name: String = "Name", line: Int = 7
    ) -> ElementEntry {
        ElementEntry(
            tag: tag, mask: mask, name: name, keyword: keyword, vrs: [.us, .ss], vm: "1-n", isRetired: true, line: line)
    }

    static func uid(_ keyword: String, name: String, uid: String = "1.2.3", kind: String = "SOP Class") -> UIDEntry {
        UIDEntry(uid: uid, name: name, keyword: keyword, kind: kind, part: "", isRetired: false, line: 9)
    }

    @Test func emitsWhatItWasGiven() throws {
        let registry = Registry(
            edition: "2099a",
            elements: [
                Self.element(0x6000_3000, "OverlayData", mask: 0xFF00_FFFF, name: #"A "quoted" \(name)"#),
                Self.element(0x0010_0010, "Protocol"), Self.element(0x0010_0020, ""),
            ],
            uids: [Self.uid("CTImageStorage", name: "CT Image Storage")])
        let files = try DictionaryEmitter.files(path: "dictionary/part06.xml", registry: registry)
        #expect(files.map(\.name) == DictionaryEmitter.fileNames)
        #expect(
            files[0].contents == """
                // Generated from dictionary/part06.xml, PS3.6 2099a. Do not edit.

                extension Tag {
                    /// (0010,0010) VR=US or SS VM=1-n Name (retired)
                    @inlinable public static var `protocol`: Tag { Tag(0x00100010) }
                    /// (60xx,3000) VR=US or SS VM=1-n A "quoted" \\(name) (retired); this is the first of them
                    @inlinable public static var overlayData: Tag { Tag(0x60003000) }
                }

                """)
        #expect(
            files[1].contents.hasSuffix(
                """
                \"""
                001000100RUSSS\t1-n\tProtocol\tName
                001000200RUSSS\t1-n\t\tName
                600030001RUSSS\t1-n\tOverlayData\tA \\"quoted\\" \\\\(name)

                \"""
                    }
                }

                """))
        #expect(files[1].contents.contains("{ [0xFFFFFFFF, 0xFF00FFFF] }"))
        #expect(files[1].contents.contains("{ 3 }"))
        #expect(files[2].contents.contains(#"public static var ctImageStorage: String { "1.2.3" }"#))
        #expect(files[3].contents.contains("-S\t1.2.3\tSOP Class\tCTImageStorage\tCT Image Storage\n"))
    }

    @Test func namesThatCollideAreAnError() {
        let registry = Registry(
            edition: "", elements: [Self.element(1, "XRay", line: 3), Self.element(2, "xRay", line: 4)], uids: [])
        #expect {
            try DictionaryEmitter.files(path: "p.xml", registry: registry)
        } throws: { error in
            "\(error)"
                == "p.xml:4: error: the keywords XRay and xRay both become `xRay` in Swift; "
                + "change the rule in KeywordNames"
        }
    }

    /// What the plugin declares is what is written.
    @Test func pluginDeclaresTheseFiles() throws {
        let plugin = String(
            decoding: try PackageFolder.bytes("Plugins/GenerateSchema/GenerateSchema.swift"), as: UTF8.self)
        let declared = plugin.matches(of: /"([A-Za-z+]+\.swift)"/).map { String($0.1) }
        #expect(declared == DictionaryEmitter.fileNames + SchemaGenerator.swiftFileNames)
    }

    @Test(arguments: [
        ("CT Image Storage", true), ("CT Image Storage - For Processing", true),
        ("Stored Print Storage SOP Class", true),
        ("Media Storage Directory Storage", false), ("Storage Commitment Push Model SOP Class", false),
        ("Inventory - FIND", false), ("Verification SOP Class", false), ("Storage Service Class", false),
    ])
    func storage(_ name: String, _ isStorage: Bool) {
        #expect(Self.uid("A", name: name).isStorageSOPClass == isStorage)
        #expect(!Self.uid("A", name: name, kind: "Service Class").isStorageSOPClass)
    }
}
