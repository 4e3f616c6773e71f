/// The job that loads a table of Doris from its topic, as the spec has it; brokers, credentials and limits are settings.
public struct RoutineLoad: Sendable {
    /// A column that Doris computes when it loads a row.
    public struct Computed: Hashable, Sendable {
        public let column: String
        public let expression: String

        init(_ column: String, _ expression: String) {
            self.column = column
            self.expression = expression
        }
    }

    public let job: String
    public let table: String
    public let topic: String
    /// The fields of a message that fill the columns of their names, in the order of the list.
    public let columns: [String]
    /// The columns that no message has.
    public let computed: [Computed]
    /// Limits and format; `jsonpaths` among them, whose n-th path feeds the n-th of `columns`.
    public let properties: [(name: String, value: String)]
    /// `host:port` of the brokers by the spec, with commas between.
    public let brokers: String
    /// What creates it, all partitions read from their beginning.
    public let statement: String

    init(
        job: String, table: String, topic: String, columns: [String], computed: [Computed] = [],
        properties: [(name: String, value: String)], brokers: String, statement: String
    ) {
        self.job = job
        self.table = table
        self.topic = topic
        self.columns = columns
        self.computed = computed
        self.properties = properties
        self.brokers = brokers
        self.statement = statement
    }
}
