public import DICOMDictionary

extension JSONInstanceReader {
    /// The first value of an attribute of the object as text: a string, a number's digits, or a name with `=` between its
    /// component groups; nil when it is absent or empty. For single look-ups; use `find` where there are many.
    public static func string(_ tag: Tag, in json: RawSpan) throws(DICOMJSONError) -> String? {
        let reader = JSONInstanceReader(tags: [tag])
        let result = json.withUnsafeBytes { bytes -> Result<String?, DICOMJSONError> in
            do throws(DICOMJSONError) {
                var found: [Range<Int>] = []
                try reader.find(in: bytes, &found)
                guard let range = found.first, !range.isEmpty else { return .success(nil) }
                let parser = JSONPullParser(bytes)
                var result: String?
                try JSONAttribute(bytes: bytes, range: range).forEachValue { value throws(DICOMJSONError) in
                    switch value {
                    case .text(let text): result = try parser.string(text)
                    case .number(let range): result = String(decoding: bytes[range], as: UTF8.self)
                    case .name(let groups):
                        var parts: [String] = []
                        for group in groups { parts.append(try parser.string(group)) }
                        result = parts.joined(separator: "=")
                    case .item, .null: break
                    }
                    return false
                }
                return .success(result.flatMap { $0.isEmpty ? nil : $0 })
            } catch { return .failure(error) }
        }
        return try result.get()
    }
}
