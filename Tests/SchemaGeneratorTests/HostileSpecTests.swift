import Testing

/// Bytes that are no spec: an error with its place, soon, whatever they are.
@Suite struct HostileSpecTests {
    @Test(arguments: [
        ("", "1:1: error: the spec is empty; it must have `tables:`"),
        ("# nothing\n", "1:1: error: the spec is empty; it must have `tables:`"),
        ("[]", "1:1: error: the spec must be a mapping (`key: value`), and this is a list"),
        ("tables: {}\n", "1:1: error: the spec has no tables"),
        ("tables:\n", "1:8: error: `tables` must be a mapping (`key: value`), and this is nothing"),
        ("tables:\n  a: &x {about: b}\n", "2:6: error: an anchor (`&name`); write the value out where it is needed"),
        ("tables: *x\n", "1:9: error: an alias (`*name`); write the value out"),
        ("tables: !!map {}\n", "1:9: error: a YAML tag (`!name`); leave it out"),
        ("tables: {}\n---\ntables: {}\n", "2:1: error: a second document; the spec is one document"),
        ("tables: {[a]: b}\n", "1:10: error: a key must be a single word"),
        ("tables: {a: \"x\\0y\"}\n", "1:13: error: a NUL character"),
    ])
    func says(_ spec: String, _ message: String) throws {
        let found = try SpecSamples.diagnose(spec)
        #expect(found == ["fields.yaml:\(message)"])
    }

    @Test func aliasBombsAreNotFollowed() throws {
        var spec = "a: &a [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<30 {
            spec +=
                "b\(level): &b\(level) [\(Array(repeating: level == 1 ? "*a" : "*b\(level - 1)", count: 9).joined(separator: ", "))]\n"
        }
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:1:4: error: an anchor (`&name`); write the value out where it is needed"
            ])
    }

    @Test func deepNestingIsCutOff() throws {
        for open in ["[", "{a: ", "- "] {
            let spec = "tables: \(open == "- " ? "\n" : "")" + String(repeating: open, count: 100_000)
            let found = try SpecSamples.diagnose(spec)
            #expect(
                found.count == 1 && found[0].hasSuffix("error: nested more than 24 deep; nothing in a spec is"),
                "\(found)")
        }
    }

    @Test func hugeSpecsAreRefused() throws {
        let found = try SpecSamples.diagnose([UInt8](repeating: 0x20, count: 5 << 20))
        #expect(found == ["fields.yaml:1:1: error: the spec has 5242880 bytes; more than 4194304 are not read"])
    }

    @Test func bytesThatAreNoYAML() throws {
        for bytes: [UInt8] in [
            [0], [0xFF], Array("a: \u{0}b".utf8), Array("a: [".utf8), Array("\ta: b".utf8), [0xC3, 0x28],
        ] {
            let found = try SpecSamples.diagnose(bytes)
            #expect(found.count == 1 && found[0].contains(": error: not valid YAML: "), "\(found)")
        }
    }

    /// Bytes of the real spec, changed at random: a value or an error, never a crash.
    @Test func randomChangesAreSurvived() throws {
        var random = SplitMix(seed: 20_260_101)
        let spec = Array(
            SpecSamples.spec("name: patient_id, tag: PatientID", "name: x, tag: 'ProcedureCodeSequence[0].CodeValue'")
                .utf8)
        var accepted = 0
        for _ in 0..<1000 {
            var bytes = spec
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: place)
                }
            }
            if try SpecSamples.diagnose(bytes).isEmpty { accepted += 1 }
        }
        #expect(accepted > 0 && accepted < 1000)
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
