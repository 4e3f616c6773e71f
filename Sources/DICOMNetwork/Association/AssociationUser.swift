public import DICOMCore
internal import DICOMDictionary
internal import Glibc

/// What an association user's call can come to.
public enum AssociationError: Error, Hashable, Sendable, CustomStringConvertible {
    case transport(TransportError)
    case rejected(AssociateReject)
    case aborted(Abort)
    /// The peer sent what makes no sense at this point; the association was aborted.
    case protocolViolation(String)
    /// No accepted presentation context for this SOP class and transfer syntax.
    case noContext(sopClass: String, transferSyntax: String)
    /// The file could not be read.
    case file(errorNumber: Int32)

    public var description: String {
        switch self {
        case .transport(let error): error.description
        case .rejected(let reject):
            "association rejected: result \(reject.result), source \(reject.source), reason \(reject.reason)"
        case .aborted(let abort): "association aborted: source \(abort.source), reason \(abort.reason)"
        case .protocolViolation(let what): "protocol violation: \(what)"
        case .noContext(let sopClass, let syntax): "no presentation context for \(sopClass) in \(syntax)"
        case .file(let number): "file: \(String(cString: strerror(number)))"
        }
    }
}

/// The requestor's side of an association: C-ECHO and C-STORE as SCU. Used by one thread.
public final class AssociationUser {
    public struct Configuration: Sendable {
        public var host: String
        public var port: UInt16
        public var calledAETitle: String
        public var callingAETitle = "WADO"
        public var contexts: [ProposedContext]
        public var maximumLength: UInt32 = 131_072

        public init(host: String, port: UInt16, calledAETitle: String, contexts: [ProposedContext]) {
            self.host = host
            self.port = port
            self.calledAETitle = calledAETitle
            self.contexts = contexts
        }
    }

    /// A file whose data set is sent as it stands.
    public struct StoreSource: Sendable {
        public var path: String
        /// Where the data set begins.
        public var dataSetOffset: Int
        public var sopClassUID: String
        public var sopInstanceUID: String
        public var transferSyntaxUID: String

        public init(
            path: String, dataSetOffset: Int, sopClassUID: String, sopInstanceUID: String, transferSyntaxUID: String
        ) {
            self.path = path
            self.dataSetOffset = dataSetOffset
            self.sopClassUID = sopClassUID
            self.sopInstanceUID = sopInstanceUID
            self.transferSyntaxUID = transferSyntaxUID
        }

        /// Finds in a file what the command needs: in its file meta, else in its data set. nil when it names no SOP
        /// class or instance, as a DICOMDIR does not.
        ///
        /// Throws what `DICOMFile.read` throws for what is no DICOM file.
        public init?(reading path: String) throws(DICOMError) {
            let file = try DICOMFile.read(path: path, options: ReadOptions(stopBefore: Tag(0x0008_0019)))
            let meta = file.meta
            let sopClass = file.dataSet.string(Tag(0x0008_0016)) ?? meta?.mediaStorageSOPClassUID ?? ""
            let instance = file.dataSet.string(Tag(0x0008_0018)) ?? meta?.mediaStorageSOPInstanceUID ?? ""
            guard !sopClass.isEmpty, !instance.isEmpty else { return nil }
            self.init(
                path: path, dataSetOffset: file.dataSetOffset, sopClassUID: sopClass, sopInstanceUID: instance,
                transferSyntaxUID: file.transferSyntax.uid)
        }
    }

    /// The accepted contexts.
    public private(set) var contexts: [NegotiatedContext] = []
    public private(set) var peer = UserInformation()
    private let socket: StreamSocket
    private var upper = UpperLayer(role: .requestor)
    private var assembler = MessageAssembler(isAccepted: { _ in true })
    private var encoder: PDVEncoder
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    private var received = 0..<0
    private var messageID: UInt16 = 0

    private static let connectMilliseconds = 10_000
    /// For each answer, and for a peer that takes no data.
    private static let responseMilliseconds = 60_000

