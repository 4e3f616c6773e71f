import ServiceKit
import Synchronization
import Testing

@Suite struct LoggerTests {
    private final class Lines: Sendable {
        let lines = Mutex<[String]>([])
        func logger(_ level: Logger.Level = .info) -> Logger {
            Logger(service: "test", level: level) { line in
                self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            }
        }
        var all: [String] { lines.withLock { $0 } }
    }

    @Test func writesOneJSONLine() throws {
        let lines = Lines()
        lines.logger().info(
            "stored", ["ae": "MOD\"\\ALITY\n\u{1}", "bytes": 525_000, "seconds": .double(0.5), "ok": true])
        let line = try #require(lines.all.first)
        #expect(line.hasSuffix("}\n"))
        #expect(line.contains(#""level":"info","service":"test","event":"stored","ae":"MOD\"\\ALITY\n\u0001""#))
        #expect(line.contains(#","bytes":525000,"seconds":0.5,"ok":true}"#))
        #expect(line.filter { $0 == "\n" }.count == 1)
    }

    @Test func fieldsOfAnEventThatIsOffAreNotMade() {
        let lines = Lines()
        let logger = lines.logger(.warning)
        var made = 0
        func fields() -> Logger.Fields {
            made += 1
            return [:]
        }
        logger.debug("quiet", fields())
        logger.info("quiet", fields())
        #expect(made == 0 && lines.all.isEmpty)
        logger.level = .debug
        logger.debug("heard", fields())
        #expect(made == 1 && lines.all.count == 1 && logger.count(of: .debug) == 1)
    }

    @Test func aLineFitsAPipe() throws {
        let lines = Lines()
        var fields: Logger.Fields = [:]
        for index in 0..<20 { fields.append("key\(index)", .string(String(repeating: "\u{1}", count: 5000))) }
        lines.logger().error("long", fields)
        let line = try #require(lines.all.first)
        #expect(line.utf8.count <= 4096 && line.hasSuffix(#","truncated":true}"# + "\n"))
    }

    @Test func longTextEndsAtACharacter() {
        let line = LogLine.encode(
            seconds: 0, nanoseconds: 0, level: .info, service: "s", event: "e",
            fields: ["text": .string(String(repeating: "画", count: 1000))])
        #expect(String(validating: line, as: UTF8.self) != nil)
        #expect(String(decoding: line, as: UTF8.self).filter { $0 == "画" }.count == LogLine.textLimit / 3)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399, "2100-02-28T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        (-62_135_596_800, "0001-01-01T00:00:00.000Z"),
    ])
    func timesAreUTC(seconds: Int, text: String) {
        #expect(UTCTime.text(seconds: seconds, nanoseconds: 999) == text)
    }
}

@Suite struct MetricsRegistryTests {
    @Test func writesPrometheusText() {
        let metrics = MetricsRegistry()
        metrics.counter("b_total", help: "Counts.", labels: ["code": "200", "text": "a\"b\\c\n"]).add(3)
        metrics.counter("b_total", help: "Counts.", labels: ["code": "404", "text": ""]).add()
        metrics.gauge("a_bytes", help: "One\nline.").set(1.5)
        metrics.gauge("c", help: "Asked.") { 7 }
        #expect(
            String(decoding: metrics.text(), as: UTF8.self) == """
                # HELP a_bytes One\\nline.
                # TYPE a_bytes gauge
                a_bytes 1.5
                # HELP b_total Counts.
                # TYPE b_total counter
                b_total{code="200",text="a\\"b\\\\c\\n"} 3
                b_total{code="404",text=""} 1
                # HELP c Asked.
                # TYPE c gauge
                c 7

                """)
    }

    @Test func histogramsAreCumulative() {
        let metrics = MetricsRegistry()
        let histogram = metrics.histogram("h_seconds", help: "H.", labels: ["op": "x"], buckets: [0.1, 1])
        for value in [0.05, 0.1, 0.5, 5] { histogram.observe(value) }
        let text = String(decoding: metrics.text(), as: UTF8.self)
        #expect(text.contains(#"h_seconds_bucket{op="x",le="0.1"} 2"#))
        #expect(text.contains(#"h_seconds_bucket{op="x",le="1"} 3"#))
        #expect(text.contains(#"h_seconds_bucket{op="x",le="+Inf"} 4"#))
        #expect(text.contains(#"h_seconds_sum{op="x"} 5.65"#) && text.contains(#"h_seconds_count{op="x"} 4"#))
    }

    @Test func sameNameAndLabelsAreTheSameMetric() {
        let metrics = MetricsRegistry()
        #expect(metrics.counter("x_total", help: "") === metrics.counter("x_total", help: ""))
        let gauge = metrics.gauge("g", help: "")
        gauge.add(2)
        gauge.add(-0.5)
        #expect(metrics.gauge("g", help: "").value == 1.5)
    }

    @Test func knowsItsProcess() {
        let metrics = MetricsRegistry()
        metrics.addProcessMetrics()
        var values: [String: Double] = [:]
        for line in String(decoding: metrics.text(), as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            values[String(parts[0])] = Double(parts[1])
        }
        #expect(values["process_resident_memory_bytes"] ?? 0 > 1_000_000)
        #expect(values["process_threads"] ?? 0 >= 1 && values["process_open_fds"] ?? 0 >= 1)
        #expect(values["process_cpu_seconds_total"] ?? 0 > 0 && values["process_start_time_seconds"] ?? 0 > 1e9)
    }
}

