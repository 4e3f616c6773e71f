import ArchiveSchema
import DICOMDictionary
import DICOMWeb

/// Turns what a query matches into a condition on rows of `dicom_state_meta`, named `s`. Every value is a parameter.
struct SearchPredicates {
    private(set) var conditions: [String] = []
    private(set) var parameters: [PostgresValue] = []
    /// Attributes that were not matched, for people.
    private(set) var warnings: [String] = []
    /// True when a plan for any value will do: only comparisons for equality.
    private(set) var isPlain = true
    /// True when a variant of a series can match where its row does not: UIDs are the same in both.
    private(set) var concernsVariants = false

    static let table = DicomStateMetaRow.table
    private static let modalitiesInStudy = Tag(0x0008_0061)

    /// Bound to one tenant, whatever the query says.
    init(tenantID: String, query: QIDOQuery, warnsOfInstanceKeys: Bool) {
        conditions.append("s.tenant_id = \(bind(.text(tenantID)))")
        for match in query.matches {
            if case .universal = match.matching { continue }
            guard let key = ArchiveSchema.searchKey(match.path.tags) else {
                warnings.append("\(match.path) is not a search key and was not matched")
                continue
            }
            guard key.table == Self.table.name, let column = Self.table.column(key.column) else {
                if warnsOfInstanceKeys { warnings.append("\(match.path) belongs to instances and was not matched") }
                continue
            }
            let isOfStudy = match.path.tags == [Self.modalitiesInStudy]
            let name = isOfStudy ? "m.\(column.sqlName)" : "s.\(column.sqlName)"
            guard
                let condition = condition(
                    match.matching, name, column.type, isName: (column.vr ?? match.vr) == .pn,
                    isFuzzy: query.fuzzyMatching)
            else {
                warnings.append("\(match.path) cannot be matched this way and was not matched")
                continue
            }
            if isOfStudy {
                let modalities = "(\(Self.inAll("tenant_id, study_uid, modality")))"
                conditions.append(
                    """
                    EXISTS (SELECT 1 FROM \(modalities) m
                        WHERE m.tenant_id = $1 AND m.study_uid = s.study_uid AND (\(condition)))
                    """)
            } else {
                if !Self.table.key.contains(column.name) { concernsVariants = true }
                conditions.append("(\(condition))")
            }
        }
    }

    var sql: String { conditions.joined(separator: " AND ") }

    private static func inAll(_ columns: String, _ rest: String = "") -> String {
        [table.name, SeriesVariants.name].map { "SELECT \(columns) FROM \($0)\(rest)" }.joined(separator: " UNION ALL ")
    }

    /// Selects these columns of the key from all rows and variants that match: the same key may come several times.
    func selection(_ columns: String) -> String {
        concernsVariants
            ? Self.inAll(columns, " s WHERE \(sql)") : "SELECT \(columns) FROM \(Self.table.name) s WHERE \(sql)"
    }

    /// Selects the rows, named `s`, of one page of series that match themselves or by one of their variants.
    func rows(_ columns: String, page: String) -> String {
        let order = "ORDER BY s.study_uid, s.series_uid"
        guard concernsVariants else {
            return "SELECT \(columns) FROM \(Self.table.name) s WHERE \(sql) \(order) \(page)"
        }
        return """
            SELECT \(columns) FROM (
                SELECT DISTINCT u.study_uid, u.series_uid FROM (\(selection("s.study_uid, s.series_uid"))) u
                ORDER BY u.study_uid, u.series_uid \(page)
            ) AS k
            CROSS JOIN LATERAL (
                SELECT * FROM \(Self.table.name) r
                WHERE r.tenant_id = $1 AND r.study_uid = k.study_uid AND r.series_uid = k.series_uid LIMIT 1
            ) AS s \(order)
            """
    }

    mutating func bind(_ value: PostgresValue) -> String {
        parameters.append(value)
        return "$\(parameters.count)"
    }

    mutating func add(_ condition: String) { conditions.append(condition) }

