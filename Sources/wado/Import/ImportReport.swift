internal import Foundation
internal import Synchronization

/// How an import goes.
final class ImportReport: Sendable {
    private struct State {
        var done = 0
        var stored = 0
        var bytes = 0
        var notDICOM = 0
        /// Files by the reason why they are not in the archive.
        var refused: [String: [String]] = [:]
        var refusedCount = 0
        var givenUp: String?
    }

    private static let examples = 3
    private let state = Mutex(State())
    private let total: Int
    private let start = Date()

    init(total: Int) { self.total = total }

    func stored(bytes: Int) {
        state.withLock {
            $0.done += 1
            $0.stored += 1
            $0.bytes += bytes
        }
    }

    func notDICOM() {
        state.withLock {
            $0.done += 1
            $0.notDICOM += 1
        }
    }

    func refused(_ path: String, reason: String) {
        state.withLock {
            $0.done += 1
            $0.refusedCount += 1
            $0.refused[reason, default: []].append(path)
        }
    }

    /// The archive cannot be reached any more: nothing further is tried.
    func giveUp(_ reason: String) {
        state.withLock { $0.givenUp = $0.givenUp ?? reason }
    }

    var isGivenUp: Bool { state.withLock { $0.givenUp != nil } }

    /// Whether everything that is DICOM is in the archive.
    var isClean: Bool { state.withLock { $0.refusedCount == 0 && $0.givenUp == nil } }

    /// `[#######-----] 58 %  580 of 1000 files, 61 MB/s`.
    var bar: String {
        let state = state.withLock { $0 }
        let part = total == 0 ? 1 : Double(state.done) / Double(total)
        let seconds = max(0.001, Date().timeIntervalSince(start))
        let rate = String(format: "%.0f", Double(state.bytes) / seconds / 1e6)
        let refused = state.refusedCount > 0 ? ", \(state.refusedCount) refused" : ""
        return "\(Terminal.bar(part))  \(state.done) of \(total) files\(refused), \(rate) MB/s"
    }

    /// For people, several lines.
    var summary: String {
        let state = state.withLock { $0 }
        let seconds = Date().timeIntervalSince(start)
        var text = "\(state.stored) stored (\(String(format: "%.1f", Double(state.bytes) / 1e6)) MB in "
        text += "\(String(format: "%.1f", seconds)) s), \(state.refusedCount) refused, \(state.notDICOM) not DICOM\n"
        for (reason, files) in state.refused.sorted(by: { ($1.value.count, $0.key) < ($0.value.count, $1.key) }) {
            text += "  \(files.count) refused: \(reason)\n"
            for file in files.prefix(ImportReport.examples) { text += "      \(file)\n" }
            if files.count > ImportReport.examples { text += "      and \(files.count - ImportReport.examples) more\n" }
        }
        if let reason = state.givenUp {
            text += "given up with \(total - state.done) files left: \(reason)\n"
            text += "importing again is safe: what is stored already stays as it is\n"
        }
        return text
    }
}
