/// Finds what someone may have meant.
public enum Nearest {
    /// The candidate with the fewest edits, if those are no more than a third of the letters.
    public static func name(to text: String, among candidates: [String]) -> String? {
        let wanted = Array(text.utf8.prefix(100))
        return
            candidates
            .map { (name: $0, distance: distance(wanted, Array($0.utf8.prefix(100)))) }
            .filter { $0.distance <= max(1, wanted.count / 3) }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
    }

    /// Letters to insert, drop, change, or swap with their neighbour (optimal string alignment).
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var next = [index + 1]
            for (column, other) in right.enumerated() {
                var best = min(row[column] + (byte == other ? 0 : 1), row[column + 1] + 1, next[column] + 1)
                if index > 0, column > 0, byte == right[column - 1], left[index - 1] == other {
                    best = min(best, before[column - 1] + 1)
                }
                next.append(best)
            }
            (before, row) = (row, next)
        }
        return row[right.count]
    }
}
