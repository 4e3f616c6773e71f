/// The candidate nearest to what was written, for "did you mean": by edits of single characters (one inserted, left
/// out, changed, or two neighbours swapped), letter case not counted. Nil when none is near enough to be meant.
/// Of several equally near ones it is the first in order.
public func nearest(to written: String, among candidates: some Sequence<String>) -> String? {
    let word = folded(written)
    guard !word.isEmpty else { return nil }
    var limit = max(1, min(word.count / 3, 8))
    var best: String?
    for candidate in candidates {
        guard let distance = editDistance(word, folded(candidate), limit: limit) else { continue }
        guard let current = best else {
            (best, limit) = (candidate, distance)
            continue
        }
        if distance < limit || candidate < current { (best, limit) = (candidate, distance) }
    }
    return best
}

private func folded(_ text: String) -> [UInt8] {
    text.utf8.compactMap { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        case UInt8(ascii: "_"), UInt8(ascii: " "), UInt8(ascii: "-"): nil
        default: byte
        }
    }
}

/// The number of edits between two words (optimal string alignment), or nil when above the limit.
func editDistance(_ a: [UInt8], _ b: [UInt8], limit: Int) -> Int? {
    guard abs(a.count - b.count) <= limit else { return nil }
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    var current = last
    for i in 0..<a.count {
        current[0] = i + 1
        var smallest = current[0]
        for j in 0..<b.count {
            var cost = min(last[j + 1] + 1, current[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
            current[j + 1] = cost
            smallest = min(smallest, cost)
        }
        guard smallest <= limit else { return nil }
        (beforeLast, last, current) = (last, current, beforeLast)
    }
    return last[b.count] <= limit ? last[b.count] : nil
}
