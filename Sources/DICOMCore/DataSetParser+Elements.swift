internal import DICOMDictionary

/// Headers of elements, and what their VR and length say about what follows.
extension DataSetParser {
    /// Reads one element of a data set; nil when the next can be read.
    @inline(__always)
    mutating func element(
        _ tag: UInt32, _ base: UnsafeRawPointer, available: Int, bound: Int, total: Int
    ) throws(DICOMError) -> Progress? {
        let isBig = top.isBigEndian
        var vr: UInt16
        var header = 8
        var length: UInt32
        var flags: Element.Flags = isBig ? .bigEndian : []
        var form = HeaderForm.regular
        if top.isImplicit {
            length = load32(base, position + 4, isBig)
            vr = ImplicitVR.of(Tag(tag), signed: isSigned)
            flags.insert(.implicitVR)
        } else {
            vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
            length = UInt32(load16(base, position + 6, isBig))
            switch RawVR.lengthForm(vr) {
            case .short: break
            case .long:
                if position + 12 > bound { return try shortHeader() }
                if position + 12 > available { return .needMore(position + 12) }
                header = 12
                length = load32(base, position + 8, isBig)
            case .unknown:
                form = .unknownVR
                // A VR of a later edition has the long form (PS3.5 7.1.2); older, wrong writers used the short one.
                if length == 0, position + 12 <= bound {
                    if position + 12 > available { return .needMore(position + 12) }
                    let long = load32(base, position + 8, isBig)
                    if long <= UInt32(clamping: bound - position - 12), bound != .max || long < 1 << 24 {
                        header = 12
                        length = long
                    }
                }
                vr = RawVR.un
            case .none:
                form = .missingVR
                // Some writers change to implicit VR in the middle.
                let whole = load32(base, position + 4, isBig)
                if whole == .max || Int(whole) <= bound - position - 8 {
                    length = whole
                    vr = ImplicitVR.of(Tag(tag), signed: isSigned)
                    flags.insert(.implicitVR)
                } else if Int(length) <= bound - position - 8 {
                    vr = RawVR.un
                } else {
                    throw failure(.invalidVR, tag)
                }
            }
        }

        if top.level == .root {
            if tag >= stopTag {
                if vr == RawVR.ow, length == .max, flags.contains(.implicitVR) { vr = RawVR.ob }
                stopElement = Element(
                    tag: Tag(tag), vr: VR(rawValue: vr), flags: length == .max ? flags.union(.undefinedLength) : flags,
                    headerLength: UInt8(header), valueOffset: position + header,
                    length: length == .max ? 0 : Int(length), index: 0, subtreeEnd: 0)
                return .done
            }
            if tag == 0, !elements.isEmpty {
                // Zeros after the data set are padding.
                if total > available { return .needMore(total == .max ? available + 4096 : total) }
                if position >= firstNonZero { firstNonZero = nonZero(base, position..<total) }
                if firstNonZero == total { return .done }
            }
        }

        let valueOffset = position + header
        if vr == RawVR.un, !flags.contains(.implicitVR), length < 0xFFFF {
            // UN of a known tag (or private creator) was written by someone who did not know it; its value is as in
            // implicit little endian (PS3.5 6.2.2). A value of 64 KiB or more is UN because the VR's own length field
            // is too short for it.
            let known = ImplicitVR.of(Tag(tag), signed: isSigned)
            if known != RawVR.sq, known != RawVR.un {
                vr = known
                flags.remove(.bigEndian)
            }
        }

        if length == .max || vr == RawVR.sq || vr == RawVR.un {
            return try nested(
                tag, vr, flags, form, length, valueOffset: valueOffset, header: header, base, available: available,
                bound: bound)
        }
        var valueLength = Int(length)
        if valueLength > bound - valueOffset {
            guard options.acceptsTruncation else {
                throw failure(bound < total || top.bound != .max ? .lengthExceedsParent : .truncated, tag)
            }
            valueLength = bound - valueOffset
            flags.insert(.truncated)
            isTruncated = true
        }
        let isOmitted = valueLength > options.maximumValueBytes
        if !isOmitted, valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
        try appendElement(
            tag, vr, flags, form, header: header, valueOffset: valueOffset, length: valueLength, value: base)
        if isOmitted {
            omitLast()
        } else if tag == 0x0028_0103, valueLength >= 2, top.level == .root {
            isSigned = load16(base, valueOffset, isBig) == 1
        }
        position = valueOffset + valueLength
        return nil
    }

