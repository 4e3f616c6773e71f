/// A part of a presentation data value (PS3.8 9.3.5.1), as much of it as has arrived.
public struct Fragment: Hashable, Sendable {
    public var contextID: UInt8
    /// Part of a command set, else of a data set (PS3.8 E.2, bit 0).
    public var isCommand: Bool
    /// Ends the command set or the data set: these are the last bytes of a PDV with bit 1 set (PS3.8 E.2).
    public var isLast: Bool
    /// Where the bytes stand in the buffer that was decoded; may be empty.
    public var range: Range<Int>

    public init(contextID: UInt8, isCommand: Bool, isLast: Bool, range: Range<Int>) {
        self.contextID = contextID
        self.isCommand = isCommand
        self.isLast = isLast
        self.range = range
    }
}

/// Cuts a stream of bytes into PDUs and fragments, whatever pieces it arrives in.
///
/// The fragments of P-DATA-TF are handed on in place and never collected, so its length costs no memory. The other
/// PDUs are collected, to at most `maximumControlLength` bytes.
public struct PDUDecoder: Sendable {
    public enum Event: Hashable, Sendable {
        case pdu(PDU)
        /// The header of a P-DATA-TF was read; its fragments follow.
        case dataBegins
        case fragment(Fragment)
        /// The stream is not to be understood from here on; the abort says why.
        case malformed(Abort)
    }

    /// The longest PDU other than P-DATA-TF that is read: 256 kB, for 128 contexts of 40 transfer syntaxes and a
    /// user identity of 64 kB.
    public static let maximumControlLength = 262_144

    private enum State: Hashable, Sendable {
        case header
        case control(PDUType, length: Int)
        case valueHeader
        case value
        case failed(Abort)
    }

    private var state = State.header
    private var collected: [UInt8] = []
    /// Bytes left of the P-DATA-TF.
    private var dataLeft = 0
    /// Bytes left of the PDV's fragment.
    private var valueLeft = 0
    private var contextID: UInt8 = 0
    private var control: UInt8 = 0

    public init() {}

    /// The longest fragment of a data set so far, in bytes.
    public private(set) var longestFragment = 0

    /// Bytes that are still to come of the data set's fragment under way; 0 when it is none.
    public var expectedData: Int { state == .value && control & 1 == 0 ? valueLeft : 0 }

    /// Bytes collected of a PDU that is not whole yet.
    public var pendingBytes: Int { collected.count }

    /// The next event in `buffer` from `position` on; moves `position` behind it. nil: more bytes are needed, and
    /// all of the buffer is used up.
    public mutating func next(in buffer: UnsafeRawBufferPointer, at position: inout Int) -> Event? {
        while true {
            switch state {
            case .header:
                guard collect(6, from: buffer, at: &position) else { return nil }
                let length =
                    Int(collected[2]) << 24 | Int(collected[3]) << 16 | Int(collected[4]) << 8
                    | Int(collected[5])
                let type = collected[0]
                collected.removeAll(keepingCapacity: true)
                guard let type = PDUType(rawValue: type) else { return fail(.unrecognizedPDU) }
                if type == .data {
                    dataLeft = length
                    state = .valueHeader
                    return .dataBegins
                }
                let maximum =
                    type == .associateRequest || type == .associateAccept ? Self.maximumControlLength : 1024
                guard length <= maximum else { return fail(.invalidParameter) }
                state = .control(type, length: length)
            case .control(let type, let length):
                guard collect(length, from: buffer, at: &position) else { return nil }
                let body = collected
                collected = []
                state = .header
                do {
                    return .pdu(try PDU.decode(type, body))
                } catch {
                    return fail(error)
                }
            case .valueHeader:
                if dataLeft == 0 {
                    guard collected.isEmpty else { return fail(.invalidParameter) }
                    state = .header
                    continue
                }
                // PS3.8 9.3.5.1: item length, context ID; E.2: message control header.
                guard dataLeft >= 6 else { return fail(.invalidParameter) }
                guard collect(6, from: buffer, at: &position) else { return nil }
                let length =
                    Int(collected[0]) << 24 | Int(collected[1]) << 16 | Int(collected[2]) << 8
                    | Int(collected[3])
                contextID = collected[4]
                control = collected[5]
                collected.removeAll(keepingCapacity: true)
                guard length >= 2, length - 2 <= dataLeft - 6 else { return fail(.invalidParameter) }
                dataLeft -= 6
                valueLeft = length - 2
                if control & 1 == 0 { longestFragment = max(longestFragment, valueLeft) }
                state = .value
            case .value:
                let available = min(valueLeft, buffer.count - position)
                // An empty fragment is worth telling only when it ends something.
                if available == 0 && valueLeft > 0 { return nil }
                let range = position..<position + available
                position += available
                valueLeft -= available
                dataLeft -= available
                if valueLeft == 0 { state = .valueHeader }
                return .fragment(
                    Fragment(
                        contextID: contextID, isCommand: control & 1 == 1, isLast: valueLeft == 0 && control & 2 == 2,
                        range: range))
            case .failed(let abort):
                position = buffer.count
                return .malformed(abort)
            }
        }
    }

    private mutating func fail(_ abort: Abort) -> Event {
        collected = []
        state = .failed(abort)
        return .malformed(abort)
    }

    /// Collects until `count` bytes are there.
    private mutating func collect(_ count: Int, from buffer: UnsafeRawBufferPointer, at position: inout Int) -> Bool {
        let taken = min(count - collected.count, buffer.count - position)
        if taken > 0 {
            collected.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[position..<position + taken]))
            position += taken
        }
        return collected.count >= count
    }
}
