import CRdKafka
import Foundation
public import KafkaAdapter
import TestSupport

/// Listeners of a test's broker beside the plain one: SASL, TLS, and both. User `wado` and who shows the certificate may
/// do everything, `guest` nothing.
public struct SecureListeners: Sendable {
    /// What `guest` and `wado` and the client's key are opened with; in no error and no line of a log.
    public static let password = "hemmelig-7761"
    public static let isAvailable = OwnKafka.isAvailable && OwnKafka.has("openssl")

    /// Whether SCRAM of librdkafka is one that Apache Kafka takes.
    public static let speaksSCRAM = rd_kafka_version() >= 0x0206_01ff

    /// `host:port` of the listeners.
    public let sasl: String
    public let tls: String
    public let saslTLS: String
    /// What broker and client are certified by.
    public let authorities: String
    /// An authority that nobody has to do with.
    public let strangers: String
    public let certificate: String
    /// Encrypted.
    public let key: String

    private let keystore: String
    private let controller: String

    /// - Parameters:
    ///   - folder: for certificates.
    ///   - ports: four free ones.
    init(folder: URL, ports: [Int]) throws {
        func address(_ index: Int) -> String { "127.0.0.1:\(ports[index])" }
        func path(_ name: String) -> String { folder.appending(path: name).path }
        (sasl, tls, saslTLS, controller) = (address(0), address(1), address(2), address(3))
        (authorities, strangers) = (path("ca.pem"), path("strangers.pem"))
        (certificate, key, keystore) = (path("client.pem"), path("client.key"), path("broker.keystore.pem"))
        try OwnKafka.run(URL(filePath: "/bin/bash"), ["-ec", Self.certificates, "make", folder.path, Self.password])
    }

    /// Elliptic keys take no time to make.
    private static let certificates = """
        cd "$1"
        new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1'
        printf 'subjectAltName=IP:127.0.0.1\\n' > names
        {
        openssl req -x509 $new -nodes -keyout ca.key -out ca.pem -days 3650 -subj '/CN=Test CA'
        openssl req -x509 $new -nodes -keyout strangers.key -out strangers.pem -days 3650 -subj '/CN=Strangers'
        for name in broker client; do
            openssl req $new -nodes -keyout $name.plain -out $name.csr -subj "/CN=$name"
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile names \\
                -out $name.pem
        done
        openssl pkcs8 -topk8 -in client.plain -out client.key -passout "pass:$2"
        } 2>/dev/null
        cat broker.plain broker.pem > broker.keystore.pem
        """

    /// The broker's settings.
    func properties(plain: String) -> [String] {
        let listeners = "PLAINTEXT://\(plain),SASL://\(sasl),TLS://\(tls),SASLTLS://\(saslTLS)"
        // No space of its own may stand in a value.
        func module(_ text: String) -> String {
            "org.apache.kafka.common.security.\(text);".replacing(" ", with: "\\u0020")
        }
        let users = ["wado", "guest"].map { "user_\($0)=\"\(Self.password)\"" }.joined(separator: " ")
        var properties = [
            "listeners=\(listeners),CONTROLLER://\(controller)", "advertised.listeners=\(listeners)",
            "controller.quorum.voters=1@\(controller)", "inter.broker.listener.name=PLAINTEXT",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,"
                + "SASLTLS:SASL_SSL",
            "ssl.keystore.type=PEM", "ssl.keystore.location=\(keystore)", "ssl.truststore.type=PEM",
            "ssl.truststore.location=\(authorities)", "listener.name.tls.ssl.client.auth=requested",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS;User:wado;User:CN=client",
        ]
        for name in ["sasl", "sasltls"] {
            let prefix = "listener.name.\(name)"
            properties += [
                "\(prefix).sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
                "\(prefix).plain.sasl.jaas.config=" + module("plain.PlainLoginModule required \(users)"),
                "\(prefix).scram-sha-512.sasl.jaas.config=" + module("scram.ScramLoginModule required"),
            ]
        }
        return properties
    }

    // MARK: Clients

    /// By the listener of SASL, with topics of its own.
    public func asUser(_ name: String = "wado", mechanism: String, overTLS: Bool = false) -> KafkaConfiguration {
        var configuration = TestKafka.configuration(brokers: overTLS ? saslTLS : sasl)
        configuration.security.protocol = overTLS ? "sasl_ssl" : "sasl_plaintext"
        configuration.security.mechanism = mechanism
        configuration.security.username = name
        configuration.security.password = Self.password
        if overTLS { configuration.security.certificateAuthorities = authorities }
        return configuration
    }

    /// By the listener of TLS, with a certificate and topics of its own.
    public func byCertificate() -> KafkaConfiguration {
        var configuration = TestKafka.configuration(brokers: tls)
        configuration.security.protocol = "ssl"
        configuration.security.certificateAuthorities = authorities
        configuration.security.certificate = certificate
        configuration.security.key = key
        configuration.security.keyPassword = Self.password
        return configuration
    }
}