    private mutating func condition(
        _ matching: QIDOMatch.Matching, _ name: String, _ type: ColumnType, isName: Bool, isFuzzy: Bool
    ) -> String? {
        if type.isArray { return anyElement(matching, name, type, isName: isName, isFuzzy: isFuzzy) }
        switch matching {
        case .universal: return "true"
        case .empty:
            switch type {
            case .text, .ascii: return "\(name) IS NULL OR \(name) = ''"
            default: return "\(name) IS NULL"
            }
        case .anyOf(let parts):
            var conditions: [String] = []
            for part in parts {
                guard let condition = condition(part, name, type, isName: isName, isFuzzy: isFuzzy) else {
                    return nil
                }
                conditions.append("(\(condition))")
            }
            return conditions.isEmpty ? "false" : conditions.joined(separator: " OR ")
        case .uidList(let uids):
            if uids.count == 1 { return "\(name) = \(bind(.text(uids[0])))" }
            isPlain = false
            return uids.isEmpty ? "false" : "\(name) = ANY (\(bind(.textArray(uids))))"
        case .range(let range): return self.range(range, name, type)
        case .single(let value):
            if isName { return personName(value, name, hasWildcards: false, isFuzzy: isFuzzy) }
            return single(value, name, type)
        case .wildcard(let pattern):
            if isName { return personName(pattern, name, hasWildcards: true, isFuzzy: false) }
            if pattern.utf8.allSatisfy({ $0 == UInt8(ascii: "*") }) { return "true" }
            isPlain = false
            switch type {
            case .text, .ascii: return "\(name) LIKE \(bind(.text(Self.like(pattern))))"
            case .int, .bigint, .double: return "\(name)::text LIKE \(bind(.text(Self.like(pattern))))"
            default: return nil
            }
        }
    }

    private mutating func single(_ value: String, _ name: String, _ type: ColumnType) -> String? {
        switch type {
        case .text, .ascii:
            // PostgreSQL's text has no NUL, so nothing there can be equal.
            return value.utf8.contains(0) ? "false" : "\(name) = \(bind(.text(value)))"
        case .date: return Self.date(value).map { "\(name) = \(bind($0))" }
        case .time: return Self.time(value).map { "\(name) = \(bind($0))" }
        case .int, .bigint:
            if let number = Int64(value) { return "\(name) = \(bind(.int8(number)))" }
            return Double(value).map { "\(name) = \(bind(.float8($0)))" }
        case .double: return Double(value).map { "\(name) = \(bind(.float8($0)))" }
        case .timestamp, .array: return nil
        }
    }

    private mutating func range(_ range: QIDORange, _ name: String, _ type: ColumnType) -> String? {
        isPlain = false
        var parts: [String] = []
        for (bound, sign) in [(range.lower, ">="), (range.upper, "<=")] {
            guard let bound else { continue }
            let value: PostgresValue? =
                switch type {
                case .date: Self.date(bound)
                case .time: Self.time(bound)
                default: nil
                }
            guard let value else { return nil }
            parts.append("\(name) \(sign) \(bind(value))")
        }
        return parts.isEmpty ? "\(name) IS NOT NULL" : parts.joined(separator: " AND ")
    }

    // MARK: Arrays

    /// Whether one of an array's elements matches. What is compared for equality is found by an index on the elements;
    /// all else looks at each element of the rows that the other conditions leave.
    private mutating func anyElement(
        _ matching: QIDOMatch.Matching, _ name: String, _ type: ColumnType, isName: Bool, isFuzzy: Bool
    ) -> String? {
        isPlain = false
        let element = type.element
        // Without its length, to which a cast would cut what is looked for.
        let cast = element.isText ? "varchar[]" : type.postgresName
        switch matching {
        case .universal: return "true"
        case .empty: return "\(name) IS NULL"
        case .uidList(let uids): return "\(name) && \(bind(.textArray(uids)))::\(cast)"
        case .anyOf(let parts):
            var conditions: [String] = []
            for part in parts {
                guard let condition = anyElement(part, name, type, isName: isName, isFuzzy: isFuzzy) else { return nil }
                conditions.append("(\(condition))")
            }
            return conditions.isEmpty ? "false" : conditions.joined(separator: " OR ")
        case .single(let value) where !isName && element != .timestamp:
            // No element can be equal to what is no value of the type.
            return Self.value(value, element).map { "\(name) @> ARRAY[\(bind($0))]::\(cast)" } ?? "false"
        case .single, .wildcard, .range:
            return condition(matching, "e.value", element, isName: isName, isFuzzy: isFuzzy).map {
                "EXISTS (SELECT 1 FROM unnest(\(name)) AS e(value) WHERE \($0))"
            }
        }
    }