@Suite struct ServiceThreadTests {
    @Test func stopsAndJoins() throws {
        let rounds = Mutex(0)
        let thread = try ServiceThread(name: "a name longer than 15 bytes") { stop in
            while !stop.wait(milliseconds: 1) { rounds.withLock { $0 += 1 } }
        }
        while rounds.withLock({ $0 }) < 3 {}
        #expect(!thread.isFinished)
        thread.stop()
        thread.join()
        thread.join()
        #expect(thread.isFinished)
    }

    @Test func aStoppableThreadEndsOnce() throws {
        let thread = StoppableThread()
        #expect(!thread.isRunning && !thread.stop())
        let ended = Monitor(0)
        for round in 1...2 {
            try thread.start(name: "round") { stop in
                stop.wait()
                ended.withLock { $0 += 1 }
            }
            #expect(thread.isRunning && thread.stop() && ended.current == round)
            #expect(!thread.isRunning && !thread.stop())
        }
    }

    @Test func hasItsName() throws {
        let name = Mutex("")
        let thread = try ServiceThread(name: "a name longer than 15 bytes") { _ in
            name.withLock { $0 = ProcessFiles.read("/proc/thread-self/comm") ?? "" }
        }
        thread.join()
        #expect(name.withLock { $0 } == "a name longer t\n")
    }

    @Test func stopRunsTheHandlerOfWhatBlocks() throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        let thread = try ServiceThread(name: "blocked") { stop in
            stop.withHandler({ queue.close() }, { while queue.take() != nil {} })
        }
        #expect(queue.put(1))
        thread.stop()
        thread.join()
        #expect(queue.isClosed && !queue.put(2))
    }

    @Test func aHandlerThatComesTooLateRunsAtOnce() {
        let token = StopToken()
        token.stop()
        let calls = Mutex(0)
        token.withHandler({ calls.withLock { $0 += 1 } }, {})
        token.stop()
        #expect(calls.withLock { $0 } == 1 && token.wait(milliseconds: 10_000))
    }
}

@Suite struct BackOffTests {
    @Test func backsOffMoreEachTime() {
        var backOff = BackOff(first: 250, maximum: 15_000)
        let waits = (0..<100).map { _ in backOff.next() }
        #expect(waits.prefix(8) == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
        #expect(waits.allSatisfy { $0 <= 15_000 } && backOff.attempts == 100)
        backOff.reset()
        #expect(backOff.next() == 250)
    }

    @Test func ofManyFailuresSomeAreNews() {
        var backOff = BackOff(first: 1, maximum: 1)
        let news = (1...60).filter { _ in
            _ = backOff.next()
            return backOff.isNews
        }
        #expect(news == [1, 2, 3, 4, 5, 6, 20, 40, 60])
    }
}

@Suite struct BoundedQueueTests {
    @Test func keepsOrderAndBounds() throws {
        let queue = BoundedQueue<Int>(capacity: 4)
        let longest = Mutex(0)
        let producer = try ServiceThread(name: "producer") { _ in
            for value in 0..<10_000 {
                _ = queue.put(value)
                let count = queue.count
                longest.withLock { $0 = max($0, count) }
            }
            queue.close()
        }
        var taken: [Int] = []
        while true {
            let values = queue.take(limit: 3)
            if values.isEmpty { break }
            taken += values
        }
        producer.join()
        #expect(taken == Array(0..<10_000))
        #expect(longest.withLock { $0 } <= 4)
    }

    @Test func givesUpInTime() {
        let queue = BoundedQueue<Int>(capacity: 1)
        #expect(queue.take(timeoutMilliseconds: 1) == nil)
        #expect(queue.put(1))
        #expect(!queue.put(2, timeoutMilliseconds: 1))
        queue.close()
        #expect(queue.take() == 1 && queue.take() == nil)
    }
}
