internal import Foundation
internal import Wiring

/// Shows how far a run over old data is: a line that is overwritten, or, where nobody watches, one now and then; and
/// the first instances with errors.
final class ReindexDisplay {
    private static let listed = 20
    private let options: ReindexOptions
    private let isOfColumns: Bool
    /// Rows go to Doris too.
    private let isPublished: Bool
    private let start = Date()
    private var nextLine = Date()
    private var failures = 0

    init(_ options: ReindexOptions, isOfColumns: Bool, isPublished: Bool) {
        self.options = options
        self.isOfColumns = isOfColumns
        self.isPublished = isPublished
    }

    func show(_ progress: ReindexProgress) {
        let now = Date()
        guard now >= nextLine else { return }
        nextLine = now.addingTimeInterval(Terminal.isInteractive ? 0.2 : 10)
        if Terminal.isInteractive { Terminal.status(line(progress)) } else { Terminal.complain(line(progress)) }
    }

    func note(_ failure: ReindexFailure) {
        failures += 1
        guard failures <= Self.listed else { return }
        if Terminal.isInteractive { Terminal.status("") }
        let names = [failure.tenantID, failure.studyUID, failure.seriesUID, failure.sopInstanceUID]
        Terminal.complain(
            "\(names.filter { !$0.isEmpty }.joined(separator: "/")): \(failure.reason): \(failure.detail)")
        if failures == Self.listed { Terminal.complain("further instances with errors are counted only") }
    }

    func finish(_ progress: ReindexProgress) {
        if Terminal.isInteractive { Terminal.complain("") }
        let seconds = max(0.001, Date().timeIntervalSince(start))
        var text = progress.isContinued ? "an earlier run was taken up where it ended\n" : ""
        text += "\(progress.done) instances looked at (\(rate(progress, seconds)) a second), \(outcome(progress))"
        text += ", \(progress.failed) with errors, in \(duration(seconds))\n"
        if !progress.isCompared {
            text += "a dry run does not compare files with what is indexed: `wado reconcile` does\n"
        }
        Terminal.write(text)
    }

    private func outcome(_ progress: ReindexProgress) -> String {
        guard progress.isCompared else { return "\(progress.done - progress.failed) can be indexed" }
        let what = "\(progress.changed) \(isOfColumns ? "rows" : "rows and metadata") "
        if options.isDryRun { return what + "would be changed" }
        // Of rows of instances Doris finds out which differ.
        return what + (isPublished ? "changed or published" : isOfColumns ? "changed" : "added or changed")
    }

    /// `[#######-----] 58 %  580,000 instances, 21000/s, about 3 min left`.
    private func line(_ progress: ReindexProgress) -> String {
        let seconds = max(0.001, Date().timeIntervalSince(start))
        let made = progress.fraction - progress.fractionBefore
        let left = made > 0.001 ? ", about \(duration(seconds / made * (1 - progress.fraction))) left" : ""
        let errors = progress.failed > 0 ? ", \(progress.failed) with errors" : ""
        return "\(Terminal.bar(progress.fraction))  \(progress.done) instances\(errors), "
            + "\(rate(progress, seconds))/s\(left)"
    }

    private func rate(_ progress: ReindexProgress, _ seconds: Double) -> Int {
        Int(Double(progress.doneNow) / seconds)
    }

    private func duration(_ seconds: Double) -> String {
        if seconds < 90 { return "\(Int(seconds.rounded(.up))) s" }
        if seconds < 5_400 { return "\(Int((seconds / 60).rounded())) min" }
        return String(format: "%.1f h", seconds / 3_600)
    }
}
