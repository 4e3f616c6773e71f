internal import Synchronization

/// The metrics of a process, in Prometheus' text format (version 0.0.4).
///
/// Asking for a metric again by the same name and labels gives the same object; keep the object in hot paths.
/// Names end in their unit (`_seconds`, `_bytes`), counters in `_total`. Labels have few values: never a UID.
public final class MetricsRegistry: Sendable {
    /// Labels of one series, in their order.
    public typealias Labels = KeyValuePairs<String, String>

    private enum Metric: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case computed(kind: String, @Sendable () -> Double)
        case histogram(Histogram)

        var kind: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .computed(let kind, _): kind
            case .histogram: "histogram"
            }
        }
    }

    private struct Family: Sendable {
        let help: String
        let kind: String
        var order: [String] = []
        var metrics: [String: Metric] = [:]
    }

    private let families = Mutex<[String: Family]>([:])

    public init() {}

    /// A number of events that only grows.
    public func counter(_ name: String, help: String, labels: Labels = [:]) -> Counter {
        let metric = metric(name, help: help, labels: labels) { .counter(Counter()) }
        guard case .counter(let counter) = metric else { preconditionFailure("\(name) is not a counter") }
        return counter
    }

    /// A value that goes up and down.
    public func gauge(_ name: String, help: String, labels: Labels = [:]) -> Gauge {
        let metric = metric(name, help: help, labels: labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = metric else { preconditionFailure("\(name) is not a gauge") }
        return gauge
    }

    /// A gauge that is asked when someone looks; `read` runs on the thread that answers.
    public func gauge(
        _ name: String, help: String, labels: Labels = [:], read: @escaping @Sendable () -> Double
    ) {
        _ = metric(name, help: help, labels: labels) { .computed(kind: "gauge", read) }
    }

    /// A counter that is kept elsewhere and asked when someone looks.
    public func counter(
        _ name: String, help: String, labels: Labels = [:], read: @escaping @Sendable () -> Double
    ) {
        _ = metric(name, help: help, labels: labels) { .computed(kind: "counter", read) }
    }

    /// A distribution; `buckets` are ascending upper bounds, by default of durations in seconds.
    public func histogram(
        _ name: String, help: String, labels: Labels = [:], buckets: [Double] = Histogram.seconds
    ) -> Histogram {
        let metric = metric(name, help: help, labels: labels) { .histogram(Histogram(buckets: buckets)) }
        guard case .histogram(let histogram) = metric else { preconditionFailure("\(name) is not a histogram") }
        return histogram
    }

    private func metric(_ name: String, help: String, labels: Labels, make: () -> Metric) -> Metric {
        let key = MetricsText.labels(labels)
        return families.withLock { families in
            if let metric = families[name]?.metrics[key] { return metric }
            let metric = make()
            var family = families[name] ?? Family(help: help, kind: metric.kind)
            precondition(family.kind == metric.kind, "\(name) is a \(family.kind) and a \(metric.kind)")
            family.order.append(key)
            family.metrics[key] = metric
            families[name] = family
            return metric
        }
    }

    /// The body of `/metrics`: `text/plain; version=0.0.4; charset=utf-8`.
    public func text() -> [UInt8] {
        // Computed metrics may take locks of their own: read them outside ours.
        let families = families.withLock { $0 }.sorted { $0.key < $1.key }
        var text = ""
        for (name, family) in families {
            text += "# HELP \(name) \(MetricsText.escapedHelp(family.help))\n# TYPE \(name) \(family.kind)\n"
            for key in family.order {
                switch family.metrics[key] {
                case .counter(let counter): text += "\(name)\(MetricsText.braces(key)) \(counter.value)\n"
                case .gauge(let gauge):
                    text += "\(name)\(MetricsText.braces(key)) \(MetricsText.number(gauge.value))\n"
                case .computed(_, let read): text += "\(name)\(MetricsText.braces(key)) \(MetricsText.number(read()))\n"
                case .histogram(let histogram): text += histogram.text(name: name, labels: key)
                case nil: break
                }
            }
        }
        return [UInt8](text.utf8)
    }
}

/// A number that only grows.
public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)
    init() {}
    /// Adds `amount`, which is not negative.
    public func add(_ amount: Int = 1) {
        precondition(amount >= 0, "a counter does not go back")
        count.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }
    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)
    init() {}
    public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
    public func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    public func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, current) = bits.compareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = current
        }
    }
}

/// Counts of values by upper bounds.
public final class Histogram: Sendable {
    /// Bounds for durations in seconds, from 0.5 ms to 10 s.
    public static let seconds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// Bounds for sizes in bytes, from 1 KiB to 4 GiB.
    public static let bytes = (0..<12).map { 1024 * Double(1 << (2 * $0)) }

    private struct State {
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(buckets: [Double]) {
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy { $0 < $1 }, "bounds of a histogram ascend")
        bounds = buckets
        state = Mutex(State(counts: Array(repeating: 0, count: buckets.count + 1)))
    }

    public func observe(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[index] += 1
            $0.sum += value
        }
    }

    /// How many values were observed.
    public var count: UInt64 { state.withLock { $0.counts.reduce(0, +) } }

    /// Observes how many seconds `body` takes, also when it throws.
    public func time<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let start = ContinuousClock.now
        defer {
            let (seconds, attoseconds) = (ContinuousClock.now - start).components
            observe(Double(seconds) + Double(attoseconds) * 1e-18)
        }
        return try body()
    }

    func text(name: String, labels: String) -> String {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        let prefix = labels.isEmpty ? "" : "\(labels),"
        var text = ""
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < bounds.count ? MetricsText.number(bounds[index]) : "+Inf"
            text += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(total)\n"
        }
        text += "\(name)_sum\(MetricsText.braces(labels)) \(MetricsText.number(sum))\n"
        text += "\(name)_count\(MetricsText.braces(labels)) \(total)\n"
        return text
    }
}

/// The rules of the text format.
enum MetricsText {
    static func labels(_ labels: MetricsRegistry.Labels) -> String {
        labels.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
    }

    static func braces(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return String(value)
    }

    static func escapedHelp(_ text: String) -> String {
        text.map { $0 == "\\" ? "\\\\" : $0 == "\n" ? "\\n" : String($0) }.joined()
    }

    private static func escaped(_ text: String) -> String {
        text.map { $0 == "\\" ? "\\\\" : $0 == "\n" ? "\\n" : $0 == "\"" ? "\\\"" : String($0) }.joined()
    }
}
