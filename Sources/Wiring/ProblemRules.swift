internal import Archive
internal import ArchiveSchema
internal import DICOMCore
public import ServiceKit
internal import StoreSCPService

/// The rules of problems, by the names of docs/problems.md.
public enum ProblemRules {
    public static let all: [String] =
        ValueRule.allCases.map(\.rawValue) + ReadWarning.Code.allCases.map(\.rawValue)
        + Refusal.Rule.allCases.map(\.rawValue)
        + [
            "pixel-data-too-long", "pixel-data-too-short", "pixel-data-truncated", "file-missing", "file-unreadable",
            "identity-invalid", "identity-mismatch", "key-missing", "row-refused", "event-unreadable",
            "event-impossible", "other-data-set-kept", "metadata-missing", "metadata-unreadable", "values-unreadable",
            "spool-file-lost", "unfinished-file", InstanceProblems.furtherRule,
        ]

    /// - Throws: `SettingsError` when there is no such rule.
    public static func check(_ rule: String) throws(SettingsError) {
        if all.contains(rule) { return }
        let hint = Nearest.name(to: rule, among: all).map { "; did you mean \($0)?" } ?? ""
        throw SettingsError(problems: [
            "--rule: there is no rule '\(rule)'\(hint)", "the rules are \(all.sorted().joined(separator: ", "))",
        ])
    }
}
