import Archive
import Foundation
import KafkaAdapter
import KafkaTestSupport
import ServiceKit
import Synchronization
import Testing

/// SASL and TLS, with the settings that are right and with those that are wrong.
@Suite(.serialized, .enabled(if: SecureListeners.isAvailable, "no Apache Kafka, Java and openssl beside the project"))
struct KafkaSecurityTests {
    private let listeners: SecureListeners

    init() throws { listeners = try TestKafka.secureListeners() }

    enum Way: CaseIterable {
        case plain, plainOverTLS, certificate, scram
    }

    private func configuration(_ way: Way) -> KafkaConfiguration {
        switch way {
        case .plain: listeners.asUser(mechanism: "PLAIN")
        case .plainOverTLS: listeners.asUser(mechanism: "PLAIN", overTLS: true)
        case .scram: listeners.asUser(mechanism: "SCRAM-SHA-512")
        case .certificate: listeners.byCertificate()
        }
    }

    @Test(arguments: Way.allCases.filter { $0 != .scram || SecureListeners.speaksSCRAM })
    func messagesGoAndComeSecured(_ way: Way) throws {
        let bus = KafkaEventBus(configuration(way), logger: .silent)
        let sent = (0..<20).map { Message(key: "k", value: [UInt8($0)]) }
        try bus.makeProducer().publish(sent, to: .storage)
        let consumer = try bus.makeConsumer(group: "g-\(way)", topics: [.storage])
        defer { consumer.close() }
        var received: [Message] = []
        let deadline = Date().addingTimeInterval(30)
        while received.count < sent.count, Date() < deadline {
            received += try consumer.poll(limit: 100, timeoutMilliseconds: 200).map(\.message)
        }
        try consumer.commit()
        #expect(received.map(\.value) == sent.map(\.value))
        #expect(try bus.lag(group: "g-\(way)", topic: .storage) == 0)
    }

    enum Mistake: CaseIterable {
        case password, user, mechanism, authority, plainToTLS, plainToSASL, tlsToPlain, keyPassword, saslWithoutTLS
    }

    private func configuration(_ mistake: Mistake) throws -> KafkaConfiguration {
        var configuration = listeners.asUser(mechanism: "SCRAM-SHA-512")
        switch mistake {
        case .password:
            configuration.security.mechanism = "PLAIN"
            configuration.security.password += "-wrong"
        case .user: configuration.security.username = "nobody"
        case .mechanism: configuration.security.mechanism = "SCRAM-SHA-256"
        case .authority:
            configuration = listeners.byCertificate()
            configuration.security.certificateAuthorities = listeners.strangers
        case .plainToTLS: configuration = TestKafka.configuration(brokers: listeners.tls)
        case .plainToSASL: configuration = TestKafka.configuration(brokers: listeners.sasl)
        case .tlsToPlain:
            configuration = listeners.byCertificate()
            configuration.brokers = try TestKafka.brokers().split(separator: ",").map(String.init)
        case .keyPassword:
            configuration = listeners.byCertificate()
            configuration.security.keyPassword += "-wrong"
        case .saslWithoutTLS: configuration.brokers = [listeners.saslTLS]
        }
        return configuration
    }

    private func expected(_ mistake: Mistake) -> (code: KafkaError.Code?, text: String) {
        switch mistake {
        case .password: (.authentication, "Invalid username or password")
        case .user:
            (.authentication, SecureListeners.speaksSCRAM ? "invalid credentials" : "2.6.1 does, and so do PLAIN")
        case .mechanism: (.authentication, "SCRAM-SHA-256")
        case .authority: (.untrusted, "certificate verify failed")
        case .keyPassword: (.configuration, "ssl.key.location")
        case .plainToTLS, .plainToSASL, .tlsToPlain, .saslWithoutTLS: (nil, "kafka.security_protocol")
        }
    }

    /// What is wrong is said, and no secret is in an error or a line of the log. What nobody but an operator can mend is
    /// not waited for.
    @Test(arguments: Mistake.allCases)
    func whatIsWrongIsSaid(_ mistake: Mistake) throws {
        let lines = Mutex<[String]>([])
        let logger = Logger(service: "test", level: .debug) { line in
            lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
        let bus = KafkaEventBus(try configuration(mistake), logger: logger)
        let failure = try #require(throws: KafkaError.self) { try bus.status() }
        let (code, text) = expected(mistake)
        if let code {
            #expect(failure.code == code && !failure.isRetriable, "\(failure)")
        } else {
            #expect(failure.isRetriable, "\(failure)")
        }
        #expect(failure.description.contains(text), "\(failure)")
        #expect(!(lines.withLock { $0.joined() } + failure.description).contains(SecureListeners.password))
    }

    /// A user that may nothing, and one that may see topics only.
    @Test func missingRightsAreNamedWithTheCommandsThatGiveThem() throws {
        var configuration = listeners.asUser("guest", mechanism: "PLAIN")
        let prefix = configuration.topicPrefix
        var failure = try #require(throws: KafkaError.self) {
            try KafkaEventBus(configuration, logger: .silent).prepare()
        }
        #expect(!failure.isRetriable)
        for text in [
            "User:guest may not make topics", "rpk topic create \(prefix)storage_queue ",
            "--create --if-not-exists --topic \(prefix)storage_queue",
            "rpk security acl create --allow-principal User:guest --operation read,write,describe --topic \(prefix)",
            "--add --allow-principal User:guest --operation Read --operation Write --operation Describe --topic \(prefix)",
        ] { #expect(failure.description.contains(text), "\(failure)") }
        configuration.createsTopics = false
        failure = try #require(throws: KafkaError.self) {
            try KafkaEventBus(configuration, logger: .silent).prepare()
        }
        #expect(failure.code == .unknownTopic)
        #expect(failure.description.contains("or User:guest may not see them"))

        var ours = listeners.asUser(mechanism: "PLAIN")
        ours.topicPrefix = prefix
        try KafkaEventBus(ours, logger: .silent).prepare()
        try TestKafka.letGuestSee(topicsOf: prefix)
        let bus = KafkaEventBus(configuration, logger: .silent)
        try bus.prepare()
        failure = try #require(throws: KafkaError.self) {
            try bus.makeProducer().publish([Message(key: "k", value: [1])], to: .storage)
        }
        #expect(failure.description.contains("Read, Write and Describe on the archive's topics"), "\(failure)")
        #expect(!failure.isRetriable && !failure.isDueToInput)
        let consumer = try bus.makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        failure = try #require(throws: KafkaError.self) {
            for _ in 0..<100 { _ = try consumer.poll(limit: 1, timeoutMilliseconds: 200) }
        }
        #expect(failure.description.contains("authorization failed"), "\(failure)")
    }
}
