/// Items, fragments and delimiters (PS3.5 7.5, A.4).
extension DataSetParser {
    /// (FFFE,xxxx) where an element was expected.
    mutating func delimiter(_ tag: UInt32) throws(DICOMError) {
        switch tag {
        case 0xFFFE_E00D:
            if top.level == .item, top.isUndefinedLength {
                close(at: position)
            } else {
                // One too many, after an item with a length or at the root, is passed over.
                warn(.strayDelimiter, tag, at: position)
            }
            position += 8
        case 0xFFFE_E0DD:
            if top.level == .item, top.isUndefinedLength {
                // The item's own delimiter is missing; the sequence takes this one.
                warn(.missingDelimiter, tag, at: position)
                close(at: position)
            } else {
                warn(.strayDelimiter, tag, at: position)
                position += 8
            }
        case 0xFFFE_E000 where top.level == .item && top.isUndefinedLength:
            warn(.missingDelimiter, tag, at: position)
            close(at: position)
        default:
            throw failure(.unexpectedTag, tag)
        }
    }

    /// What stands in a sequence.
    mutating func item(_ tag: UInt32, _ base: UnsafeRawPointer, bound: Int) throws(DICOMError) {
        switch tag {
        case 0xFFFE_E000:
            let length = load32(base, position + 4, top.isBigEndian)
            let valueOffset = position + 8
            var flags: Element.Flags = top.isBigEndian ? .bigEndian : []
            if top.isImplicit { flags.insert(.implicitVR) }
            let isUndefined = length == .max
            if isUndefined { flags.insert(.undefinedLength) }
            var valueLength = isUndefined ? 0 : Int(length)
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                isTruncated = true
            }
            try append(tag, RawVR.un, flags, header: 8, valueOffset: valueOffset, length: valueLength)
            position = valueOffset
            if !isUndefined, valueLength == 0 { return }
            push(
                Frame(
                    level: .item, isImplicit: top.isImplicit, isBigEndian: top.isBigEndian,
                    isUndefinedLength: isUndefined, bound: isUndefined ? top.bound : valueOffset + valueLength,
                    entry: elements.count - 1))
        case 0xFFFE_E0DD:
            if top.isUndefinedLength {
                close(at: position)
            } else {
                warn(.strayDelimiter, tag, at: position)
            }
            position += 8
        case 0xFFFE_E00D:
            warn(.strayDelimiter, tag, at: position)
            position += 8
        default:
            throw failure(.unexpectedTag, tag)
        }
    }

    mutating func fragment(
        _ tag: UInt32, _ base: UnsafeRawPointer, available: Int, bound: Int
    ) throws(DICOMError) -> Progress? {
        switch tag {
        case 0xFFFE_E000:
            let length = load32(base, position + 4, top.isBigEndian)
            let valueOffset = position + 8
            guard length != .max else { throw failure(.invalidLength, tag) }
            var valueLength = Int(length)
            var flags: Element.Flags = top.isBigEndian ? .bigEndian : []
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                flags.insert(.truncated)
                isTruncated = true
            }
            if valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
            try append(tag, RawVR.ob, flags, header: 8, valueOffset: valueOffset, length: valueLength)
            position = valueOffset + valueLength
        case 0xFFFE_E0DD:
            close(at: position)
            position += 8
        default:
            throw failure(.unexpectedTag, tag)
        }
        return nil
    }

    /// Looks whether the first element of an item (or of the root) is as explicit or implicit as it should be. Where
    /// VRs are written in a data set that should have none, they are believed; the other way round each element is
    /// looked at anyway.
    mutating func detectEncoding(_ base: UnsafeRawPointer, available: Int) {
        guard top.isImplicit, top.level == .item || top.level == .root, position + 8 <= available else { return }
        let vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
        if RawVR.isKnown(vr), base.load(fromByteOffset: position, as: UInt8.self) != 0xFE {
            top.isImplicit = false
            warn(.unexpectedVR, nil, at: position)
        }
    }
}
