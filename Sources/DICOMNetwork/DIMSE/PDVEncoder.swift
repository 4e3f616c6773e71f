/// Cuts command and data sets into P-DATA-TF PDUs of one PDV each (PS3.8 9.3.5), no longer than the peer wants.
public struct PDVEncoder: Sendable {
    /// Bytes of data in each PDV: even, at least 2.
    public let fragmentSize: Int

    /// `peerMaximum`: the maximum length that the peer told (PS3.8 D.1), 0 for none. It counts the PDV's item length,
    /// context ID and control header, 6 bytes. Nothing can be sent to a peer that told less than 8: nil.
    public init?(peerMaximum: UInt32, ownLimit: Int = 262_144) {
        let limit = peerMaximum == 0 ? ownLimit : min(Int(peerMaximum), ownLimit)
        guard limit >= 8 else { return nil }
        fragmentSize = (limit - 6) & ~1
    }

    /// The 12 bytes in front of a fragment: PDU header (PS3.8 table 9-22), PDV header (table 9-23, E.2).
    public static func header(contextID: UInt8, isCommand: Bool, isLast: Bool, count: Int) -> [UInt8] {
        var writer = BigEndianWriter()
        writer.bytes.reserveCapacity(12)
        writer.bytes.append(contentsOf: [PDUType.data.rawValue, 0])
        writer.uint32(UInt32(count + 6))
        writer.uint32(UInt32(count + 2))
        writer.bytes.append(contentsOf: [contextID, (isCommand ? 1 : 0) | (isLast ? 2 : 0)])
        return writer.bytes
    }

    /// A command set as PDUs, ready to send.
    public func encode(command: CommandSet, contextID: UInt8) -> [UInt8] {
        encode(command.encoded(), contextID: contextID, isCommand: true)
    }

    public func encode(_ bytes: [UInt8], contextID: UInt8, isCommand: Bool) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        repeat {
            let count = min(fragmentSize, bytes.count - position)
            result += Self.header(
                contextID: contextID, isCommand: isCommand, isLast: position + count == bytes.count, count: count)
            result += bytes[position..<position + count]
            position += count
        } while position < bytes.count
        return result
    }
}
