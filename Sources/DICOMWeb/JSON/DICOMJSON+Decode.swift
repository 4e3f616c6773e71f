public import DICOMCore
public import DICOMDictionary

extension DICOMJSON {
    /// Bounds on what is decoded.
    public struct Limits: Hashable, Sendable {
        /// Sequences inside one another.
        public var depth = 64
        /// Attributes in all, those of items included.
        public var attributes = 1_000_000
        /// Bytes of JSON.
        public var bytes = 256 << 20

        public init() {}
    }

    /// A value that the JSON only refers to.
    public struct BulkDataReference: Hashable, Sendable {
        /// Which attribute.
        public var path: BulkDataPath
        public var vr: VR
        public var uri: String
    }

    /// What an object holds.
    public struct Decoded: Sendable {
        /// Attributes whose value is a BulkDataURI are there without a value.
        public var dataSet: DataSetBuilder
        public var bulkData: [BulkDataReference] = []
    }

    /// Reads one JSON object. Group lengths are passed over; Specific Character Set stays as it is written, though JSON
    /// itself is UTF-8.
    ///
    /// Throws at the first thing that is not DICOM JSON or exceeds the limits.
    public static func decode(_ json: [UInt8], limits: Limits = Limits()) throws(DICOMJSONError) -> Decoded {
        try decode(json.span.bytes, limits: limits)
    }

    /// Reads one JSON object that fills the span.
    public static func decode(_ json: RawSpan, limits: Limits = Limits()) throws(DICOMJSONError) -> Decoded {
        guard json.byteCount <= limits.bytes else { throw DICOMJSONError(.tooLarge, at: limits.bytes) }
        let result = json.withUnsafeBytes { bytes -> Result<Decoded, DICOMJSONError> in
            do throws(DICOMJSONError) {
                var decoder = DICOMJSONDecoder(parser: JSONPullParser(bytes), limits: limits)
                let dataSet = try decoder.object(depth: 0)
                try decoder.parser.expectEnd()
                return .success(Decoded(dataSet: dataSet, bulkData: decoder.bulkData))
            } catch { return .failure(error) }
        }
        return try result.get()
    }
}

/// Builds data sets while it reads. Recursive by sequences, whose depth is bounded.
private struct DICOMJSONDecoder {
    var parser: JSONPullParser
    let limits: DICOMJSON.Limits
    var bulkData: [DICOMJSON.BulkDataReference] = []
    private var attributes = 0
    private var steps: [BulkDataPath.Step] = []

    init(parser: JSONPullParser, limits: DICOMJSON.Limits) {
        self.parser = parser
        self.limits = limits
    }

    mutating func object(depth: Int) throws(DICOMJSONError) -> DataSetBuilder {
        guard depth <= limits.depth else { throw parser.error(.tooDeep) }
        var builder = DataSetBuilder()
        var highest: UInt32?
        try parser.beginObject()
        var isFirst = true
        while let key = try parser.nextKey(&isFirst) {
            let tag = try tag(key)
            if let last = highest, tag.rawValue <= last {
                guard tag.rawValue < last, !builder.contains(tag) else {
                    throw DICOMJSONError(.duplicateAttribute, at: key.range.lowerBound)
                }
            } else {
                highest = tag.rawValue
            }
            attributes += 1
            guard attributes <= limits.attributes else { throw parser.error(.tooLarge) }
            if tag.element == 0 {
                try parser.skipValue(maximumDepth: limits.depth * 3)
            } else {
                try attribute(tag, &builder, depth)
            }
        }
        return builder
    }

    private func tag(_ text: JSONPullParser.Text) throws(DICOMJSONError) -> Tag {
        guard text.range.count == 8 else { throw DICOMJSONError(.invalidTag, at: text.range.lowerBound) }
        var value: UInt32 = 0
        for byte in parser.bytes[text.range] {
            guard let digit = hexadecimalValue(byte) else {
                throw DICOMJSONError(.invalidTag, at: text.range.lowerBound)
            }
            value = value << 4 | UInt32(digit)
        }
        // Items and delimiters are no attributes.
        guard value >> 16 != 0xFFFE else { throw DICOMJSONError(.invalidTag, at: text.range.lowerBound) }
        return Tag(value)
    }

