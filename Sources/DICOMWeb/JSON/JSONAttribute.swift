internal import DICOMDictionary

/// The value of one attribute in DICOM JSON, `{"vr":...,"Value":[...]}`, read where it lies.
struct JSONAttribute {
    /// A value as a search sees it.
    enum Value {
        case text(JSONPullParser.Text)
        /// The text of a number.
        case number(Range<Int>)
        /// Component groups of a person name; alphabetic, ideographic, phonetic, whichever are there.
        case name([JSONPullParser.Text])
        /// Where the item's object lies.
        case item(Range<Int>)
        case null
    }

    /// Upper bound of nested values that are passed over.
    static let maximumDepth = 512

    let bytes: UnsafeRawBufferPointer
    /// Where `{...}` lies.
    let range: Range<Int>

    /// Visits the values until `body` returns false.
    func forEachValue(_ body: (Value) throws(DICOMJSONError) -> Bool) throws(DICOMJSONError) {
        var parser = JSONPullParser(bytes, range)
        try parser.beginObject()
        var isFirst = true
        while let key = try parser.nextKey(&isFirst) {
            guard parser.equals(key, "Value"), try parser.kind() == .array else {
                try parser.skipValue(maximumDepth: Self.maximumDepth)
                continue
            }
            try parser.beginArray()
            var isFirst = true
            while try parser.nextElement(&isFirst) {
                guard try body(Self.value(&parser)) else { return }
            }
        }
    }

    private static func value(_ parser: inout JSONPullParser) throws(DICOMJSONError) -> Value {
        switch try parser.kind() {
        case .string: return .text(try parser.text())
        case .number: return .number(try parser.number())
        case .object:
            let start = parser.position
            var names = parser
            try parser.skipValue(maximumDepth: maximumDepth)
            let item = Value.item(start..<parser.position)
            try names.beginObject()
            var isFirst = true
            var groups: [JSONPullParser.Text] = []
            while let key = try names.nextKey(&isFirst) {
                guard
                    names.equals(key, "Alphabetic") || names.equals(key, "Ideographic")
                        || names.equals(key, "Phonetic"), try names.kind() == .string
                else { return item }
                groups.append(try names.text())
            }
            return groups.isEmpty ? item : .name(groups)
        case .array, .bool:
            try parser.skipValue(maximumDepth: maximumDepth)
            return .null
        case .null:
            try parser.null()
            return .null
        }
    }
}
