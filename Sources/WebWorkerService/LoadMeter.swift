import Glibc
import Synchronization

/// How busy the machine is, in percent of what it has.
public struct MachineLoad: Sendable, Equatable {
    public var cpuPercent: Double
    public var memoryPercent: Double

    public init(cpuPercent: Double, memoryPercent: Double) {
        self.cpuPercent = cpuPercent
        self.memoryPercent = memoryPercent
    }
}

/// Tells how busy the machine is.
public protocol LoadMeter: Sendable {
    /// Since the last call; 0 where it cannot be known.
    func sample() -> MachineLoad
}

/// By /proc/stat and /proc/meminfo.
public final class SystemLoadMeter: LoadMeter {
    private let last = Mutex<(busy: UInt64, all: UInt64)>((0, 0))

    public init() {}

    public func sample() -> MachineLoad {
        MachineLoad(cpuPercent: cpu(), memoryPercent: memory())
    }

    private func cpu() -> Double {
        guard let times = Self.times(Self.read("/proc/stat")) else { return 0 }
        return last.withLock { last in
            defer { last = times }
            let all = times.all &- last.all
            guard times.all > last.all, times.busy >= last.busy else { return 0 }
            return Double(times.busy - last.busy) / Double(all) * 100
        }
    }

    private func memory() -> Double {
        let text = Self.read("/proc/meminfo")
        guard let total = Self.field("MemTotal:", text), let available = Self.field("MemAvailable:", text), total > 0
        else { return 0 }
        return max(0, 1 - Double(available) / Double(total)) * 100
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal; in ticks since the start.
    static func times(_ text: String) -> (busy: UInt64, all: UInt64)? {
        guard let line = text.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let numbers = line.split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) }
        guard numbers.count >= 5 else { return nil }
        let all = numbers.reduce(0, &+)
        return (all - numbers[3] - numbers[4], all)
    }

    static func field(_ name: String, _ text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        }
        return nil
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
