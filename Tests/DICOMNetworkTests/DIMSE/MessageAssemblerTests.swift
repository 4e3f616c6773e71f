import DICOMDictionary
import DICOMNetwork
import Testing

struct MessageAssemblerTests {
    static func command(_ field: UInt16, hasDataSet: Bool, id: UInt16 = 1) -> CommandSet {
        var command = CommandSet()
        command[text: Command.affectedSOPClassUID] = "1.2.840.10008.5.1.4.1.1.2"
        command[uint16: Command.commandField] = field
        command[uint16: Command.messageID] = id
        command[uint16: Command.dataSetType] = hasDataSet ? 0 : Command.noDataSet
        return command
    }

    /// The events of a sequence of fragments, the data joined; the abort at the end when there is one.
    static func run(_ parts: [(context: UInt8, isCommand: Bool, isLast: Bool, bytes: [UInt8])]) -> ([String], Abort?) {
        var assembler = MessageAssembler(isAccepted: { $0 == 1 || $0 == 3 })
        var events: [String] = []
        for part in parts {
            let fragment = Fragment(
                contextID: part.context, isCommand: part.isCommand, isLast: part.isLast, range: 0..<part.bytes.count)
            do {
                switch try part.bytes.withUnsafeBytes({ try assembler.add(fragment, in: $0) }) {
                case .none: events.append("none")
                case .command(let command, let context):
                    events.append("command \(command[uint16: Command.commandField] ?? 0) in \(context)")
                    if let early = assembler.takeEarlyData() {
                        events.append("early \(early.bytes)\(early.isLast ? " last" : "")")
                    }
                case .data(let isLast): events.append("data \(part.bytes)\(isLast ? " last" : "")")
                }
            } catch let abort as Abort { return (events, abort) } catch { return (events, nil) }
        }
        return (events, nil)
    }

    @Test func aMessageAfterTheOther() {
        let store = Self.command(1, hasDataSet: true).encoded()
        let echo = Self.command(0x30, hasDataSet: false).encoded()
        let (events, abort) = Self.run([
            (1, true, false, Array(store[..<10])), (1, true, false, []), (1, true, true, Array(store[10...])),
            (1, false, false, [1, 2]), (1, false, true, [3]),
            (3, true, true, echo),
            (3, true, true, store), (3, false, true, []),
        ])
        #expect(abort == nil)
        #expect(
            events == [
                "none", "none", "command 1 in 1", "data [1, 2]", "data [3] last", "command 48 in 3", "command 1 in 3",
                "data [] last",
            ])
    }

    @Test func dataBeforeTheEndOfItsCommandIsKept() {
        let store = Self.command(1, hasDataSet: true).encoded()
        let (events, abort) = Self.run([
            (1, true, false, Array(store[..<10])), (1, false, false, [1]), (1, true, true, Array(store[10...])),
            (1, false, true, [2]),
            (1, false, true, [9]), (1, true, true, store),
            (1, true, true, Self.command(0x30, hasDataSet: false).encoded()),
        ])
        #expect(abort == nil)
        #expect(
            events == [
                "none", "none", "command 1 in 1", "early [1]", "data [2] last", "none", "command 1 in 1",
                "early [9] last", "command 48 in 1",
            ])
    }

    @Test func whatHasNoPlaceAborts() {
        let store = Self.command(1, hasDataSet: true).encoded()
        // A context that was not accepted; another context in the middle of a message; a second command in the data.
        #expect(Self.run([(5, true, true, store)]).1 == .unexpectedParameter)
        #expect(Self.run([(1, true, true, store), (3, false, true, [1])]).1 == .unexpectedParameter)
        #expect(Self.run([(1, true, true, store), (1, true, true, store)]).1 == .unexpectedParameter)
        // A command that is none; one that is too long; early data without end; early data for a command without any.
        #expect(Self.run([(1, true, true, [1, 2, 3])]).1 == .invalidParameter)
        #expect(
            Self.run((0..<20).map { _ in (1, true, false, [UInt8](repeating: 0, count: 4096)) }).1 == .invalidParameter)
        #expect(
            Self.run((0..<20).map { _ in (1, false, false, [UInt8](repeating: 0, count: 65_536)) }).1
                == .unexpectedParameter)
        #expect(
            Self.run([(1, false, true, [1]), (1, true, true, Self.command(0x30, hasDataSet: false).encoded())]).1
                == .unexpectedParameter)
    }

    @Test func commandSetsComeBack() throws {
        var command = Self.command(1, hasDataSet: true)
        command[bytes: Tag(0x1211_1217)] = Array("49\\50".utf8) + [0x20]
        let bytes = command.encoded()
        // Group length counts group 0000 only (PS3.7 6.3.1).
        #expect(Array(bytes[..<8]) == [0, 0, 0, 0, 4, 0, 0, 0])
        #expect(Int(bytes[8]) == bytes.count - 12 - 8 - 6)
        let parsed = try CommandSet(parsing: bytes)
        #expect(parsed[text: Tag(0x1211_1217)] == "49\\50")
        #expect(parsed[uint16: Command.commandField] == 1)
        #expect(parsed.hasDataSet)
        let response = parsed.response(DIMSEStatus(0xC000, String(repeating: "x", count: 80) + "\\"))
        #expect(response[uint16: Command.commandField] == 0x8001)
        #expect(response[uint16: Command.messageIDBeingRespondedTo] == 1)
        #expect(response[text: Command.errorComment]?.count == 64)
        #expect(!response.hasDataSet)
    }

    @Test func commandSetsThatLeaveTheirBoundsAreRefused() {
        #expect(throws: CommandSet.ParseError(byteOffset: 0)) { try CommandSet(parsing: [0, 0, 0]) }
        #expect(throws: CommandSet.ParseError(byteOffset: 0)) {
            try CommandSet(parsing: [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 1])
        }
        #expect(throws: CommandSet.ParseError.self) {
            try CommandSet(
                parsing: (0..<600).flatMap { [0, 0, UInt8($0 & 255), UInt8($0 >> 8), 0, 0, 0, 0] as [UInt8] })
        }
    }

    @Test(arguments: [UInt32(8), 9, 16, 100, 16_384, 0])
    func pdusAreNoLongerThanThePeerWants(_ maximum: UInt32) throws {
        let encoder = try #require(PDVEncoder(peerMaximum: maximum))
        let command = Self.command(1, hasDataSet: false)
        let bytes = encoder.encode(command: command, contextID: 7)
        var position = 0
        var joined: [UInt8] = []
        while position < bytes.count {
            let length = bytes[(position + 2)..<(position + 6)].reduce(0) { $0 << 8 | Int($1) }
            #expect(maximum == 0 || length <= Int(maximum))
            joined += bytes[(position + 12)..<(position + 6 + length)]
            position += 6 + length
            #expect(bytes[position - length + 5] == (position == bytes.count ? 3 : 1))
        }
        #expect(joined == command.encoded())
    }

    @Test func aPeerThatTakesNothingGetsNoEncoder() {
        for maximum: UInt32 in 1...7 { #expect(PDVEncoder(peerMaximum: maximum) == nil) }
    }
}
