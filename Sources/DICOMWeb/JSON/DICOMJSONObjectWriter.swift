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
}