    /// A sequence, fragments, or bytes that may be a sequence.
    mutating func nested(
        _ tag: UInt32, _ vr: UInt16, _ flags: Element.Flags, _ form: HeaderForm, _ length: UInt32, valueOffset: Int,
        header: Int, _ base: UnsafeRawPointer, available: Int, bound: Int
    ) throws(DICOMError) -> Progress? {
        var vr = vr
        var flags = flags
        let isUndefined = length == .max
        var isImplicit = top.isImplicit || flags.contains(.implicitVR)
        var isBig = top.isBigEndian
        var isSequence = vr == RawVR.sq
        var isGuess = false
        if vr == RawVR.un {
            if isUndefined {
                // PS3.5 6.2.2: a sequence, implicit little endian whatever is around it. What its items really
                // contain is looked at when they are there.
                isSequence = true
            } else if length >= 8, Int(length) <= bound - valueOffset {
                if valueOffset + 8 > available { return .needMore(valueOffset + 8) }
                let first = base.loadUnaligned(fromByteOffset: valueOffset, as: UInt32.self).littleEndian
                isSequence = first == 0xE000_FFFE && isSequenceInDictionary(tag)
                isGuess = isSequence
            } else if length == 0 {
                isSequence = isSequenceInDictionary(tag)
            }
            if isSequence, !flags.contains(.implicitVR) {
                isImplicit = true
                isBig = false
            }
        }
        if isUndefined { flags.insert(.undefinedLength) }
        if !isSequence {
            if isUndefined {
                flags.insert(.fragments)
                if vr == RawVR.ow, flags.contains(.implicitVR) { vr = RawVR.ob }
                try appendElement(tag, vr, flags, form, header: header, valueOffset: valueOffset, length: 0)
                push(
                    Frame(
                        level: .fragments, isImplicit: isImplicit, isBigEndian: isBig, isUndefinedLength: true,
                        bound: top.bound, entry: elements.count - 1))
                position = valueOffset
                return nil
            }
            // UN with a length, of an unknown tag: bytes.
            var valueLength = Int(length)
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                flags.insert(.truncated)
                isTruncated = true
            }
            let isOmitted = valueLength > options.maximumValueBytes
            if !isOmitted, valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
            try appendElement(tag, vr, flags, form, header: header, valueOffset: valueOffset, length: valueLength)
            if isOmitted { omitLast() }
            position = valueOffset + valueLength
            return nil
        }
        vr = RawVR.sq
        flags.insert(.sequence)
        var valueLength = isUndefined ? 0 : Int(length)
        if valueLength > bound - valueOffset {
            guard options.acceptsTruncation else {
                throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
            }
            valueLength = bound - valueOffset
            isTruncated = true
        }
        guard depth < options.maximumDepth else { throw failure(.tooDeep, tag) }
        try appendElement(tag, vr, flags, form, header: header, valueOffset: valueOffset, length: valueLength)
        position = valueOffset
        if !isUndefined, valueLength == 0 { return nil }
        depth += 1
        push(
            Frame(
                level: .sequence, isGuess: isGuess, isImplicit: isImplicit, isBigEndian: isBig,
                isUndefinedLength: isUndefined, bound: isUndefined ? top.bound : valueOffset + valueLength,
                entry: elements.count - 1))
        return nil
    }

    func isSequenceInDictionary(_ tag: UInt32) -> Bool {
        DataDictionary.vr(of: Tag(tag)).rawValue == RawVR.sq
    }

    /// An element whose header reaches past the end.
    mutating func shortHeader() throws(DICOMError) -> Progress? {
        if top.level == .root {
            warn(.trailingBytes, nil, at: position)
            return .done
        }
        guard options.acceptsTruncation else { throw failure(.truncated) }
        isTruncated = true
        let end = top.bound
        guard end != .max else { return .done }
        position = end
        return nil
    }
}
