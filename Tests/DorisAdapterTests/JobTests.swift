import DorisAdapter
import Testing

extension LoadDefinition {
    /// One that loads these fields of JSON messages.
    init(
        job: String, table: String, fields: [String], properties: [(name: String, value: String)] = [],
        brokers: String, topic: String
    ) {
        self.init(
            job: job, table: table, columns: fields.map { Column(name: $0) },
            properties: [("format", "json")] + properties, brokers: brokers, topic: topic)
    }
}

/// What SHOW ROUTINE LOAD says, and what follows from it, without a Doris.
@Suite struct JobTests {
    static func job(_ values: [String: String]) -> LoadJob? {
        let all = ["Id": "10001", "Name": "l", "TableName": "t", "State": "RUNNING"].merging(values) { $1 }
        return LoadJob(DorisResult(titles: Array(all.keys), rows: [Array(all.values)]), row: 0)
    }

    static let load = LoadDefinition(job: "l", table: "t", fields: ["a", "b", "c"], brokers: "k:1", topic: "q")

    @Test func theNextOffsetIsOneAfterTheLastConsumed() throws {
        let job = try #require(
            Self.job([
                "Progress": #"{"0":"41","1":"OFFSET_ZERO","2":"OFFSET_BEGINNING","3":"OFFSET_END","4":"x","y":"1"}"#
            ]))
        #expect(job.offsets == [0: .next(42), 1: .next(0), 2: .beginning, 3: .end])
        #expect(try #require(Self.job(["Progress": ""])).offsets.isEmpty)
        #expect(try #require(Self.job(["Progress": #"{"0":"9223372036854775807","-1":"3"}"#])).offsets.isEmpty)
        #expect(try #require(Self.job(["Progress": "[1,"])).offsets.isEmpty)
    }

    @Test func statisticsAndReasons() throws {
        let job = try #require(
            Self.job([
                "State": "PAUSED", "Statistic": #"{"loadedRows":12,"errorRows":3,"runningTxns":[]}"#,
                "Lag": #"{"0":5,"1":7}"#, "DataSourceProperties": #"{"topic":"q"}"#,
                "JobProperties": #"{"columnToColumnExpr":"`a`,`b`,`c`=now(3, 'x,y')","strict_mode":"false"}"#,
                "ReasonOfStateChanged": "ErrorReason{code=errCode = 102, msg='current error rows is more'}",
            ]))
        #expect((job.loadedRows, job.errorRows, job.lag ?? 0) == (12, 3, 12))
        #expect(job.topic == "q")
        #expect(job.columns == ["a", "b", "c"])
        #expect(job.reasonCode == 102)
        #expect(job.reasonText == "current error rows is more")
        #expect(try #require(Self.job(["Lag": #"{"0":5,"1":-1}"#])).lag == nil)
        #expect(Self.job(["Id": "x"]) == nil)
        #expect(Self.job(["State": "NEW"]) == nil)
        let lost = try #require(
            Self.job([
                "ReasonOfStateChanged":
                    "ErrorReason{code=errCode = 105, msg='be 1 abort task with reason: Offset out of range the offset used by job does not exist'}"
            ]))
        #expect(lost.hasLostItsPlace)
    }

    @Test func whatIsDoneAboutAJob() throws {
        let load = Self.load
        func decide(_ values: [String: String]..., partitions: Int? = nil) -> LoadDecision {
            let topic = partitions.map { TopicState(cluster: nil, partitions: Array(repeating: 0..<100, count: $0)) }
            return LoadDecision(load, jobs: values.compactMap(Self.job), topic: topic)
        }
        let ours = ["Comment": load.mark(isPinned: false).text, "DataSourceProperties": #"{"topic":"q"}"#]
        func with(_ more: [String: String]) -> [String: String] { ours.merging(more) { $1 } }
        func paused(_ code: Int, _ text: String) -> [String: String] {
            with(["State": "PAUSED", "ReasonOfStateChanged": "ErrorReason{code=errCode = \(code), msg='\(text)'}"])
        }
        guard case .create(from: nil) = decide() else { throw Wrong() }
        guard case .leave(note: nil) = decide(ours) else { throw Wrong() }
        // A stopped job is followed from where it was, and one that had lost its table from the beginning.
        let stopped = with(["State": "STOPPED", "Progress": #"{"0":"4","2":"OFFSET_ZERO"}"#])
        guard case .create(from: [0: .next(5), 2: .next(0)]) = decide(stopped) else { throw Wrong() }
        guard case .create(from: [0: .next(5), 1: .beginning, 2: .next(0)]) = decide(stopped, partitions: 3) else {
            throw Wrong()
        }
        guard case .create(from: nil) = decide(stopped.merging(["State": "CANCELLED"]) { $1 }) else { throw Wrong() }
        let elsewhere = stopped.merging(["DataSourceProperties": #"{"topic":"other"}"#]) { $1 }
        guard case .create(from: nil) = decide(elsewhere) else { throw Wrong() }
        // Another one's, an older one's, a newer one's.
        guard case .replace = decide(with(["Comment": "mine"])) else { throw Wrong() }
        guard
            case .replace(_, let reason) = decide(
                with(["Comment": "wado 1 7", "JobProperties": #"{"columnToColumnExpr":"`a`,`z`"}"#]))
        else { throw Wrong() }
        #expect(reason == "it does not fill b, c, and it fills z")
        guard case .leave(.some) = decide(with(["Comment": "wado 9999 7"])) else { throw Wrong() }
        let more = with([
            "Comment": load.mark(isPinned: false).text + "0",
            "JobProperties": #"{"columnToColumnExpr":"`a`,`b`,`c`,`d`"}"#,
        ])
        guard case .leave(.some) = decide(more) else { throw Wrong() }
        // New partitions matter to a job that reads certain ones only.
        let pinned = with(["Comment": load.mark(isPinned: true).text, "Progress": #"{"0":"4","1":"7"}"#])
        guard case .leave(nil) = decide(pinned, partitions: 2), case .leave(nil) = decide(pinned),
            case .addPartitions = decide(pinned, partitions: 3), case .leave(nil) = decide(ours, partitions: 3)
        else { throw Wrong() }
        guard case .leave(.some) = decide(paused(100, "User root pauses routine load job")),
            case .resumeByPerson = decide(paused(102, "current error rows is more than max_error_number")),
            case .resumeByPerson = decide(paused(105, "the offset used by job does not exist in kafka")),
            case .leave(.some) = decide(paused(105, "please check the jsonpaths")),
            case .resume = decide(paused(4, "Failed to get all partitions of kafka topic"))
        else { throw Wrong() }
    }

    /// A topic of the same name that is another one: in other brokers, or made anew.
    @Test func offsetsBelongToOneTopic() throws {
        var load = Self.load
        load.cluster = "first"
        func job(pinned: Bool = false, _ more: [String: String] = [:]) -> [String: String] {
            [
                "Comment": load.mark(isPinned: pinned).text, "DataSourceProperties": #"{"topic":"q"}"#,
                "Progress": #"{"0":"41","1":"7"}"#,
            ].merging(more) { $1 }
        }
        func decide(_ values: [String: String], _ cluster: String?, _ partitions: [Range<Int64>]) -> LoadDecision {
            LoadDecision(
                load, jobs: [values].compactMap(Self.job), topic: TopicState(cluster: cluster, partitions: partitions))
        }
        let same: [Range<Int64>] = [10..<42, 0..<100]
        guard case .leave(nil) = decide(job(), "first", same), case .leave(nil) = decide(job(), nil, same) else {
            throw Wrong()
        }
        guard case .startAnew(_, let reason) = decide(job(), "second", same) else { throw Wrong() }
        #expect(reason == "Kafka is another cluster than the one it was made for (second instead of first)")
        guard case .startAnew(_, let other) = decide(job(), "first", [0..<41, 0..<100]),
            case .startAnew = decide(job(pinned: true), nil, [0..<42]),
            // Messages that are gone are another matter, which Doris tells of.
            case .leave(nil) = decide(job(), "first", [60..<90, 0..<100])
        else { throw Wrong() }
        #expect(other == "it is behind the end of its topic, which was made anew")
        // What a person stopped stays so.
        let byHand = "ErrorReason{code=errCode = 100, msg='User root pauses routine load job'}"
        guard case .leave(.some) = decide(job(["State": "PAUSED", "ReasonOfStateChanged": byHand]), "second", same)
        else { throw Wrong() }
        // The one that follows begins anew, too.
        let stopped = job(["State": "STOPPED"])
        guard case .create(from: [0: .next(42), 1: .next(8)]) = decide(stopped, "first", same),
            case .create(from: nil) = decide(stopped, "second", same),
            case .create(from: nil) = decide(stopped, "first", [0..<41, 0..<100])
        else { throw Wrong() }
    }

    struct Wrong: Error {}

    @Test func aMissingRightIsSaidWithTheGrant() {
        let configuration = DorisConfiguration(host: "h", user: "wado", database: "d")
        let text = "Access denied; you need (at least one of) the (LOAD) privilege(s) for this operation"
        #expect(
            configuration.advised(text).contains("LOAD_PRIV, ALTER_PRIV, CREATE_PRIV, DROP_PRIV ON internal.`d`.* TO"))
        #expect(
            configuration.advised("Access denied for user 'wado@1' (using password: YES)")
                .hasSuffix("(see doris.user and doris.password)"))
        #expect(configuration.advised("Unknown table") == "Unknown table")
    }

    @Test func secretsAreTakenOutOfErrors() {
        var configuration = DorisConfiguration(host: "h", password: "se\"cret", database: "d")
        configuration.kafkaProperties = ["sasl.password": "abc", "sasl.jaas.config": "abcdef", "client.id": "visible"]
        #expect(
            configuration.redacted("x abcdef, abc, visible, se\"cret, se\\\"cret")
                == "x ******, ******, visible, ******, ******")
    }
}
