/// A pattern in which `*` stands for any characters and `?` for exactly one (PS3.4 C.2.2.2.4).
///
/// It is an automaton whose states are bits: state n has matched n characters of the pattern, and stays where a `*` follows.
/// Each character of a value moves all states at once, so the work is the value's length times one word for each 64
/// characters of the pattern, whatever both are made of.
struct Glob: Hashable, Sendable {
    /// For each character of the pattern the states that it moves on; every other one moves those before a `?`.
    private var moves: [Unicode.Scalar: [UInt64]] = [:]
    private var any: [UInt64]
    /// States before a `*`.
    private var stays: [UInt64]
    private let length: Int

    init(_ pattern: String) {
        let scalars = pattern.unicodeScalars
        length = scalars.reduce(0) { $0 + ($1 == "*" ? 0 : 1) }
        let none = [UInt64](repeating: 0, count: length / 64 + 1)
        any = none
        stays = none
        var state = 0
        var found: [(Unicode.Scalar, Int)] = []
        for scalar in scalars {
            if scalar == "*" {
                stays[state / 64] |= 1 << UInt64(state % 64)
                continue
            }
            if scalar == "?" { any[state / 64] |= 1 << UInt64(state % 64) } else { found.append((scalar, state)) }
            state += 1
        }
        for (scalar, state) in found { moves[scalar, default: any][state / 64] |= 1 << UInt64(state % 64) }
    }

    func matches(_ value: String) -> Bool {
        var states = [UInt64](repeating: 0, count: any.count)
        states[0] = 1
        for scalar in value.unicodeScalars {
            let moving = moves[scalar] ?? any
            var carry: UInt64 = 0
            var alive: UInt64 = 0
            for word in states.indices {
                let moved = states[word] & moving[word]
                states[word] = states[word] & stays[word] | moved << 1 | carry
                carry = moved >> 63
                alive |= states[word]
            }
            if alive == 0 { return false }
        }
        return states[length / 64] >> UInt64(length % 64) & 1 == 1
    }
}
