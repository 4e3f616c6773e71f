public import DICOMDictionary

/// Writes one DICOM JSON object, attribute by attribute: for answers that are put together from columns. The caller
/// keeps the order of tags.
public struct DICOMJSONObjectWriter: ~Copyable {
    private var output: [UInt8] = [0x7B]
    private var isFirst = true

    public init() { output.reserveCapacity(1024) }

    /// Ends the object and appends it.
    public consuming func finish(into array: inout [UInt8]) {
        array.append(contentsOf: output)
        array.append(0x7D)
    }

    /// Values of a text VR or of UI, DA, TM, DT; without any the attribute is empty. An empty string is `null`.
    public mutating func strings(_ tag: Tag, _ vr: VR, _ values: [String]) {
        begin(tag, vr)
        if values.contains(where: { !$0.isEmpty }) {
            list(values) { sink, value in
                if value.isEmpty { sink.append("null") } else { sink.appendQuoted(value) }
            }
        }
        output.append(0x7D)
    }

    public mutating func string(_ tag: Tag, _ vr: VR, _ value: String?) {
        strings(tag, vr, value.map { [$0] } ?? [])
    }

    /// Person names as they stand in a data set, component groups between `=`.
    public mutating func personName(_ tag: Tag, _ value: String?) {
        begin(tag, .pn)
        var groups: [(String, Substring)] = []
        let parts = (value ?? "").split(separator: "=", omittingEmptySubsequences: false)
        for (name, part) in zip(["Alphabetic", "Ideographic", "Phonetic"], parts) where !part.isEmpty {
            groups.append((name, part))
        }
        if !groups.isEmpty {
            list([groups]) { sink, groups in
                for (index, group) in groups.enumerated() {
                    sink.append(index == 0 ? "{" : ",")
                    sink.appendQuoted(group.0)
                    sink.append(":")
                    sink.appendQuoted(String(group.1))
                }
                sink.append("}")
            }
        }
        output.append(0x7D)
    }

    /// A value of IS, US and the like.
    public mutating func integer(_ tag: Tag, _ vr: VR, _ value: Int64?) {
        begin(tag, vr)
        if let value { list([value]) { sink, value in sink.append(value) } }
        output.append(0x7D)
    }

    /// Values of DS, FL or FD.
    public mutating func doubles(_ tag: Tag, _ vr: VR, _ values: [Double]) {
        begin(tag, vr)
        if !values.isEmpty { list(values) { sink, value in sink.append(value) } }
        output.append(0x7D)
    }

    /// An attribute's value as another object has it, `{"vr":...}`, byte for byte.
    public mutating func copy(_ tag: Tag, _ value: some Collection<UInt8>) {
        name(tag)
        output.append(contentsOf: value)
    }

    package mutating func copy(_ tag: Tag, _ value: UnsafeRawBufferPointer) {
        name(tag)
        output.append(contentsOf: value)
    }

    /// As with an array.
    public mutating func copy(_ tag: Tag, _ value: RawSpan) {
        value.withUnsafeBytes { copy(tag, $0) }
    }

    private mutating func name(_ tag: Tag) {
        if !isFirst { output.append(0x2C) }
        isFirst = false
        output.append(0x22)
        withUnsafeBytes(of: JSONInstanceReader.key(tag).bigEndian) { output.append(contentsOf: $0) }
        output.append(0x22)
        output.append(0x3A)
    }

    private mutating func begin(_ tag: Tag, _ vr: VR) {
        name(tag)
        output.append(contentsOf: "{\"vr\":\"".utf8)
        output.append(UInt8(truncatingIfNeeded: vr.rawValue >> 8))
        output.append(UInt8(truncatingIfNeeded: vr.rawValue))
        output.append(0x22)
    }

    private mutating func list<Value>(_ values: [Value], _ write: (inout JSONSink, Value) -> Void) {
        var sink = JSONSink(capacity: 256)
        sink.append(",\"Value\":[")
        for (index, value) in values.enumerated() {
            if index > 0 { sink.append(",") }
            write(&sink, value)
        }
        sink.append("]")
        output.append(contentsOf: sink.bytes)
    }
}
