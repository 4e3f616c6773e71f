internal import DICOMDictionary

/// Writes a data set that was read: byte for byte as it was in its own transfer syntax, or converted into another.
public struct DataSetWriter {
    private let dataSet: DataSet

    public init(_ dataSet: DataSet) { self.dataSet = dataSet }

    /// The bytes in this transfer syntax.
    ///
    /// In the transfer syntax it was read in they are those that were read, padding after the data set and odd lengths
    /// included (deflated: inflated and deflated again, which need not give the same stream). In another one, numbers
    /// are turned as needed, VRs come from the dictionary where there were none, sequences keep the form of their
    /// length, values that are too long for their VR become UN, and group lengths (retired, PS3.5 7.2) are left out.
    ///
    /// Throws `notRepresentable` for encapsulated Pixel Data in a native transfer syntax or the reverse, since that
    /// needs a codec; and for a data set that was not read wholly, or not with all values.
    public func encoded(in transferSyntax: TransferSyntax? = nil) throws(DICOMError) -> [UInt8] {
        if let stop = dataSet.stopElement { throw DICOMError(.notRepresentable, at: stop.offset) }
        guard dataSet.tree.omittedLengths.isEmpty else {
            throw DICOMError(.notRepresentable, at: dataSet.range.lowerBound)
        }
        let target = transferSyntax ?? dataSet.transferSyntax
        var bytes: [UInt8] = []
        if target == dataSet.transferSyntax || (target.isDeflated && dataSet.transferSyntax.isDeflated) {
            let range = dataSet.isItem ? dataSet.range : dataSet.tree.range.lowerBound..<dataSet.tree.end
            bytes = dataSet.withBytes { [UInt8](bytes: $0.extracting(range)) }
        } else {
            bytes.reserveCapacity(dataSet.range.count + dataSet.range.count / 16)
            let encoder = ElementEncoder(target)
            try dataSet.tree.storage.withUnsafeBytesThrowing { storage throws(DICOMError) in
                try append(dataSet.first, dataSet.last, storage, encoder, &bytes)
            }
        }
        return target.isDeflated ? Deflater.deflate(bytes) : bytes
    }

    /// The elements of one level. As deep as the reader's `maximumDepth` allows.
    private func append(
        _ first: Int, _ last: Int, _ storage: UnsafeRawBufferPointer, _ encoder: ElementEncoder,
        _ bytes: inout [UInt8]
    ) throws(DICOMError) {
        var index = first
        while index < last {
            let element = dataSet.tree.elements[index]
            index = Int(element.subtreeEnd)
            if element.tag.element == 0, element.tag.group > 2 { continue }
            if element.isSequence {
                let place = encoder.beginSequence(
                    element.tag, isUndefinedLength: element.isUndefinedLength, to: &bytes)
                var child = Int(element.index) + 1
                while child < Int(element.subtreeEnd) {
                    let item = dataSet.tree.elements[child]
                    child = Int(item.subtreeEnd)
                    let itemPlace = encoder.beginItem(isUndefinedLength: item.isUndefinedLength, to: &bytes)
                    try append(Int(item.index) + 1, child, storage, encoder, &bytes)
                    if item.isUndefinedLength {
                        encoder.item(0xE00D, length: 0, to: &bytes)
                    } else {
                        encoder.setLength(at: itemPlace, in: &bytes)
                    }
                }
                if element.isUndefinedLength {
                    encoder.item(0xE0DD, length: 0, to: &bytes)
                } else {
                    encoder.setLength(at: place, in: &bytes)
                }
            } else if element.isEncapsulated {
                guard encoder.transferSyntax.isEncapsulated else {
                    throw DICOMError(.notRepresentable, at: element.offset, path: [.tag(element.tag)])
                }
                encoder.header(element.tag, element.vr, length: Int(UInt32.max), to: &bytes)
                for child in Int(element.index) + 1..<Int(element.subtreeEnd) {
                    let fragment = dataSet.tree.elements[child]
                    encoder.item(0xE000, length: UInt32(clamping: fragment.length), to: &bytes)
                    bytes.append(contentsOf: storage[fragment.valueRange])
                }
                encoder.item(0xE0DD, length: 0, to: &bytes)
            } else {
                if encoder.transferSyntax.isEncapsulated, element.tag.rawValue == 0x7FE0_0010,
                    !dataSet.transferSyntax.isEncapsulated
                {
                    throw DICOMError(.notRepresentable, at: element.offset, path: [.tag(element.tag)])
                }
                encoder.append(
                    element.tag, element.vr, value: UnsafeRawBufferPointer(rebasing: storage[element.valueRange]),
                    isBigEndian: element.isBigEndian, to: &bytes)
            }
        }
    }
}

extension DICOMFile {
    /// The whole file as it was read, or with its data set in another transfer syntax and the meta saying so.
    ///
    /// Throws as `DataSetWriter.encoded(in:)` does.
    public func encoded(in transferSyntax: TransferSyntax? = nil) throws(DICOMError) -> [UInt8] {
        guard let target = transferSyntax, target != self.transferSyntax else {
            if let stop = dataSet.stopElement { throw DICOMError(.notRepresentable, at: stop.offset) }
            return storage.withBytes { [UInt8](bytes: $0) }
        }
        var meta = (meta ?? FileMeta()).identifying(dataSet)
        meta.transferSyntaxUID = target.uid
        return try meta.encoded() + DataSetWriter(dataSet).encoded(in: target)
    }
}
