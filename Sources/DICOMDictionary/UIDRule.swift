/// What a unique identifier is (PS3.5 9.1).
public enum UIDRule {
    /// 1 to 64 digits and full stops, no full stop at an end or beside another. Zeros in front of a component, which the
    /// standard forbids and some senders write, are taken.
    @inlinable
    public static func isUID(_ text: some Collection<UInt8>) -> Bool {
        guard 1...64 ~= text.count else { return false }
        var wasStop = true
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): wasStop = false
            case UInt8(ascii: "."):
                if wasStop { return false }
                wasStop = true
            default: return false
            }
        }
        return !wasStop
    }
}
