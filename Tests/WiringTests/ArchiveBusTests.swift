import KafkaAdapter
import ServiceKit
import Testing
import Wiring

struct ArchiveBusTests {
    private func settings(_ arguments: String...) throws -> Settings {
        try WadoSettings.catalogue.read(arguments: arguments, environment: [:])
    }

    @Test func theSettingChoosesTheBus() throws {
        #expect(try ArchiveBus.kafka(settings(), program: "test") == nil)
        #expect(try ArchiveBus.kafka(settings("--bus=kafka"), program: "test") != nil)
        #expect(try ArchiveBus.kafka(settings("--bus=kafka", "--logs=doris"), program: "test") != nil)
        #expect(throws: SettingsError.self) { try ArchiveBus.kafka(settings("--logs=doris"), program: "test") }
        // Nothing is asked of anybody when the database carries the events.
        #expect(try ArchiveBus.prepare(settings()) == nil)
    }

    @Test(arguments: [
        "--kafka-brokers=nowhere", "--kafka-brokers=host:0", "--kafka-brokers=", "--kafka-compression=rar",
        "--kafka-properties=sasl.password=x", "--kafka-properties=ssl.key.pem=x",
        "--kafka-properties=sasl.JAAS.config=x",
        "--kafka-partitions=0",
        "--bus=rabbit",
    ])
    func wrongSettingsAreRefused(_ flag: String) throws {
        let failure = #expect(throws: SettingsError.self) { try settings(flag) }
        #expect(failure?.problems.count == 1)
    }

    /// Other commands meet the bus of the running archive, as far as that may be written down.
    @Test func theBusOfARunningArchiveIsTakenOver() throws {
        let running = try settings(
            "--bus=kafka", "--kafka-brokers=a:1,b:2", "--kafka-sasl-password=hemmelig", "--kafka-linger-ms=7",
            "--dicom-port=104", "--kafka-properties=client.rack=r1")
        let flags = ArchiveBus.flags(running)
        #expect(!flags.joined().contains("hemmelig") && !flags.joined().contains("104"))
        var other = try settings("--kafka-linger-ms=9")
        try other.setMissing(flags + ["--no-such-flag=1", "nonsense"])
        #expect(other[WadoSettings.bus] == "kafka")
        #expect(other[WadoSettings.kafkaBrokers] == ["a:1", "b:2"])
        #expect(other[WadoSettings.kafkaProperties] == ["client.rack": "r1"])
        #expect(other[WadoSettings.kafkaLinger] == 9)
        #expect(other[WadoSettings.dicomPort] == 11_111)
    }
}
