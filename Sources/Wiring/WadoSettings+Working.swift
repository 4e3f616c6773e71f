public import ServiceKit

/// Settings of `wado-consumer` and `wado-webworker`, and of how long logs are kept.
extension WadoSettings {
    // MARK: Consumer

    public static let consumerGroup = Setting.text(
        "consumer.group", default: "dicom-consumer-group",
        "Consumer group in the event bus; its members share the work."
    ) {
        $0.isEmpty || $0.utf8.count > 200 ? "1 to 200 characters are needed" : nil
    }
    public static let consumerThreads = Setting.integer(
        "consumer.threads", in: 1...64, default: 2, "Workers, each with a thread.")
    public static let consumerBatch = Setting.integer(
        "consumer.batch_instances", in: 1...10_000, default: 500, "Instances of one transaction at most.")
    public static let bulkDataThreshold = Setting.integer(
        "consumer.bulk_data_bytes", in: 0...1_048_576, default: 1_024, unit: "bytes",
        "Longer binary values stand in metadata as a BulkDataURI.")
    public static let consumerAdminPort = adminPort("consumer", 9982)

    static let consumerSection = SettingsCatalogue.Section(
        "consumer", "Consumer",
        [
            AnySetting(consumerGroup), AnySetting(consumerThreads), AnySetting(consumerBatch),
            AnySetting(bulkDataThreshold), AnySetting(consumerAdminPort),
        ])

    // MARK: Web worker

    public static let webWorkerInterval = Setting.integer(
        "webworker.interval_minute", in: 1...1_440, default: 5, unit: "minutes",
        "Time between two rounds over all series that changed; those at rest are done sooner when the machine is idle.")
    public static let webWorkerCPU = Setting.integer(
        "webworker.cpu_usage", in: 1...100, default: 40, unit: "percent",
        "Use of the machine's processors above which no series is begun.")
    public static let webWorkerMemory = Setting.integer(
        "webworker.memory_usage", in: 1...100, default: 70, unit: "percent",
        "Use of the machine's memory above which no series is begun.")
    public static let webWorkerAdminPort = adminPort("webworker", 9983)

    static let webWorkerSection = SettingsCatalogue.Section(
        "webworker", "Web worker",
        [
            AnySetting(webWorkerInterval), AnySetting(webWorkerCPU), AnySetting(webWorkerMemory),
            AnySetting(webWorkerAdminPort),
        ])

    // MARK: Retention

    public static let accessLogMonths = Setting.integer(
        "retention.access_log_months", in: 0...1_200, default: 24, unit: "months",
        "Whole months before the running one whose requests stay in wado_access_log; 0 keeps all.")
    public static let problemMonths = Setting.integer(
        "retention.problem_months", in: 0...1_200, default: 24, unit: "months",
        "Months after which cleared problems, and those of refused instances, are deleted; 0 keeps all.")

    static let retentionSection = SettingsCatalogue.Section(
        "retention", "Retention", [AnySetting(accessLogMonths), AnySetting(problemMonths)])
}
