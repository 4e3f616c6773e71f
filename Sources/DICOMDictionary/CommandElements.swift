/// The elements of commands, group 0000, which PS3.7 E.1 registers and PS3.6 does not.
enum CommandElements {
    static func vr(of element: UInt16) -> VR? {
        switch element {
        case 0x0000: .ul
        case 0x0002, 0x0003, 0x1000, 0x1001: .ui
        case 0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x0903, 0x1002, 0x1008, 0x1020, 0x1021, 0x1022, 0x1023,
            0x1031:
            .us
        case 0x0600, 0x1030: .ae
        case 0x0901, 0x1005: .at
        case 0x0902: .lo
        default: nil
        }
    }
}
