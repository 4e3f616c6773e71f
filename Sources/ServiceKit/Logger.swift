internal import Glibc
internal import Synchronization

/// Writes events as lines of JSON: time (UTC), level, service, event, and the event's fields.
///
/// `{"time":"2026-01-31T09:00:00.123Z","level":"info","service":"wado-server","event":"started","port":9999}`
///
/// No patient data by design: the event is a constant of the program, and values are numbers, UIDs, AE titles, addresses,
/// trace ids, tag paths and names of rules; never a value of a data set. A line is at most 4,096 bytes (`PIPE_BUF`) and
/// goes out in one `write`, so lines of several threads and processes never mix. A level that is off costs one load.
public struct Logger: Sendable {
    /// How serious an event is.
    public enum Level: UInt8, CaseIterable, Comparable, Sendable {
        case debug, info, warning, error

        /// As it is written in lines and settings.
        public var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }

        public init?(name: String) {
            guard let level = Level.allCases.first(where: { $0.name == name }) else { return nil }
            self = level
        }

        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// A value of a field. A text is cut after 1,024 bytes.
    public enum Value: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
        case string(String)
        case int(Int)
        case double(Double)
        case bool(Bool)

        public init(stringLiteral value: String) { self = .string(value) }
        public init(integerLiteral value: Int) { self = .int(value) }
        public init(booleanLiteral value: Bool) { self = .bool(value) }
    }

    /// The fields of an event, in their order.
    public struct Fields: Sendable, ExpressibleByDictionaryLiteral {
        public private(set) var pairs: [(key: String, value: Value)] = []

        public init(dictionaryLiteral elements: (String, Value)...) {
            pairs = elements.map { (key: $0.0, value: $0.1) }
        }

        public mutating func append(_ key: String, _ value: Value) { pairs.append((key: key, value: value)) }
    }

    private final class Core: Sendable {
        let service: String
        let level: Atomic<UInt8>
        let counts = Mutex<[Int]>([0, 0, 0, 0])
        let output: @Sendable ([UInt8]) -> Void

        init(service: String, level: Level, output: @escaping @Sendable ([UInt8]) -> Void) {
            self.service = service
            self.level = Atomic(level.rawValue)
            self.output = output
        }
    }

    private let core: Core

    /// - Parameter output: gets each whole line with its line feed; standard error by default.
    public init(
        service: String, level: Level = .info, output: @escaping @Sendable ([UInt8]) -> Void = Logger.standardError
    ) {
        core = Core(service: service, level: level, output: output)
    }

    /// A logger that drops everything.
    public static let silent = Logger(service: "", level: .error, output: { _ in })

    /// Writes a line to standard error.
    public static let standardError: @Sendable ([UInt8]) -> Void = { line in
        line.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count, let base = bytes.baseAddress {
                let written = write(2, base + offset, bytes.count - offset)
                if written > 0 {
                    offset += written
                } else if errno != EINTR {
                    return
                }
            }
        }
    }

    /// Events below it are dropped. May be changed while running.
    public var level: Level {
        get { Level(rawValue: core.level.load(ordering: .relaxed)) ?? .info }
        nonmutating set { core.level.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// How many lines of this level were written.
    public func count(of level: Level) -> Int { core.counts.withLock { $0[Int(level.rawValue)] } }

    /// Something that helps to find a fault; off by default. The fields are not made when the level is off.
    public func debug(_ event: StaticString, _ fields: @autoclosure () -> Fields = [:]) { log(.debug, event, fields) }
    /// Something that happens in the course of things.
    public func info(_ event: StaticString, _ fields: @autoclosure () -> Fields = [:]) { log(.info, event, fields) }
    /// Something that someone should know of, and that the program goes on from.
    public func warning(_ event: StaticString, _ fields: @autoclosure () -> Fields = [:]) {
        log(.warning, event, fields)
    }
    /// Something that failed and needs someone to act.
    public func error(_ event: StaticString, _ fields: @autoclosure () -> Fields = [:]) { log(.error, event, fields) }

    /// Writes the event when its level is on.
    public func log(_ level: Level, _ event: StaticString, _ fields: () -> Fields) {
        guard level.rawValue >= core.level.load(ordering: .relaxed) else { return }
        core.counts.withLock { $0[Int(level.rawValue)] += 1 }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        core.output(
            LogLine.encode(
                seconds: Int(time.tv_sec), nanoseconds: Int(time.tv_nsec), level: level, service: core.service,
                event: event.description, fields: fields()))
    }
}
