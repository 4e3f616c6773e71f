import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

/// The examples of PS3.5 annexes H, I, J and K, and what goes wrong with character sets.
@Suite struct CharacterSetTests {
    /// A value of nothing but separators, or of endless terms, is no list of that length.
    @Test func aValueOfManyMegabytesIsRead() {
        let separators = [UInt8](repeating: 0x5C, count: 20 << 20)
        #expect(SpecificCharacterSet(value: separators.span.bytes) == SpecificCharacterSet(terms: [""]))
        let terms = Array(("ISO_IR 192" + String(repeating: "\\ISO_IR 100", count: 1 << 20)).utf8)
        #expect(SpecificCharacterSet(value: terms.span.bytes) == .utf8)
    }

    private static func decode(_ bytes: [UInt8], _ terms: [String], _ vr: VR = .pn) -> String {
        var output: [UInt8] = []
        bytes.withUnsafeBytes { SpecificCharacterSet(terms: terms).appendUTF8($0.bytes, vr: vr, to: &output) }
        return String(decoding: output, as: UTF8.self)
    }

    @Test func singleByteSets() {
        let cases: [(String, [UInt8], String)] = [
            ("ISO_IR 100", [0x42, 0x75, 0x63, 0x5E, 0x4A, 0xE9, 0x72, 0xF4, 0x6D, 0x65], "Buc^Jérôme"),
            ("ISO_IR 101", [0x57, 0x61, 0xB3, 0xEA, 0x73, 0x61], "Wałęsa"),
            ("ISO_IR 109", [0xA6], "Ĥ"), ("ISO_IR 110", [0xB9, 0xF9], "šų"),
            ("ISO_IR 144", [0xBB, 0xEE, 0xDA, 0x63, 0x65, 0xDC, 0xD1, 0xE3, 0xE0, 0xD3], "Люкceмбург"),
            ("ISO_IR 127", [0xE2, 0xC8, 0xC7, 0xE6, 0xEA, 0x5E], "قباني^"),
            ("ISO_IR 126", [0xC4, 0xE9, 0xEF, 0xED], "Διον"), ("ISO_IR 138", [0xF9, 0xF8, 0xE5, 0xEF], "שרון"),
            ("ISO_IR 148", [0xC7, 0x61, 0x76, 0x75, 0xFE, 0x6F, 0xF0], "Çavuşoğ"),
            ("ISO_IR 166", [0xB9, 0xD2, 0xC1], "นาม"), ("ISO_IR 203", [0xA4], "€"),
            ("ISO_IR 13", [0xD4, 0xCF, 0xC0, 0xDE, 0x5E, 0xC0, 0xDB, 0xB3], "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ]
        for (term, bytes, text) in cases {
            #expect(Self.decode(bytes, [term]) == text, "\(term)")
        }
    }

    @Test func japaneseNames() {
        // PS3.5 H.3.1.
        let h31: [UInt8] =
            Array("Yamada^Tarou=".utf8) + [0x1B, 0x24, 0x42, 0x3B, 0x33, 0x45, 0x44, 0x1B, 0x28, 0x42, 0x5E]
            + [0x1B, 0x24, 0x42, 0x42, 0x40, 0x4F, 0x3A, 0x1B, 0x28, 0x42, 0x3D]
            + [0x1B, 0x24, 0x42, 0x24, 0x64, 0x24, 0x5E, 0x24, 0x40, 0x1B, 0x28, 0x42, 0x5E]
            + [0x1B, 0x24, 0x42, 0x24, 0x3F, 0x24, 0x6D, 0x24, 0x26, 0x1B, 0x28, 0x42]
        #expect(Self.decode(h31, ["", "ISO 2022 IR 87"]) == "Yamada^Tarou=山田^太郎=やまだ^たろう")
        // PS3.5 H.3.2: katakana and romaji of JIS X 0201 first.
        let h32: [UInt8] =
            [0xD4, 0xCF, 0xC0, 0xDE, 0x5E, 0xC0, 0xDB, 0xB3, 0x3D]
            + [0x1B, 0x24, 0x42, 0x3B, 0x33, 0x45, 0x44, 0x1B, 0x28, 0x4A, 0x5E]
            + [0x1B, 0x24, 0x42, 0x42, 0x40, 0x4F, 0x3A, 0x1B, 0x28, 0x4A, 0x3D]
            + [0x1B, 0x24, 0x42, 0x24, 0x64, 0x24, 0x5E, 0x24, 0x40, 0x1B, 0x28, 0x4A, 0x5E]
            + [0x1B, 0x24, 0x42, 0x24, 0x3F, 0x24, 0x6D, 0x24, 0x26, 0x1B, 0x28, 0x4A]
        #expect(Self.decode(h32, ["ISO 2022 IR 13", "ISO 2022 IR 87"]) == "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう")
        // JIS X 0212, the supplement.
        let supplement: [UInt8] = [0x1B, 0x24, 0x28, 0x44, 0x30, 0x21, 0x1B, 0x28, 0x42]
        #expect(Self.decode(supplement, ["", "ISO 2022 IR 159"], .lo) == "丂")
    }

    @Test func koreanAndChineseNames() {
        // PS3.5 I.2.
        let korean: [UInt8] =
            Array("Hong^Gildong=".utf8) + [0x1B, 0x24, 0x29, 0x43, 0xFB, 0xF3, 0x5E]
            + [0x1B, 0x24, 0x29, 0x43, 0xD1, 0xCE, 0xD4, 0xD7, 0x3D]
            + [0x1B, 0x24, 0x29, 0x43, 0xC8, 0xAB, 0x5E, 0x1B, 0x24, 0x29, 0x43, 0xB1, 0xE6, 0xB5, 0xBF]
        #expect(Self.decode(korean, ["", "ISO 2022 IR 149"]) == "Hong^Gildong=洪^吉洞=홍^길동")
        // PS3.5 J.1 and J.2.
        #expect(
            Self.decode(Array("Wang^XiaoDong=王^小东=".utf8), ["ISO_IR 192"]) == "Wang^XiaoDong=王^小东=")
        let gb18030: [UInt8] =
            Array("Wang^XiaoDong=".utf8) + [0xCD, 0xF5, 0x5E, 0xD0, 0xA1, 0xB6, 0xAB, 0x3D]
        #expect(Self.decode(gb18030, ["GB18030"]) == "Wang^XiaoDong=王^小东=")
        #expect(Self.decode(gb18030, ["GBK"]) == "Wang^XiaoDong=王^小东=")
        // PS3.5 K.2.
        let gb2312: [UInt8] =
            Array("Zhang^XiaoDong=".utf8) + [0x1B, 0x24, 0x29, 0x41, 0xD5, 0xC5, 0x5E]
            + [0x1B, 0x24, 0x29, 0x41, 0xD0, 0xA1, 0xB6, 0xAB, 0x3D]
        #expect(Self.decode(gb2312, ["", "ISO 2022 IR 58"]) == "Zhang^XiaoDong=张^小东=")
        // Four bytes: in and above the Basic Multilingual Plane.
        #expect(Self.decode([0x81, 0x39, 0xEE, 0x39, 0x95, 0x32, 0x82, 0x36], ["GB18030"], .lo) == "㐀𠀀")
    }

    @Test func backslashesInsideCharactersDoNotSplit() throws {
        // 0x81 0x5C is one character in GBK.
        var builder = DataSetBuilder()
        builder.set(Tag(0x0008_0005), vr: .cs, text: "GBK")
        builder.set(Tag(0x0008_1030), vr: .lo, bytes: [0x81, 0x5C, 0x5C, 0x41])
        #expect(try builder.dataSet().strings(Tag(0x0008_1030)) == ["乗", "A"])
        // In JIS X 0208 it is 0x2D 0x5C, between escape sequences.
        builder.set(Tag(0x0008_0005), vr: .cs, strings: ["", "ISO 2022 IR 87"])
        builder.set(Tag(0x0008_1030), vr: .lo, bytes: [0x1B, 0x24, 0x42, 0x3B, 0x5C, 0x1B, 0x28, 0x42, 0x5C, 0x41])
        #expect(try builder.dataSet().strings(Tag(0x0008_1030)).count == 2)
    }

    @Test func delimitersEndADesignation() {
        // After ^ the initial set is in force again: a byte above 7F is Latin-1 there.
        let bytes: [UInt8] = [0x1B, 0x2D, 0x46, 0xC4, 0x5E, 0xC4]
        #expect(Self.decode(bytes, ["ISO 2022 IR 100", "ISO 2022 IR 126"]) == "Δ^Ä")
        #expect(Self.decode(bytes, ["ISO 2022 IR 100", "ISO 2022 IR 126"], .lo) == "Δ^Δ")
        let lines: [UInt8] = [0x1B, 0x2D, 0x46, 0xC4, 0x0D, 0x0A, 0xC4]
        #expect(Self.decode(lines, ["ISO 2022 IR 100", "ISO 2022 IR 126"], .lt) == "Δ\r\nÄ")
    }

    @Test func invalidBytesBecomeReplacementCharacters() {
        #expect(Self.decode([0x41, 0xFF, 0x42], ["ISO_IR 192"], .lo) == "A\u{FFFD}B")
        #expect(Self.decode([0x41, 0xE4], ["GB18030"], .lo) == "A\u{FFFD}")
        #expect(Self.decode([0xA1, 0x41], ["ISO_IR 127"], .lo) == "\u{FFFD}A")
        #expect(Self.decode([0x1B, 0x24, 0x29, 0x43, 0xFB], ["", "ISO 2022 IR 149"], .lo) == "\u{FFFD}")
        // An escape sequence that is not declared stays in the text.
        #expect(Self.decode([0x1B, 0x2D, 0x46, 0xC4], ["ISO 2022 IR 100"], .lo) == "\u{1B}-FÄ")
    }

    @Test func wrongTermsAreUnderstood() {
        for term in ["ISO-IR 144", "ISO IR 144", "ISO_IR 144", "ISO 2022 IR 144", "ISO_2022_IR_144"] {
            #expect(Self.decode([0xBB], [term]) == "Л", "\(term)")
        }
        // What is unknown is the default repertoire.
        for term in ["ISO_IR 999", "nonsense", ""] { #expect(Self.decode([0xE9], [term]) == "é") }
        // UTF-8 takes no code extensions, and is none.
        #expect(Self.decode([0xC3, 0xA9], ["ISO_IR 192", "ISO 2022 IR 100"]) == "é")
        #expect(Self.decode([0xE9], ["ISO_IR 100", "ISO_IR 192"]) == "é")
    }

    @Test(arguments: [
        ["ISO_IR 192"], ["GB18030"], ["ISO_IR 144"], ["ISO 2022 IR 100", "ISO 2022 IR 126"],
        ["", "ISO 2022 IR 87", "ISO 2022 IR 159"], ["", "ISO 2022 IR 149"], ["", "ISO 2022 IR 58"],
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
    ])
    func whatIsEncodedIsDecoded(terms: [String]) throws {
        let texts: [String: String] = [
            "ISO_IR 192": "王^小东=Ω", "GB18030": "王^小东^𠀀㐀", "ISO_IR 144": "Люкceмбург^A",
            "ISO 2022 IR 126": "Jérôme^Διον^é", "ISO 2022 IR 159": "Yamada=山田^太郎丂^a", "ISO 2022 IR 149": "A^洪^吉洞=홍",
            "ISO 2022 IR 58": "A^张^小东", "ISO 2022 IR 87": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
        ]
        let text = try #require(texts[terms[terms.count - 1]])
        var builder = DataSetBuilder()
        builder.set(Tag(0x0008_0005), vr: .cs, strings: terms)
        builder.set(Tag(0x0010_0010), vr: .pn, text: text)
        #expect(try builder.dataSet().string(Tag(0x0010_0010)) == text)
    }

    @Test func unencodableCharactersBecomeQuestionMarks() throws {
        var builder = DataSetBuilder()
        builder.set(Tag(0x0008_0005), vr: .cs, text: "ISO_IR 100")
        builder.set(Tag(0x0010_0010), vr: .pn, text: "é山")
        #expect(try builder.dataSet().string(Tag(0x0010_0010)) == "é?")
    }

    @Test func textBeyondASCIIWithoutACharacterSetGetsUTF8() throws {
        var builder = DataSetBuilder()
        builder.set(Tag(0x0010_0010), vr: .pn, text: "山")
        let dataSet = try builder.dataSet()
        #expect(dataSet.string(Tag(0x0008_0005)) == "ISO_IR 192")
        #expect(dataSet.string(Tag(0x0010_0010)) == "山")
    }

    @Test func itemsInheritAndOverride() throws {
        var own = DataSetBuilder()
        own.set(Tag(0x0008_0005), vr: .cs, text: "ISO_IR 144")
        own.set(Tag(0x0008_0104), vr: .lo, bytes: [0xBB, 0x20])
        var inheriting = DataSetBuilder()
        inheriting.set(Tag(0x0008_0104), vr: .lo, bytes: [0xE9, 0x20])
        var root = DataSetBuilder()
        root.set(Tag(0x0008_0005), vr: .cs, text: "ISO_IR 100")
        root.set(Tag(0x0040_A168), vr: .sq, items: [own, inheriting])
        let items = try root.dataSet().items(Tag(0x0040_A168))
        #expect(items.map { $0.string(Tag(0x0008_0104)) } == ["Л", "é"])
    }
}

/// Every text in every file, as pydicom decodes it.
@Suite(.enabled(if: Python.has("pydicom") && !DICOMFiles.all.isEmpty))
struct PydicomTextTests {
    private static let program = """
        import sys, json, warnings, logging
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        import pydicom
        from pydicom.multival import MultiValue
        def walk(ds, prefix, texts):
            for tag in list(ds._dict):
                path = prefix + "%08X" % tag
                try:
                    element = ds[tag]
                except Exception:
                    continue
                if element.VR == "SQ":
                    for number, item in enumerate(element.value):
                        walk(item, path + "/%d/" % number, texts)
                elif element.VR in ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "CS", "UI", "AE", "DA", "TM", "DT", "UR", "AS"):
                    value = element.value
                    values = list(value) if isinstance(value, MultiValue) else [] if value is None else [value]
                    texts[path] = [str(v) for v in values]
        files = {}
        for path in sys.argv[1:]:
            texts = files[path] = {}
            try:
                ds = pydicom.dcmread(path, force=True)
                ds.decode()
            except Exception:
                continue
            walk(ds, "", texts)
        print(json.dumps(files))
        """

    @Test func everyTextIsTheSame() throws {
        let data = try Python.run(Self.program, DICOMFiles.all.map(\.path))
        let files = try JSONDecoder().decode([String: [String: [String]]].self, from: data)
        var compared = 0
        for (path, texts) in files {
            let name = URL(fileURLWithPath: path).lastPathComponent
            var options = ReadOptions.whole
            options.acceptsTruncation = true
            guard let file = try? DICOMFile.read(path: path, options: options) else {
                #expect(name == "no_meta.dcm", "\(name)")
                continue
            }
            var mine: [String: [String]] = [:]
            Self.walk(file.dataSet, "", &mine)
            for (element, values) in texts {
                guard let own = mine[element] else { continue }
                compared += 1
                let expected = values == [""] ? [] : values.map(Self.trimmed)
                #expect(own.map(Self.trimmed) == expected, "\(name) \(element)")
            }
        }
        #expect(compared > 5000)
    }

    /// Pydicom keeps leading spaces, and drops empty component groups at the end of a name.
    private static func trimmed(_ text: String) -> String {
        var text = text.trimmingCharacters(in: CharacterSet(charactersIn: " \0"))
        while text.hasSuffix("=") { text.removeLast() }
        return text
    }

    private static func walk(_ dataSet: DataSet, _ prefix: String, _ texts: inout [String: [String]]) {
        for element in dataSet.elements {
            let path = prefix + String(format: "%08X", element.tag.rawValue)
            if element.isSequence {
                for (number, item) in dataSet.items(of: element).enumerated() {
                    walk(item, path + "/\(number)/", &texts)
                }
            } else if element.vr != .un {
                texts[path] = dataSet.strings(of: element)
            }
        }
    }
}