    private mutating func attribute(
        _ tag: Tag, _ builder: inout DataSetBuilder, _ depth: Int
    ) throws(DICOMJSONError) {
        let start = parser.position
        var vr: VR?
        /// Where a value stands that came before its VR.
        var postponed: (name: JSONPullParser.Text, parser: JSONPullParser)?
        var hasValue = false
        try parser.beginObject()
        var isFirst = true
        while let key = try parser.nextKey(&isFirst) {
            if parser.equals(key, "vr") {
                guard vr == nil else { throw DICOMJSONError(.invalidVR, at: key.range.lowerBound) }
                vr = try self.vr()
            } else if parser.equals(key, "Value") || parser.equals(key, "InlineBinary")
                || parser.equals(key, "BulkDataURI")
            {
                guard !hasValue else { throw DICOMJSONError(.invalidValue, at: key.range.lowerBound) }
                hasValue = true
                if let vr {
                    try value(key, tag, vr, &builder, depth)
                } else {
                    postponed = (key, parser)
                    try parser.skipValue(maximumDepth: (limits.depth - depth + 1) * 3)
                }
            } else {
                try parser.skipValue(maximumDepth: limits.depth * 3)
            }
        }
        guard let vr else { throw DICOMJSONError(.invalidVR, at: start) }
        if let (name, place) = postponed {
            let end = parser
            parser = place
            try value(name, tag, vr, &builder, depth)
            parser = end
        } else if !hasValue {
            builder.setEmpty(tag, vr: vr)
        }
    }

    private mutating func vr() throws(DICOMJSONError) -> VR {
        let text = try parser.text()
        guard text.range.count == 2 else { throw DICOMJSONError(.invalidVR, at: text.range.lowerBound) }
        let vr = VR(parser.bytes[text.range.lowerBound], parser.bytes[text.range.lowerBound + 1])
        switch vr {
        case .ae, .as, .at, .cs, .da, .ds, .dt, .fl, .fd, .is, .lo, .lt, .ob, .od, .of, .ol, .ov, .ow, .pn, .sh, .sl,
            .sq,
            .ss, .st, .sv, .tm, .uc, .ui, .ul, .un, .ur, .us, .ut, .uv:
            return vr
        default: throw DICOMJSONError(.invalidVR, at: text.range.lowerBound)
        }
    }

    private mutating func value(
        _ name: JSONPullParser.Text, _ tag: Tag, _ vr: VR, _ builder: inout DataSetBuilder, _ depth: Int
    ) throws(DICOMJSONError) {
        if parser.equals(name, "Value") {
            if vr == .sq { return try sequence(tag, &builder, depth) }
            return try values(tag, vr, &builder)
        }
        guard vr != .sq else { throw parser.error(.invalidValue) }
        // The examples of PS3.18 F.4 have these in an array, its tables have not.
        let isArray = try parser.kind() == .array
        if isArray { try parser.beginArray() }
        guard try parser.kind() == .string else { throw parser.error(.invalidValue) }
        let text = try parser.text()
        if isArray {
            var isFirst = false
            guard try !parser.nextElement(&isFirst) else { throw parser.error(.invalidValue) }
        }
        if parser.equals(name, "InlineBinary") {
            guard let bytes = Base64.decode(try parser.content(text)) else {
                throw DICOMJSONError(.invalidValue, at: text.range.lowerBound)
            }
            builder.set(tag, vr: vr, bytes: bytes)
        } else {
            builder.setEmpty(tag, vr: vr)
            bulkData.append(
                DICOMJSON.BulkDataReference(
                    path: BulkDataPath(steps: steps, tag: tag), vr: vr, uri: try parser.string(text)))
        }
    }

    private mutating func sequence(_ tag: Tag, _ builder: inout DataSetBuilder, _ depth: Int) throws(DICOMJSONError) {
        var items: [DataSetBuilder] = []
        try parser.beginArray()
        var isFirst = true
        while try parser.nextElement(&isFirst) {
            if try parser.kind() == .null {
                try parser.null()
                items.append(DataSetBuilder())
                continue
            }
            attributes += 1
            guard attributes <= limits.attributes else { throw parser.error(.tooLarge) }
            steps.append(BulkDataPath.Step(sequence: tag, item: items.count))
            items.append(try object(depth: depth + 1))
            steps.removeLast()
        }
        builder.set(tag, vr: .sq, items: items)
    }

