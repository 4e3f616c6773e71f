import Dictionary

/// The rules of Doris 3.1 that its grammar does not tell.
extension ModelChecker {
    mutating func checkDoris(_ table: TableSpec, _ model: inout TableModel, _ spec: Spec) {
        guard let doris = table.doris else {
            if model.stores.contains(.doris) {
                error(
                    "table `\(model.name)` is in Doris and needs `doris: {distribute_by: [...], buckets: N}`",
                    table.name.mark)
            }
            return
        }
        guard model.stores.contains(.doris) else {
            error("`doris` is for tables with `stores: [doris]`", doris.mark)
            return
        }
        if let given = doris.model, given.value != "unique" {
            error(
                "the model can only be unique, and this is `\(given.value)`: a duplicate key only sorts, and a message "
                    + "that comes again would count twice", given.mark)
        }
        if doris.distributeBy.isEmpty {
            error("`doris` needs `distribute_by:`, the columns whose hash picks the bucket", doris.mark)
        }
        checkOnce(doris.distributeBy)
        for name in doris.distributeBy {
            guard column(name, model, "distribution") != nil else { continue }
            if !model.key.contains(name.value) {
                error(
                    "`\(name.value)` is not in the key, and Doris distributes a unique table by key columns only",
                    name.mark)
            }
        }
        if doris.distributeBy.map(\.value) == ["tenant_id"], let mark = doris.distributeBy.first?.mark {
            error("by `tenant_id` alone a tenant's rows are all in one bucket, on one disk; take study_uid", mark)
        }
        let buckets = doris.buckets ?? Marked(value: 0, mark: doris.mark)
        if buckets.value < 2 || buckets.value > 768 {
            error("`buckets` must be from 2 to 768: one bucket is one disk", buckets.mark)
        }
        let replicas = doris.replicas ?? spec.doris.replicas
        if replicas < 1 || replicas > 32 { error("`replicas` must be from 1 to 32", doris.mark) }
        if let sequence = doris.sequence, let column = column(sequence, model, "sequence") {
            if ![.int, .bigint, .date, .timestamp].contains(column.type) {
                error(
                    "the sequence column must be a whole number or a moment, and `\(column.name)` is \(column.type.spelling)",
                    sequence.mark)
            }
            if column.isNullable || column.isComputedOnLoad {
                error(
                    "the sequence column `\(column.name)` decides which row stays and must always be sent",
                    sequence.mark)
            }
        }
        model.doris = DorisModel(
            distributeBy: doris.distributeBy.map(\.value), buckets: buckets.value, replicas: replicas,
            sequence: doris.sequence?.value)
    }

    mutating func checkLoad(_ table: TableSpec, _ model: inout TableModel, _ spec: Spec) {
        guard let load = table.load else {
            if let column = model.columns.first(where: \.isComputedOnLoad),
                let mark = table.columns.first(where: { $0.name.value == column.name })?.name.mark
            {
                error("`\(column.name)` is computed when Doris loads, and the table has no `load:`", mark)
            }
            return
        }
        guard model.stores.contains(.doris) else {
            error("`load` is for tables with `stores: [doris]`", load.mark)
            return
        }
        guard let job = load.job, let topic = load.topic else {
            error("`load` needs `job:` and `topic:`", load.mark)
            return
        }
        if !ColumnNames.isLegal(job.value) {
            error("`\(job.value)` is no name for a job; take small letters, digits and underscores", job.mark)
        }
        let isTopic = topic.value.utf8.allSatisfy {
            $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20
        }
        if !isTopic || topic.value.isEmpty || topic.value.utf8.count > 249 {
            error("`\(topic.value)` is no name for a topic", topic.mark)
        }
        let sent = model.columns(in: .doris).filter { !$0.isComputedOnLoad }.map(\.name)
        checkOnce(load.columns ?? [])
        for name in load.columns ?? [] {
            guard let column = column(name, model, "load") else { continue }
            if !column.stores.contains(.doris) {
                error(
                    "the load lists `\(name.value)`, which the table of Doris does not have; Doris would read it and drop "
                        + "it without a word", name.mark)
            } else if column.isComputedOnLoad {
                error("`\(name.value)` is computed and comes in no message; take it off the list", name.mark)
            }
        }
        if let listed = load.columns {
            for name in sent where !listed.contains(where: { $0.value == name }) {
                error("the load leaves out `\(name)`, which then would always be NULL; add it", load.mark)
            }
        }
        var properties = spec.doris.jobProperties.filter { entry in !load.properties.contains { $0.name == entry.name }
        }
        properties += load.properties
        for property in properties {
            guard let known = RoutineLoadProperty(rawValue: property.name) else { continue }
            if Int(property.value).map(known.range.contains) != true {
                error(
                    "`\(property.name)` must be from \(known.range.lowerBound) to \(known.range.upperBound), and is "
                        + "`\(property.value)`", load.mark)
            }
        }
        model.load = LoadModel(
            job: job.value, topic: topic.value, columns: load.columns?.map(\.value) ?? sent, properties: properties)
    }
}
