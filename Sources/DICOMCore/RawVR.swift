internal import DICOMDictionary

/// VRs as numbers, so that the hot paths compare registers instead of loading globals.
enum RawVR {
    @inline(__always) static func of(_ first: Character, _ second: Character) -> UInt16 {
        UInt16(first.asciiValue ?? 0) << 8 | UInt16(second.asciiValue ?? 0)
    }

    static let sq: UInt16 = 0x5351
    static let un: UInt16 = 0x554E
    static let ob: UInt16 = 0x4F42
    static let ow: UInt16 = 0x4F57
    static let us: UInt16 = 0x5553
    static let ss: UInt16 = 0x5353

    enum LengthForm {
        /// Two bytes of length after the VR.
        case short
        /// Two reserved bytes, then four of length.
        case long
        /// Two capital letters that are no VR of this edition.
        case unknown
        /// Not two capital letters.
        case none
    }

    /// PS3.5 7.1.2.
    @inline(__always)
    static func lengthForm(_ vr: UInt16) -> LengthForm {
        switch vr {
        // AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US
        case 0x4145, 0x4153, 0x4154, 0x4353, 0x4441, 0x4453, 0x4454, 0x4644, 0x464C, 0x4953, 0x4C4F, 0x4C54, 0x504E,
            0x5348, 0x534C, 0x5353, 0x5354, 0x544D, 0x5549, 0x554C, 0x5553:
            return .short
        // OB OD OF OL OV OW SQ SV UC UN UR UT UV
        case 0x4F42, 0x4F44, 0x4F46, 0x4F4C, 0x4F56, 0x4F57, 0x5351, 0x5356, 0x5543, 0x554E, 0x5552, 0x5554, 0x5556:
            return .long
        default:
            let first = UInt8(truncatingIfNeeded: vr >> 8)
            let second = UInt8(truncatingIfNeeded: vr)
            return first &- 0x41 < 26 && second &- 0x41 < 26 ? .unknown : .none
        }
    }

    @inline(__always)
    static func isKnown(_ vr: UInt16) -> Bool {
        switch lengthForm(vr) {
        case .short, .long: true
        default: false
        }
    }
}

/// What the dictionary says of a tag whose VR is not written (PS3.5 A.1).
enum ImplicitVR {
    /// - Parameter signed: Pixel Representation (0028,0103) is 1, which makes "US or SS" SS.
    @inline(__always)
    static func of(_ tag: Tag, signed: Bool) -> UInt16 {
        let vr = DataDictionary.vr(of: tag).rawValue
        return vr == RawVR.us ? resolve(tag, signed) : vr
    }

    /// "US or SS", "US or OW"; the dictionary gives OW for "OB or OW".
    private static func resolve(_ tag: Tag, _ signed: Bool) -> UInt16 {
        if tag.group == 0x0028, tag.element == 0x1200 || tag.element == 0x3006 { return RawVR.ow }
        return signed && isUSOrSS(tag) ? RawVR.ss : RawVR.us
    }

    /// The tags whose VR Pixel Representation decides (PS3.6, "US or SS").
    static func isUSOrSS(_ tag: Tag) -> Bool {
        switch tag.rawValue {
        case 0x0018_9810, 0x0022_1452, 0x0028_0071, 0x0028_0104...0x0028_0111, 0x0028_0120, 0x0028_0121,
            0x0028_1100...0x0028_1103, 0x0028_1111...0x0028_1113, 0x0028_1200, 0x0028_3002, 0x0028_3006, 0x0040_9211,
            0x0040_9216, 0x0060_3004, 0x0060_3006:
            true
        default: false
        }
    }
}