    private mutating func values(_ tag: Tag, _ vr: VR, _ builder: inout DataSetBuilder) throws(DICOMJSONError) {
        var texts: [String] = []
        var integers: [Int64] = []
        var doubles: [Double] = []
        try parser.beginArray()
        var isFirst = true
        while try parser.nextElement(&isFirst) {
            switch vr {
            case .us: integers.append(try integer(0...Int64(UInt16.max)))
            case .ss: integers.append(try integer(Int64(Int16.min)...Int64(Int16.max)))
            case .ul: integers.append(try integer(0...Int64(UInt32.max)))
            case .sl: integers.append(try integer(Int64(Int32.min)...Int64(Int32.max)))
            case .sv: integers.append(try integer(.min ... .max))
            case .uv: integers.append(try unsigned())
            case .at: integers.append(Int64(try hexadecimal()))
            case .fl, .fd: doubles.append(try double())
            case .pn: texts.append(try name())
            case .ob, .od, .of, .ol, .ov, .ow, .un, .sq: throw parser.error(.invalidValue)
            default: texts.append(try string(vr))
            }
        }
        switch vr {
        case .us, .ss, .ul, .sl, .sv, .uv, .at: builder.set(tag, vr: vr, integers: integers)
        case .fl, .fd: builder.set(tag, vr: vr, doubles: doubles)
        case .lt, .st, .ut, .ur:
            guard texts.count <= 1 else { throw parser.error(.invalidValue) }
            builder.set(tag, vr: vr, text: texts.first ?? "")
        default: builder.set(tag, vr: vr, strings: texts)
        }
    }

    // MARK: Single values

    private mutating func string(_ vr: VR) throws(DICOMJSONError) -> String {
        switch try parser.kind() {
        case .string:
            let text = try parser.text()
            let string = try parser.string(text)
            // A backslash would make two values of one.
            let isSingle = vr == .lt || vr == .st || vr == .ut || vr == .ur
            guard isSingle || !string.utf8.contains(0x5C) else {
                throw DICOMJSONError(.invalidValue, at: text.range.lowerBound)
            }
            return string
        case .number: return String(decoding: parser.bytes[try parser.number()], as: UTF8.self)
        case .null:
            try parser.null()
            return ""
        default: throw parser.error(.invalidValue)
        }
    }

    private mutating func name() throws(DICOMJSONError) -> String {
        guard try parser.kind() == .object else { return try string(.pn) }
        var groups = ["", "", ""]
        try parser.beginObject()
        var isFirst = true
        while let key = try parser.nextKey(&isFirst) {
            let group =
                parser.equals(key, "Alphabetic")
                ? 0 : parser.equals(key, "Ideographic") ? 1 : parser.equals(key, "Phonetic") ? 2 : 3
            guard group < 3 else { throw DICOMJSONError(.invalidValue, at: key.range.lowerBound) }
            groups[group] = try string(.pn)
            guard !groups[group].utf8.contains(0x3D) else { throw parser.error(.invalidValue) }
        }
        while groups.last == "" { groups.removeLast() }
        return groups.joined(separator: "=")
    }

    /// A number's text, also when it stands in a string (PS3.18 F.2.3: 64 bits may).
    private mutating func numberText() throws(DICOMJSONError) -> String {
        switch try parser.kind() {
        case .number: return String(decoding: parser.bytes[try parser.number()], as: UTF8.self)
        case .string: return try parser.string(try parser.text())
        default: throw parser.error(.invalidValue)
        }
    }

    private mutating func integer(_ range: ClosedRange<Int64>) throws(DICOMJSONError) -> Int64 {
        let text = try numberText()
        guard let value = Int64(text) ?? Double(text).flatMap({ Int64(exactly: $0) }), range.contains(value) else {
            throw parser.error(.invalidValue)
        }
        return value
    }

    /// As the same 64 bits.
    private mutating func unsigned() throws(DICOMJSONError) -> Int64 {
        let text = try numberText()
        guard let value = UInt64(text) ?? Double(text).flatMap({ UInt64(exactly: $0) }) else {
            throw parser.error(.invalidValue)
        }
        return Int64(bitPattern: value)
    }

    private mutating func double() throws(DICOMJSONError) -> Double {
        let text = try numberText()
        guard let value = Double(text) else { throw parser.error(.invalidValue) }
        return value
    }

    private mutating func hexadecimal() throws(DICOMJSONError) -> UInt32 {
        guard try parser.kind() == .string else { throw parser.error(.invalidValue) }
        let text = try parser.text()
        guard text.range.count == 8 else { throw DICOMJSONError(.invalidValue, at: text.range.lowerBound) }
        var value: UInt32 = 0
        for byte in parser.bytes[text.range] {
            guard let digit = hexadecimalValue(byte) else {
                throw DICOMJSONError(.invalidValue, at: text.range.lowerBound)
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
