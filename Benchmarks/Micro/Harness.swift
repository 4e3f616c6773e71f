import CAllocationCounter

/// Times a piece of work: warm-up, then samples of at least some milliseconds each; prints median and allocations.
struct Harness {
    /// Samples that count.
    var samples = 11
    /// The least length of a sample, in nanoseconds.
    var sampleNanoseconds: UInt64 = 30_000_000

    /// `work` does the thing once and returns something that depends on all of it, so that nothing is left out.
    func measure(_ name: String, unit: String = "op", perCall: Int = 1, _ work: () throws -> Int) rethrows {
        var sink = 0
        var calls = 1
        while true {
            let spent = try time(calls, work, &sink)
            if spent >= sampleNanoseconds { break }
            calls = max(
                calls + 1, Int(Double(calls) * min(10, 1.2 * Double(sampleNanoseconds) / Double(max(spent, 1)))))
        }
        let before = wado_allocations()
        for _ in 0..<calls { sink &+= try work() }
        let allocations = Double(wado_allocations() - before) / Double(calls * perCall)
        var times: [Double] = []
        for _ in 0..<samples {
            times.append(Double(try time(calls, work, &sink)) / Double(calls * perCall))
        }
        times.sort()
        let median = times[times.count / 2]
        print(
            "\(pad(name, 44)) \(pad(number(median), 12, left: true)) ns/\(unit)"
                + "  \(pad(number(1e9 / median), 12, left: true))/s"
                + "  \(pad(number(allocations), 8, left: true)) allocations"
                + "  (\(number(times[0]))-\(number(times[times.count - 1])))\(sink == Int.min ? " " : "")")
    }

    private func time(_ calls: Int, _ work: () throws -> Int, _ sink: inout Int) rethrows -> UInt64 {
        let clock = ContinuousClock()
        let start = clock.now
        for _ in 0..<calls { sink &+= try work() }
        let spent = clock.now - start
        return UInt64(spent.components.seconds) * 1_000_000_000 + UInt64(spent.components.attoseconds / 1_000_000_000)
    }

    private func number(_ value: Double) -> String {
        if value >= 100 { return String(Int(value.rounded())) }
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}
