internal import Archive
internal import DorisAdapter
internal import KafkaAdapter
public import ServiceKit

/// Settings of Doris, the store of logs and of rows of instances where one machine is not enough.
extension WadoSettings {
    public static let dorisHost = Setting.text(
        "doris.host", default: "", "Name or address of a frontend of Doris; without it there is no Doris.")
    public static let dorisPort = Setting.integer(
        "doris.port", in: 1...65_535, default: 9_030, "Its port of the MySQL protocol (query_port).")
    public static let dorisUser = Setting.text(
        "doris.user", default: "root", "User that may create databases, tables and routine loads.")
    public static let dorisPassword = Setting.text("doris.password", default: "", isSecret: true, "Its password.")
    public static let dorisDatabase = Setting.text(
        "doris.database", default: "wado", "Database of the tables; made when it is missing.", check: databaseProblem)
    public static let dorisTLS = Setting.choice(
        "doris.tls", ["off", "required", "verified"], default: "off",
        "How the connection is protected: not; encrypted; encrypted, with a certificate that is checked.")
    public static let dorisTLSAuthorities = Setting.path(
        "doris.tls_ca", default: "", "File of the authorities whose certificates do; the system's when not set.")
    public static let dorisReplicas = Setting.integer(
        "doris.replicas", in: 0...32, default: 0,
        "Copies of each tablet of new tables, at most as many as backends: 3 in a cluster; 0 as the spec says (1).")
    public static let dorisBuckets = Setting.integer(
        "doris.buckets", in: 0...1_024, default: 0,
        "Buckets of new tables, and of each of their partitions; 0 as the spec says.")
    public static let dorisLogMonths = Setting.integer(
        "doris.log_months", in: 0...1_200, default: 0, unit: "months",
        "How many full months of logs Doris keeps (partition.retention_count); 0 keeps all.")
    public static let dorisLoadProperties = Setting.map(
        "doris.load_properties", default: [:],
        "Properties of the load jobs that replace those of the spec: max_batch_interval=10,max_error_number=1000,..",
        check: loadPropertyProblem)
    public static let dorisBrokers = Setting.text(
        "doris.kafka_brokers", default: "",
        "host:port,.. of Kafka as Doris' backends reach it; kafka.brokers when not set.")
    public static let dorisKafka = Setting.map(
        "doris.kafka_properties", default: [:],
        "Properties of Doris' Kafka client: security.protocol=SASL_SSL,sasl.username=..,ssl.ca.location=FILE:ca.pem,..",
        check: kafkaPropertyProblem)
    public static let dorisKafkaPassword = Setting.text(
        "doris.kafka_password", default: "", isSecret: true, "The client's sasl.password.")
    public static let dorisKafkaKeyPassword = Setting.text(
        "doris.kafka_key_password", default: "", isSecret: true, "The client's ssl.key.password.")
    public static let dorisChangeMinutes = Setting.integer(
        "doris.schema_change_minutes", in: 1...100_000, default: 1_440, unit: "minutes",
        "How long a change of a large table is waited for.")

    static let dorisSection = SettingsCatalogue.Section(
        "doris", "Doris",
        [
            AnySetting(dorisHost), AnySetting(dorisPort), AnySetting(dorisUser), AnySetting(dorisPassword),
            AnySetting(dorisDatabase), AnySetting(dorisTLS), AnySetting(dorisTLSAuthorities),
            AnySetting(dorisReplicas), AnySetting(dorisBuckets), AnySetting(dorisLogMonths),
            AnySetting(dorisLoadProperties), AnySetting(dorisBrokers), AnySetting(dorisKafka),
            AnySetting(dorisKafkaPassword), AnySetting(dorisKafkaKeyPassword), AnySetting(dorisChangeMinutes),
        ])

    @Sendable private static func databaseProblem(_ name: String) -> String? {
        let isLegal = name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
        return isLegal && name.first?.isLetter == true && name.utf8.count <= 64
            ? nil : "'\(name)' is no name of a database: a letter, then letters, digits, _ and -, at most 64"
    }

    @Sendable private static func loadPropertyProblem(_ properties: [String: String]) -> String? {
        let known = DorisConfiguration.loadPropertyNames
        guard let wrong = properties.keys.sorted().first(where: { !known.contains($0) }) else { return nil }
        return "'\(wrong)' is none of the properties that may be set: \(known.joined(separator: ", "))"
    }

    @Sendable private static func kafkaPropertyProblem(_ properties: [String: String]) -> String? {
        guard let secret = properties.keys.sorted().first(where: { KafkaProperty.isSecret($0) }) else { return nil }
        return "'\(secret)' is a secret: doris.kafka_password and doris.kafka_key_password take those"
    }
}

extension DorisConfiguration {
    /// By the settings; nil when they name no Doris.
    init?(_ settings: Settings) {
        let host = settings[WadoSettings.dorisHost]
        guard !host.isEmpty else { return nil }
        self.init(
            host: host, port: settings[WadoSettings.dorisPort], user: settings[WadoSettings.dorisUser],
            password: settings[WadoSettings.dorisPassword], database: settings[WadoSettings.dorisDatabase])
        let authorities = settings[WadoSettings.dorisTLSAuthorities]
        tls =
            switch settings[WadoSettings.dorisTLS] {
            case "required": .required
            case "verified": .verified(authorities: authorities.isEmpty ? nil : authorities)
            default: .off
            }
        func positive(_ setting: Setting<Int>) -> Int? { settings[setting] > 0 ? settings[setting] : nil }
        replicas = positive(WadoSettings.dorisReplicas)
        buckets = positive(WadoSettings.dorisBuckets)
        logMonths = positive(WadoSettings.dorisLogMonths)
        schemaChangeSeconds = settings[WadoSettings.dorisChangeMinutes] * 60
        loadProperties = settings[WadoSettings.dorisLoadProperties]
        brokers = settings[WadoSettings.dorisBrokers].isEmpty ? nil : settings[WadoSettings.dorisBrokers]
        kafkaProperties = settings[WadoSettings.dorisKafka]
        for (name, setting) in [
            ("sasl.password", WadoSettings.dorisKafkaPassword),
            ("ssl.key.password", WadoSettings.dorisKafkaKeyPassword),
        ] where !settings[setting].isEmpty { kafkaProperties[name] = settings[setting] }
        if settings[WadoSettings.bus] == "kafka" { inherit(KafkaConfiguration(settings, program: "wado")) }
    }

    /// Doris' Kafka client does as ours where nothing else is said; but for files, which are others there.
    private mutating func inherit(_ kafka: KafkaConfiguration) {
        if brokers == nil { brokers = kafka.brokers.joined(separator: ",") }
        guard kafka.security.protocol != "plaintext" else { return }
        for (name, value) in [
            ("security.protocol", kafka.security.protocol), ("sasl.mechanism", kafka.security.mechanism),
            ("sasl.username", kafka.security.username), ("sasl.password", kafka.security.password),
        ] where !value.isEmpty && kafkaProperties[name] == nil { kafkaProperties[name] = value }
    }
}
