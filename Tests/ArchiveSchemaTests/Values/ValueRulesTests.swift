import ArchiveSchema
import Testing

/// The rules of docs/types.md on values as they are found in files.
@Suite struct ValueRulesTests {
    @Test(arguments: [
        ("20240229", "2024-02-29"), ("2011.03.04", "2011-03-04"), ("2011-03-04", "2011-03-04"),
        (" 20240229 ", "2024-02-29"), ("20240229\0", "2024-02-29"), ("00010101", "0001-01-01"),
        ("99991231", "9999-12-31"), ("18991231", "1899-12-31"), ("", "empty"), ("  ", "empty"), ("\0\0", "empty"),
        ("20231301", "not-a-date"), ("20230229", "not-a-date"), ("20240230", "not-a-date"), ("19000229", "not-a-date"),
        ("20000229", "2000-02-29"), ("00000101", "not-a-date"), ("2024022", "not-a-date"), ("202402290", "not-a-date"),
        ("2011.03-04", "not-a-date"), ("2011/03/04", "not-a-date"), ("20240229-", "not-a-date"),
        ("ABCDEFGH", "not-a-date"),
        ("20240100", "not-a-date"), ("２０２４", "not-a-date"),
    ])
    func dates(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.date) == expected) }

    @Test(arguments: [
        ("102030", "10:20:30"), ("10:20:30", "10:20:30"), ("10", "10:00:00"), ("1020", "10:20:00"),
        ("10:20", "10:20:00"),
        ("102030.5", "10:20:30.5"), ("102030.123456", "10:20:30.123456"), ("102030.1234567", "10:20:30.123456"),
        ("102030.000001", "10:20:30.000001"), ("10:20:30.25", "10:20:30.25"), ("102030.0 ", "10:20:30"),
        ("235960", "23:59:59.999999"), ("000000", "00:00:00"), ("235959.999999", "23:59:59.999999"), ("", "empty"),
        ("240000", "not-a-time"), ("106000", "not-a-time"), ("102061", "not-a-time"), ("1", "not-a-time"),
        ("102", "not-a-time"), ("10203", "not-a-time"), ("1020.5", "not-a-time"), ("102030.", "not-a-time"),
        ("10:2030", "not-a-time"), ("10-20-30", "not-a-time"), ("102030.5x", "not-a-time"), ("-10203", "not-a-time"),
        ("102030-112030", "not-a-time"),
    ])
    func times(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.time) == expected) }

    @Test(arguments: [
        ("20240229102030", "2024-02-29 10:20:30.000000"), ("20240229102030.25+0130", "2024-02-29 08:50:30.250000"),
        ("20240229-0500", "2024-02-29 05:00:00.000000"), ("2024", "2024-01-01 00:00:00.000000"),
        ("202402", "2024-02-01 00:00:00.000000"), ("2024022910", "2024-02-29 10:00:00.000000"), ("", "empty"),
        ("20240101000000+1400", "2023-12-31 10:00:00.000000"), ("00010101000000+0100", "out-of-range"),
        ("20240230", "not-a-date-time"), ("2024022", "not-a-date-time"), ("20240229102030+01", "not-a-date-time"),
        ("20240229102030+1530", "not-a-date-time"), ("20240229256000", "not-a-date-time"), ("x", "not-a-date-time"),
    ])
    func moments(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.timestamp) == expected) }

    @Test(arguments: [
        ("033Y", "033Y"), ("33Y", "033Y"), (" 5m", "005M"), ("7D ", "007D"), ("012W", "012W"), ("", "empty"),
        ("33", "not-an-age"), ("Y", "not-an-age"), ("1000Y", "not-an-age"), ("3 Y", "not-an-age"),
        ("033X", "not-an-age"),
        ("-3Y", "not-an-age"),
    ])
    func ages(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.age) == expected) }

    @Test(arguments: [
        ("1.2.840", "1.2.840"), ("1.2.840\0", "1.2.840"), ("1.2.840 ", "1.2.840"), ("1.02.3", "1.02.3"), ("1", "1"),
        ("", "empty"), ("\0", "empty"), (".1.2", "not-a-uid"), ("1.2.", "not-a-uid"), ("1..2", "not-a-uid"),
        ("1.2a", "not-a-uid"), ("1.2\01.3", "not-a-uid"), ("../../etc", "not-a-uid"), ("1.2 .3", "not-a-uid"),
        (String(repeating: "1", count: 64), String(repeating: "1", count: 64)),
        (String(repeating: "1", count: 65), "not-a-uid"),
    ])
    func uids(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.uid) == expected) }

    @Test(arguments: [
        ("7", "7"), ("-7", "-7"), ("+7", "7"), (" 007 ", "7"), ("120.0", "120"), ("120.", "120"), ("", "empty"),
        ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "out-of-range"), ("99999999999999999999", "out-of-range"), ("1.5", "not-a-number"),
        ("1\\2", "not-a-number"), ("1e3", "not-a-number"), ("-", "not-a-number"), ("seven", "not-a-number"),
        ("1 2", "not-a-number"), ("0x10", "not-a-number"),
    ])
    func integers(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.integer) == expected) }

    @Test(arguments: [
        ("1.5", "1.5"), ("-.5", "-0.5"), ("5.", "5.0"), ("1E3", "1000.0"), ("1e-3", "0.001"), ("+2", "2.0"),
        (" 3 ", "3.0"),
        ("0.1", "0.1"), ("123456789.123456789", "123456789.12345679"),
        ("1.23456789012345678901234567890", "1.2345678901234567"),
        ("0.000000000000000000000000000001", "1e-30"), ("1e308", "1e+308"), ("9007199254740993", "9007199254740992.0"),
        ("-0", "-0.0"), ("", "empty"), ("1e309", "out-of-range"), ("1e99999999999", "out-of-range"), ("1e-400", "0.0"),
        ("nan", "not-finite"), ("-Infinity", "not-finite"), ("inf", "not-finite"), ("1,5", "not-a-number"),
        (".", "not-a-number"), ("-", "not-a-number"), ("1.2.3", "not-a-number"), ("1e", "not-a-number"),
        ("1e+", "not-a-number"), ("0x1p3", "not-a-number"), ("1 5", "not-a-number"), ("1.5\\2.5", "not-a-number"),
    ])
    func decimals(_ value: String, _ expected: String) { #expect(rule(value, ValueRules.decimal) == expected) }

    /// The quick way to a number and the library's agree to the last bit.
    @Test func decimalsAreRoundedCorrectly() {
        var random = SplitMix(seed: 7)
        for _ in 0..<20_000 {
            let digits = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                String(Int.random(in: 0...9, using: &random))
            }
            let point = Int.random(in: 0...digits.count, using: &random)
            var text = digits[..<point].joined() + "." + digits[point...].joined()
            if Bool.random(using: &random) { text += "e\(Int.random(in: -40...40, using: &random))" }
            if Bool.random(using: &random) { text = "-" + text }
            #expect(rule(text, ValueRules.decimal) == Double(text).map { "\($0)" }, "\(text)")
        }
    }

    private func rule<Value: Sendable & CustomStringConvertible>(
        _ value: String, _ rule: (ValueRules.Bytes) -> Ruled<Value>
    ) -> String {
        Array(value.utf8).withUnsafeBytes { bytes in
            switch rule(bytes) {
            case .value(let value): value.description
            case .empty: "empty"
            case .broken(let rule): rule.rawValue
            }
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
