/// The properties of a load job that a spec may set, with what Doris takes.
package enum RoutineLoadProperty: String, CaseIterable, Sendable {
    case desiredConcurrentNumber = "desired_concurrent_number"
    case maxBatchInterval = "max_batch_interval"
    case maxBatchRows = "max_batch_rows"
    case maxBatchSize = "max_batch_size"
    case maxErrorNumber = "max_error_number"

    package static let allNames = allCases.map(\.rawValue)

    package var range: ClosedRange<Int> {
        switch self {
        case .desiredConcurrentNumber: 1...1000
        case .maxBatchInterval: 1...86_400
        case .maxBatchRows: 200_000...1_000_000_000
        case .maxBatchSize: 104_857_600...10_737_418_240
        case .maxErrorNumber: 0...1_000_000_000
        }
    }
}