    private static func value(_ text: String, _ type: ColumnType) -> PostgresValue? {
        switch type {
        case .text, .ascii: text.utf8.contains(0) ? nil : .text(text)
        case .date: date(text)
        case .time: time(text)
        case .int: (Int32(text) ?? Double(text).flatMap(Int32.init(exactly:))).map { .int4($0) }
        case .bigint: (Int64(text) ?? Double(text).flatMap(Int64.init(exactly:))).map { .int8($0) }
        case .double: Double(text).map { .float8($0) }
        case .timestamp, .array: nil
        }
    }

    // MARK: Person names

    /// Without regard to case, `^` counting as a space, empty components at the end not counting, in any component
    /// group (PS3.4 C.2.2.2.1; what `QIDOMatcher` does for instances).
    ///
    /// The regular expression says all of that. Beside it stands what the index on `lower(patient_name)` can use: the
    /// beginning of the name, where the pattern has one in ASCII, whose place is the first group.
    private mutating func personName(
        _ pattern: String, _ name: String, hasWildcards: Bool, isFuzzy: Bool
    ) -> String? {
        if pattern.utf8.contains(0) { return "false" }
        isPlain = false
        let folded = pattern.lowercased().replacing("^", with: " ")
        let isASCII = pattern.utf8.allSatisfy { $0 < 0x80 }
        // The columns' collation knows the case of ASCII letters only.
        let isCased = !isASCII && pattern.lowercased() != pattern.uppercased()
        let value = isCased ? "lower(\(name) COLLATE \"default\")" : "lower(\(name))"
        let spaced = "translate(\(value), '^', ' ')"
        if isFuzzy && !hasWildcards {
            let words = folded.split(whereSeparator: { $0 == " " || $0 == "=" })
            if words.isEmpty { return "true" }
            return words.map { word in
                "\(spaced) ~ \(bind(.text("(^|[ =])" + Self.escaped(String(word)))))"
            }.joined(separator: " AND ")
        }
        var trimmed = folded
        while trimmed.utf8.last == 0x20 { trimmed.removeLast() }
        if hasWildcards && !trimmed.isEmpty && trimmed.utf8.allSatisfy({ $0 == UInt8(ascii: "*") }) { return "true" }
        var expression = "(^|=)"
        for scalar in trimmed.unicodeScalars {
            switch scalar {
            case "*" where hasWildcards: expression += "[^=]*"
            case "?" where hasWildcards: expression += "[^=]"
            default: expression += Self.escaped(String(scalar))
            }
        }
        // Of a pattern that has groups of its own, the last may end anywhere.
        expression += " *(=|$)"
        var condition = "\(spaced) ~ \(bind(.text(expression)))"
        let prefix = trimmed.prefix { $0 != "*" && $0 != "?" && $0 != " " }
        if isASCII && !prefix.isEmpty {
            condition = "\(value) LIKE \(bind(.text(Self.like(String(prefix) + "*")))) AND \(condition)"
        }
        return condition
    }

    /// For a POSIX regular expression.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            if scalar.value < 0x80 && !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar) && scalar != " "
            {
                out += "\\"
            }
            out.unicodeScalars.append(scalar)
        }
        return out
    }

    // MARK: Values

    /// `*` and `?` as LIKE has them, its own signs escaped.
    static func like(_ pattern: String) -> String {
        var out = ""
        for scalar in pattern.unicodeScalars {
            switch scalar {
            case "*": out += "%"
            case "?": out += "_"
            case "%", "_", "\\":
                out += "\\"
                out.unicodeScalars.append(scalar)
            case "\0": out += "\u{FFFD}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// `YYYYMMDD`.
    static func date(_ text: String) -> PostgresValue? {
        guard text.utf8.count == 8, let value = Int(text),
            let date = CalendarDate(year: value / 10_000, month: value / 100 % 100, day: value % 100)
        else { return nil }
        return .date(days: date.daysSince1970 - CopyFormat.epochDays)
    }

    /// `HHMMSS.FFFFFF`.
    static func time(_ text: String) -> PostgresValue? {
        let parts = text.split(separator: ".", maxSplits: 1)
        guard let first = parts.first, first.utf8.count == 6, let value = Int(first) else { return nil }
        var micros = 0
        if parts.count == 2 {
            guard parts[1].utf8.count == 6, let fraction = Int(parts[1]) else { return nil }
            micros = fraction
        }
        guard
            let time = ClockTime(
                hour: value / 10_000, minute: value / 100 % 100, second: value % 100, microsecond: micros)
        else { return nil }
        return .time(microseconds: time.microseconds)
    }
}
