/// Value representations as numbers, so that the switch is a table.
enum VRCode {
    static let ae: UInt16 = 0x4145
    static let `as`: UInt16 = 0x4153
    static let at: UInt16 = 0x4154
    static let cs: UInt16 = 0x4353
    static let da: UInt16 = 0x4441
    static let ds: UInt16 = 0x4453
    static let dt: UInt16 = 0x4454
    static let fd: UInt16 = 0x4644
    static let fl: UInt16 = 0x464C
    static let `is`: UInt16 = 0x4953
    static let lo: UInt16 = 0x4C4F
    static let lt: UInt16 = 0x4C54
    static let ob: UInt16 = 0x4F42
    static let od: UInt16 = 0x4F44
    static let of: UInt16 = 0x4F46
    static let ol: UInt16 = 0x4F4C
    static let ov: UInt16 = 0x4F56
    static let ow: UInt16 = 0x4F57
    static let pn: UInt16 = 0x504E
    static let sh: UInt16 = 0x5348
    static let sl: UInt16 = 0x534C
    static let sq: UInt16 = 0x5351
    static let ss: UInt16 = 0x5353
    static let st: UInt16 = 0x5354
    static let sv: UInt16 = 0x5356
    static let tm: UInt16 = 0x544D
    static let uc: UInt16 = 0x5543
    static let ui: UInt16 = 0x5549
    static let ul: UInt16 = 0x554C
    static let un: UInt16 = 0x554E
    static let ur: UInt16 = 0x5552
    static let us: UInt16 = 0x5553
    static let ut: UInt16 = 0x5554
    static let uv: UInt16 = 0x5556

    /// Text and numbers; binary values may become a URI, and items are looked at one by one.
    static func isWrittenOut(_ vr: UInt16) -> Bool {
        switch vr {
        case VRCode.ae, VRCode.as, VRCode.cs, VRCode.da, VRCode.dt, VRCode.tm, VRCode.ui, VRCode.lo, VRCode.sh,
            VRCode.uc, VRCode.lt, VRCode.st, VRCode.ut, VRCode.ur, VRCode.ds, VRCode.is, VRCode.pn, VRCode.us,
            VRCode.ss, VRCode.ul, VRCode.sl, VRCode.uv, VRCode.sv, VRCode.fl, VRCode.fd, VRCode.at:
            true
        default: false
        }
    }
}