    /// Connects and negotiates.
    public init(_ configuration: Configuration) throws(AssociationError) {
        guard let encoder = PDVEncoder(peerMaximum: 0) else { throw .protocolViolation("") }
        self.encoder = encoder
        _ = upper.connect()
        do {
            socket = try StreamSocket.connect(
                host: configuration.host, port: configuration.port,
                timeoutMilliseconds: Self.connectMilliseconds)
        } catch { throw .transport(error) }
        socket.setTimeouts(
            readMilliseconds: Self.responseMilliseconds, writeMilliseconds: Self.responseMilliseconds)
        var request = AssociateRequest(
            titles: AssociateTitles(called: configuration.calledAETitle, calling: configuration.callingAETitle),
            contexts: configuration.contexts)
        request.user.maximumLength = configuration.maximumLength
        request.user.implementationClassUID = Implementation.classUID
        request.user.implementationVersionName = Implementation.versionName
        for case .send(let bytes) in upper.connected(request) { try send(bytes) }
        var answer: AssociateAccept?
        while answer == nil {
            for case .confirmAccepted(let accept) in try receive().effects { answer = accept }
        }
        guard let answer else { return }
        peer = answer.user
        let proposed = Dictionary(configuration.contexts.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        contexts = answer.contexts.compactMap { result in
            guard result.result == .acceptance, let context = proposed[result.id] else { return nil }
            return NegotiatedContext(
                id: result.id, abstractSyntax: context.abstractSyntax, transferSyntax: result.transferSyntax)
        }
        guard let encoder = PDVEncoder(peerMaximum: answer.user.maximumLength) else {
            abort()
            throw .protocolViolation("maximum length \(answer.user.maximumLength)")
        }
        self.encoder = encoder
    }

    /// C-ECHO (PS3.7 9.1.5): the status.
    public func echo() throws(AssociationError) -> DIMSEStatus {
        guard let context = contexts.first(where: { $0.abstractSyntax == AcceptorPolicy.verification }) else {
            throw .noContext(sopClass: AcceptorPolicy.verification, transferSyntax: "")
        }
        var command = request(Command.echoRequest, sopClass: context.abstractSyntax)
        command[uint16: Command.dataSetType] = Command.noDataSet
        try send(encoder.encode(command: command, contextID: context.id))
        return try response()
    }

    /// C-STORE (PS3.7 9.1.1) of a file, streaming. `extra` elements go into the command set.
    public func store(
        _ source: StoreSource, extra: [(tag: UInt32, value: [UInt8])] = []
    ) throws(AssociationError) -> DIMSEStatus {
        let file = open(source.path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .file(errorNumber: errno) }
        defer { Glibc.close(file) }
        var information = stat()
        guard fstat(file, &information) == 0 else { throw .file(errorNumber: errno) }
        var offset = source.dataSetOffset
        let end = Int(information.st_size)
        var chunk = [UInt8](repeating: 0, count: min(encoder.fragmentSize, 262_144))
        return try store(
            sopClassUID: source.sopClassUID, sopInstanceUID: source.sopInstanceUID,
            transferSyntaxUID: source.transferSyntaxUID, extra: extra
        ) { () throws(AssociationError) -> (ArraySlice<UInt8>, Bool) in
            let count = pread(file, &chunk, chunk.count, off_t(offset))
            guard count >= 0 else { throw .file(errorNumber: errno) }
            offset += count
            return (chunk[..<count], count == 0 || offset >= end)
        }
    }

    /// C-STORE of a data set in memory.
    public func store(
        dataSet: [UInt8], sopClassUID: String, sopInstanceUID: String, transferSyntaxUID: String,
        extra: [(tag: UInt32, value: [UInt8])] = []
    ) throws(AssociationError) -> DIMSEStatus {
        var offset = 0
        let size = encoder.fragmentSize
        return try store(
            sopClassUID: sopClassUID, sopInstanceUID: sopInstanceUID, transferSyntaxUID: transferSyntaxUID,
            extra: extra
        ) { () throws(AssociationError) -> (ArraySlice<UInt8>, Bool) in
            let piece = dataSet[offset..<min(offset + size, dataSet.count)]
            offset += piece.count
            return (piece, offset >= dataSet.count)
        }
    }

    /// C-STORE of a data set that `next` yields in pieces; true with the last one.
    public func store(
        sopClassUID: String, sopInstanceUID: String, transferSyntaxUID: String,
        extra: [(tag: UInt32, value: [UInt8])] = [],
        next: () throws(AssociationError) -> (bytes: ArraySlice<UInt8>, isLast: Bool)
    ) throws(AssociationError) -> DIMSEStatus {
        guard
            let context = contexts.first(where: {
                $0.abstractSyntax == sopClassUID && $0.transferSyntax == transferSyntaxUID
            })
        else { throw .noContext(sopClass: sopClassUID, transferSyntax: transferSyntaxUID) }
        var command = request(Command.storeRequest, sopClass: sopClassUID)
        command[uint16: Command.priority] = 0
        command[uint16: Command.dataSetType] = 0
        command[text: Command.affectedSOPInstanceUID] = sopInstanceUID
        for element in extra { command[bytes: .init(element.tag)] = element.value }
        try send(encoder.encode(command: command, contextID: context.id), more: true)
        var isLast = false
        while !isLast {
            let piece = try next()
            isLast = piece.isLast
            var rest = piece.bytes
            repeat {
                let part = rest.prefix(encoder.fragmentSize)
                rest = rest.dropFirst(part.count)
                try send(
                    PDVEncoder.header(
                        contextID: context.id, isCommand: false, isLast: isLast && rest.isEmpty, count: part.count),
                    more: true)
                try send(part, more: !(isLast && rest.isEmpty))
            } while !rest.isEmpty
        }
        return try response()
    }

    /// Releases the association (PS3.8 7.2) and closes the connection.
    public func release() throws(AssociationError) {
        for case .send(let bytes) in upper.requestRelease() { try send(bytes) }
        while true {
            let (effects, fragment) = try receive()
            if fragment != nil { continue }
            for effect in effects {
                switch effect {
                case .confirmRelease, .closeTransport: return close()
                case .indicateRelease:
                    for case .send(let bytes) in upper.respondToRelease() { try send(bytes) }
                default: break
                }
            }
        }
    }

    /// Aborts the association (PS3.8 7.3) and closes the connection.
    public func abort() {
        for case .send(let bytes) in upper.abort(.byUser) { try? send(bytes) }
        close()
    }

    private func close() { socket.shutdown(reading: true, writing: true) }

    private func request(_ field: UInt16, sopClass: String) -> CommandSet {
        messageID &+= 1
        var command = CommandSet()
        command[text: Command.affectedSOPClassUID] = sopClass
        command[uint16: Command.commandField] = field
        command[uint16: Command.messageID] = messageID
        return command
    }

    private func response() throws(AssociationError) -> DIMSEStatus {
        while true {
            let (effects, fragment) = try receive()
            if effects.contains(.indicateRelease) {
                abort()
                throw .protocolViolation("release during an operation")
            }
            guard let fragment else { continue }
            let event: MessageAssembler.Event
            do {
                event = try buffer.withUnsafeBytes { try assembler.add(fragment, in: $0) }
            } catch {
                abort()
                throw .protocolViolation("fragment out of place")
            }
            guard case .command(let command, _) = event else { continue }
            if let early = assembler.takeEarlyData(), early.isLast { continue }
            guard command[uint16: Command.messageIDBeingRespondedTo] == messageID,
                let status = command[uint16: Command.status]
            else { continue }
            return DIMSEStatus(status, command[text: Command.errorComment])
        }
    }

    /// The next fragment (standing in `buffer`) or the next effects that are not for sending.
    private func receive() throws(AssociationError) -> (effects: [UpperLayer.Effect], fragment: Fragment?) {
        while true {
            if received.isEmpty {
                do {
                    let socket = socket
                    let count = try buffer.withUnsafeMutableBytes { try socket.read(into: $0) }
                    guard count > 0 else { throw TransportError.closed }
                    received = 0..<count
                } catch {
                    _ = upper.transportClosed()
                    throw .transport(error as? TransportError ?? .closed)
                }
            }
            var effects: [UpperLayer.Effect] = []
            var position = received.lowerBound
            let end = received.upperBound
            let fragment = buffer.withUnsafeBytes { bytes in
                upper.receive(UnsafeRawBufferPointer(rebasing: bytes[..<end]), at: &position, effects: &effects)
            }
            received = position..<end
            for effect in effects {
                switch effect {
                case .send(let bytes): try send(bytes)
                case .confirmRejected(let reject): throw .rejected(reject)
                case .indicateAbort(let abort): throw .aborted(abort)
                default: break
                }
            }
            if fragment != nil || !effects.isEmpty { return (effects, fragment) }
        }
    }

    private func send(_ bytes: [UInt8], more: Bool = false) throws(AssociationError) {
        try send(bytes[...], more: more)
    }

    private func send(_ bytes: ArraySlice<UInt8>, more: Bool) throws(AssociationError) {
        do {
            let socket = socket
            try bytes.withUnsafeBytes { try socket.write($0, more: more) }
        } catch { throw .transport(error as? TransportError ?? .closed) }
    }
}
