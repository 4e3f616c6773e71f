internal import DICOMDictionary
internal import ServiceKit

/// What `wado-storescp` counts.
struct StoreSCPMetrics: Sendable {
    let registry: MetricsRegistry
    let associations: Counter
    let rejected: Counter
    let dropped: Counter
    let instances: Counter
    let bytes: Counter
    let filed: Counter
    let duplicates: Counter
    let discarded: Counter
    let published: Counter
    let failures: Counter
    let problems: Counter
    let seconds: Histogram

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        associations = registry.counter("wado_storescp_associations_total", help: "Associations accepted.")
        rejected = registry.counter("wado_storescp_associations_rejected_total", help: "Associations rejected.")
        dropped = registry.counter(
            "wado_storescp_connections_dropped_total", help: "Connections closed before they asked for an association.")
        instances = registry.counter("wado_storescp_instances_total", help: "Instances acknowledged with success.")
        bytes = registry.counter("wado_storescp_received_bytes_total", help: "Bytes of the data sets acknowledged.")
        filed = registry.counter("wado_storescp_filed_total", help: "Instances taken to their final names.")
        duplicates = registry.counter(
            "wado_storescp_duplicates_total", help: "Instances that were stored already, with the same data set.")
        discarded = registry.counter(
            "wado_storescp_discarded_total", help: "Data sets that gave way to another one of the same UIDs.")
        published = registry.counter("wado_storescp_published_total", help: "Events taken by the event bus.")
        failures = registry.counter(
            "wado_storescp_filing_failures_total", help: "Attempts at filing or publishing that are tried again.")
        problems = registry.counter(
            "wado_storescp_column_problems_total", help: "Values that could not be taken as they are.")
        seconds = registry.histogram(
            "wado_storescp_store_seconds", help: "From the command of a C-STORE to its answer.")
    }

    func refused(_ status: UInt16) {
        registry.counter(
            "wado_storescp_refused_total", help: "C-STORE operations answered with another status than success.",
            labels: ["status": Self.text(status)]
        ).add()
    }

    /// `0xA700`.
    static func text(_ status: UInt16) -> String { "0x" + status.hexadecimal(digits: 4) }
}
