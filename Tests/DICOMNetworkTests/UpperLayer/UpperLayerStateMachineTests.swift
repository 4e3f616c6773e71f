import DICOMNetwork
import Testing

/// PS3.8 table 9-10, cell by cell.
struct UpperLayerStateMachineTests {
    typealias Machine = UpperLayerStateMachine

    /// One row an event, one column a state, 1 to 13: the action and the next state; `-` an empty cell. `6?` stands for
    /// AE-6, `R`/`A` for what differs between requestor and acceptor.
    static let table: [(Machine.Event, String)] = [
        (.associateRequestPrimitive, "ae1/4 - - - - - - - - - - - -"),
        (.transportConnected, "- - - ae2/5 - - - - - - - - -"),
        (
            .associateAcceptPDU,
            "- aa1/13 aa8/13 - ae3/6 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa6/13"
        ),
        (
            .associateRejectPDU,
            "- aa1/13 aa8/13 - ae4/1 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa6/13"
        ),
        (.transportIndication, "ae5/2 - - - - - - - - - - - -"),
        (
            .associateRequestPDU(acceptable: true),
            "- ae6/3 aa8/13 - aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa7/13"
        ),
        (
            .associateRequestPDU(acceptable: false),
            "- ae6/13 aa8/13 - aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa7/13"
        ),
        (.acceptPrimitive, "- - ae7/6 - - - - - - - - - -"),
        (.rejectPrimitive, "- - ae8/13 - - - - - - - - - -"),
        (.dataPrimitive, "- - - - - dt1/6 - ar7/8 - - - - -"),
        (
            .dataPDU,
            "- aa1/13 aa8/13 - aa8/13 dt2/6 ar6/7 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa6/13"
        ),
        (.releaseRequestPrimitive, "- - - - - ar1/7 - - - - - - -"),
        (
            .releaseRequestPDU,
            "- aa1/13 aa8/13 - aa8/13 ar2/8 ar8/R9A10 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa6/13"
        ),
        (
            .releaseResponsePDU,
            "- aa1/13 aa8/13 - aa8/13 aa8/13 ar3/1 aa8/13 aa8/13 ar10/12 ar3/1 aa8/13 aa6/13"
        ),
        (.releaseResponsePrimitive, "- - - - - - - ar4/13 ar9/11 - - ar4/13 -"),
        (
            .abortPrimitive,
            "- - aa1/13 aa2/1 aa1/13 aa1/13 aa1/13 aa1/13 aa1/13 aa1/13 aa1/13 aa1/13 -"
        ),
        (.abortPDU, "- aa2/1 aa3/1 - aa3/1 aa3/1 aa3/1 aa3/1 aa3/1 aa3/1 aa3/1 aa3/1 aa2/1"),
        (.transportClosed, "- aa5/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 aa4/1 ar5/1"),
        (.timerExpired, "- aa2/1 - - - - - - - - - - aa2/1"),
        (
            .invalidPDU,
            "- aa1/13 aa8/13 - aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa8/13 aa7/13"
        ),
    ]

    /// The shortest ways into each state.
    static func machine(in state: Machine.State, role: Machine.Role) -> Machine? {
        var machine = Machine(role: role)
        let ways: [Machine.State: [Machine.Event]] = [
            .idle: [], .awaitingRequest: [.transportIndication],
            .awaitingLocalResponse: [.transportIndication, .associateRequestPDU(acceptable: true)],
            .awaitingTransport: [.associateRequestPrimitive],
            .awaitingAcceptOrReject: [.associateRequestPrimitive, .transportConnected],
        ]
        var events: [Machine.Event]
        if let way = ways[state] {
            events = way
        } else {
            events =
                role == .requestor
                ? [.associateRequestPrimitive, .transportConnected, .associateAcceptPDU]
                : [.transportIndication, .associateRequestPDU(acceptable: true), .acceptPrimitive]
            switch state {
            case .established: break
            case .awaitingReleaseResponse: events += [.releaseRequestPrimitive]
            case .awaitingLocalRelease: events += [.releaseRequestPDU]
            case .collisionRequestorAwaitingLocalRelease, .collisionAcceptorAwaitingReleaseResponse:
                events += [.releaseRequestPrimitive, .releaseRequestPDU]
            case .collisionRequestorAwaitingReleaseResponse:
                events += [.releaseRequestPrimitive, .releaseRequestPDU, .releaseResponsePrimitive]
            case .collisionAcceptorAwaitingLocalRelease:
                events += [.releaseRequestPrimitive, .releaseRequestPDU, .releaseResponsePDU]
            case .awaitingClose: events += [.abortPrimitive]
            default: return nil
            }
        }
        for event in events { guard machine.handle(event) != nil else { return nil } }
        return machine.state == state ? machine : nil
    }

    @Test(arguments: [Machine.Role.requestor, .acceptor])
    func everyCellIsTheStandards(_ role: Machine.Role) throws {
        var checked = 0
        for (event, row) in Self.table {
            let cells = row.split(separator: " ").map(String.init)
            try #require(cells.count == 13)
            for state in Machine.State.allCases {
                guard var machine = Self.machine(in: state, role: role) else { continue }
                let action = machine.handle(event)
                let cell = cells[Int(state.rawValue) - 1]
                checked += 1
                guard cell != "-" else {
                    #expect(action == nil, "\(event) in \(state)")
                    #expect(machine.state == state)
                    continue
                }
                let parts = cell.split(separator: "/")
                let next = parts[1] == "R9A10" ? (role == .requestor ? "9" : "10") : String(parts[1])
                #expect(action?.rawValue == String(parts[0]), "\(event) in \(state)")
                #expect(String(machine.state.rawValue) == next, "\(event) in \(state)")
            }
        }
        // Of 13 states each role cannot be in two of the collision states.
        #expect(checked == Self.table.count * 11)
    }
}
