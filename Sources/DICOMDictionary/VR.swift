/// A value representation (PS3.5 6.2), stored as its two characters.
public struct VR: RawRepresentable, Hashable, Sendable {
    /// The first character in the upper byte, the second in the lower.
    public let rawValue: UInt16

    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
    @inlinable public init(_ first: UInt8, _ second: UInt8) { rawValue = UInt16(first) << 8 | UInt16(second) }
    @inlinable init(_ name: StaticString) {
        self.init(name.utf8Start[0], name.utf8Start[1])
    }

    public static let ae = VR("AE"), `as` = VR("AS"), at = VR("AT"), cs = VR("CS"), da = VR("DA"), ds = VR("DS")
    public static let dt = VR("DT"), fl = VR("FL"), fd = VR("FD"), `is` = VR("IS"), lo = VR("LO"), lt = VR("LT")
    public static let ob = VR("OB"), od = VR("OD"), of = VR("OF"), ol = VR("OL"), ov = VR("OV"), ow = VR("OW")
    public static let pn = VR("PN"), sh = VR("SH"), sl = VR("SL"), sq = VR("SQ"), ss = VR("SS"), st = VR("ST")
    public static let sv = VR("SV"), tm = VR("TM"), uc = VR("UC"), ui = VR("UI"), ul = VR("UL"), un = VR("UN")
    public static let ur = VR("UR"), us = VR("US"), ut = VR("UT"), uv = VR("UV")
}
