import Archive
import ArchiveSchema
import DICOMDictionary
import DICOMWeb

/// Which attributes the answer to a search has, and where each comes from; made once for a search, used for each row.
struct AnswerPlan {
    private indirect enum Field {
        /// A column of the result.
        case column(Int, ColumnSchema)
        case sequence(Items)
        /// The same in every answer, in JSON without its quotes.
        case constant(VR, [UInt8])
        case retrieveURL
        case modalities
        case number(Int, VR)
    }

    /// What the items of a sequence have.
    private struct Items {
        /// In each item: columns that are arrays with an element of each.
        var all: [(Tag, Field)] = []
        /// In the items of these numbers, together with what is in each.
        var numbered: [Int: [(Tag, Field)]] = [:]
        /// The columns below, by their places in the result.
        var columns: [(Int, ColumnSchema)] = []
    }

    /// Names of the columns to select, in the order of the result.
    let columns: [String]
    /// True when the answer needs what is counted over the study's series.
    let needsStudy: Bool
    private var fields: [(Tag, Field)] = []
    private let retrieveRoot: String?
    private let isSeries: Bool
    /// Places in the result.
    private let studyUID = 0
    private let seriesUID = 1
    private let sopInstanceUID = 2
    private let modalities: Int

    init(_ query: QIDOQuery, retrieveRoot: String?) {
        self.retrieveRoot = retrieveRoot
        isSeries = query.level == .series
        let level: QueryLevel = query.level == .studies ? .study : .series
        let wanted = Set(query.returnedTags)
        var names: [String] = ["study_uid", "series_uid", "representative_sop_uid"]
        var leaves: [(ArraySlice<PathStep>, Field)] = []
        for column in DicomStateMetaRow.table.postgresColumns {
            guard let own = column.level, own <= level, let root = column.path.first,
                query.includesAll || wanted.contains(root)
            else { continue }
            // The request may mean another's elements by these tags.
            if !query.includesAll, let block = column.steps.first?.creatorTag,
                let creator = query.privateCreators[block], creator != column.steps.first?.creator
            {
                continue
            }
            let place: Int
            if let known = names.firstIndex(of: column.name) {
                place = known
            } else {
                place = names.count
                names.append(column.name)
            }
            leaves.append((column.steps[...], .column(place, column)))
            // Private elements come with those that reserve their blocks.
            for (depth, step) in column.steps.enumerated() {
                guard let creator = step.creator, let tag = step.creatorTag else { continue }
                var text: [UInt8] = []
                text.appendEscaped(creator.utf8)
                leaves.append((column.steps[..<depth] + [PathStep(tag)], .constant(.lo, text)))
            }
        }
        columns = names
        modalities = names.count
        let computed: [(UInt32, Field)] = [
            (0x0008_0005, .constant(.cs, Array("ISO_IR 192".utf8))),
            (0x0008_0056, .constant(.cs, Array("ONLINE".utf8))),
            (0x0008_0061, .modalities),
            (0x0020_1206, .number(names.count + 1, .is)),
            (0x0020_1208, .number(names.count + 2, .is)),
            (0x0020_1209, .number(names.count + 3, .is)),
        ]
        var needsStudy = false
        for (number, field) in computed {
            let tag = Tag(number)
            if number == 0x0020_1209 && !isSeries { continue }
            guard query.includesAll || wanted.contains(tag) else { continue }
            if number == 0x0008_0061 || number == 0x0020_1206 || number == 0x0020_1208 { needsStudy = true }
            leaves.append(([PathStep(tag)], field))
        }
        if retrieveRoot != nil { leaves.append(([PathStep(Tag(0x0008_1190))], .retrieveURL)) }
        self.needsStudy = needsStudy
        fields = Self.nest(leaves)
    }

    private static func nest(_ leaves: [(ArraySlice<PathStep>, Field)]) -> [(Tag, Field)] {
        var fields: [(Tag, Field)] = []
        for (root, group) in Dictionary(grouping: leaves, by: { $0.0.first?.tag ?? Tag(0) }) {
            if let leaf = group.first(where: { $0.0.count == 1 }) {
                fields.append((root, leaf.1))
            } else {
                fields.append((root, .sequence(items(group))))
            }
        }
        return fields.sorted { $0.0 < $1.0 }
    }

    private static func items(_ group: [(ArraySlice<PathStep>, Field)]) -> Items {
        let inAll = group.filter { $0.0.first?.item == .all }
        var items = Items()
        items.all = nest(inAll.map { ($0.0.dropFirst(), $0.1) })
        for case .number(let number)? in Set(group.map { $0.0.first?.item }) {
            let own = group.filter { $0.0.first?.item == .number(number) }
            items.numbered[number] = nest((own + inAll).map { ($0.0.dropFirst(), $0.1) })
        }
        for case .column(let place, let column) in group.map(\.1) { items.columns.append((place, column)) }
        return items
    }

    /// The instance whose values the row shows.
    func representative(_ result: PostgresResult, _ row: Int, tenantID: String) -> IndexAnswer.Representative {
        IndexAnswer.Representative(
            series: SeriesIdentity(
                tenantID: tenantID, studyUID: result.string(row, studyUID) ?? "",
                seriesUID: result.string(row, seriesUID) ?? ""),
            sopInstanceUID: result.string(row, sopInstanceUID) ?? "")
    }

    /// One DICOM JSON object.
    func object(_ result: PostgresResult, _ row: Int) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(1_024)
        write(fields, result, row, [], &out)
        return out
    }

    /// - Parameter place: the numbers of the items that are being written, the outermost first.
    private func write(
        _ fields: [(Tag, Field)], _ result: PostgresResult, _ row: Int, _ place: [Int], _ out: inout [UInt8]
    ) {
        out.append(UInt8(ascii: "{"))
        var isFirst = true
        for (tag, field) in fields {
            if case .sequence(let items) = field, count(items, result, row, place) == 0 { continue }
            if !isFirst { out.append(UInt8(ascii: ",")) }
            isFirst = false
            out.append(UInt8(ascii: "\""))
            out.append(tag)
            out.append(contentsOf: "\":{\"vr\":\"".utf8)
            switch field {
            case .column(let column, let schema):
                let vr = schema.vr ?? .un
                out.append(vr)
                out.append(UInt8(ascii: "\""))
                value(result, row, column, schema, vr, place, &out)
            case .sequence(let items):
                out.append(contentsOf: "SQ\",\"Value\":[".utf8)
                for number in 0..<count(items, result, row, place) {
                    if number > 0 { out.append(UInt8(ascii: ",")) }
                    write(items.numbered[number] ?? items.all, result, row, place + [number], &out)
                }
                out.append(UInt8(ascii: "]"))
            case .constant(let vr, let bytes):
                out.append(vr)
                out.append(contentsOf: "\",\"Value\":[\"".utf8)
                out.append(contentsOf: bytes)
                out.append(contentsOf: "\"]".utf8)
            case .retrieveURL:
                out.append(contentsOf: "UR\",\"Value\":[\"".utf8)
                out.appendEscaped((retrieveRoot ?? "").utf8)
                out.append(contentsOf: "/studies/".utf8)
                result.withBytes(row, studyUID) { out.appendEscaped($0) }
                if isSeries {
                    out.append(contentsOf: "/series/".utf8)
                    result.withBytes(row, seriesUID) { out.appendEscaped($0) }
                }
                out.append(contentsOf: "\"]".utf8)
            case .modalities:
                out.append(contentsOf: "CS\"".utf8)
                result.withBytes(row, modalities) { bytes in
                    if bytes.isEmpty { return }
                    out.append(contentsOf: ",\"Value\":[".utf8)
                    out.appendTexts(bytes)
                    out.append(UInt8(ascii: "]"))
                }
            case .number(let column, let vr):
                out.append(vr)
                out.append(contentsOf: "\",\"Value\":[".utf8)
                out.append(contentsOf: "\(result.integer(row, column) ?? 0)".utf8)
                out.append(UInt8(ascii: "]"))
            }
            out.append(UInt8(ascii: "}"))
        }
        out.append(UInt8(ascii: "}"))
    }

    /// How many items a sequence has, so that all that have a value are there. Of sequences that are taken whole, the
    /// outermost has an item for each element; those below it have one.
    private func count(_ items: Items, _ result: PostgresResult, _ row: Int, _ place: [Int]) -> Int {
        items.columns.reduce(0) { most, column in
            let (number, schema) = column
            if result.isNull(row, number) { return most }
            let whole = schema.outermostWhole ?? place.count + 1
            if whole <= place.count {
                let elements = result.withBytes(row, number) { $0.postgresElements.map { $0 != nil } }
                if whole == place.count { return max(most, elements.count) }
                guard elements.indices.contains(place[whole]), elements[place[whole]] else { return most }
            }
            if case .number(let item) = schema.steps[place.count].item { return max(most, item + 1) }
            return max(most, 1)
        }
    }

    /// `,"Value":[...]`, or nothing for NULL and for an empty text.
    private func value(
        _ result: PostgresResult, _ row: Int, _ column: Int, _ schema: ColumnSchema, _ vr: VR, _ place: [Int],
        _ out: inout [UInt8]
    ) {
        if result.isNull(row, column) { return }
        let start = out.count
        out.append(contentsOf: ",\"Value\":[".utf8)
        let empty = out.count
        result.withBytes(row, column) { bytes in
            guard schema.type.isArray else { return Self.append(bytes, schema.type, vr, &out) }
            let elements = bytes.postgresElements
            if let whole = schema.outermostWhole {
                guard elements.indices.contains(place[whole]), let one = elements[place[whole]] else { return }
                return Self.append(one, schema.type.element, vr, &out)
            }
            for (index, one) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                let before = out.count
                if let one { Self.append(one, schema.type.element, vr, &out) }
                if out.count == before { out.append(contentsOf: "null".utf8) }
            }
        }
        if out.count == empty { out.removeLast(out.count - start) } else { out.append(UInt8(ascii: "]")) }
    }

    /// One value, or those between the backslashes of a text; nothing for an empty text.
    private static func append(_ bytes: UnsafeRawBufferPointer, _ type: ColumnType, _ vr: VR, _ out: inout [UInt8]) {
        var text: String?
        switch type {
        case .text, .ascii:
            if bytes.isEmpty { return }
            switch vr {
            case .pn: out.appendNames(bytes)
            case .lt, .st, .ut, .ur:
                out.append(UInt8(ascii: "\""))
                out.appendEscaped(bytes)
                out.append(UInt8(ascii: "\""))
            default: out.appendTexts(bytes)
            }
            return
        case .int, .bigint: text = bytes.postgresInteger.map { "\($0)" }
        case .double: text = bytes.postgresDouble.flatMap { $0.isFinite ? "\($0)" : nil }
        case .date:
            let days = bytes.postgresInteger.flatMap { Int32(exactly: $0 + Int64(CopyFormat.epochDays)) }
            text = days.flatMap { CalendarDate(daysSince1970: $0) }.map { "\"\($0.dicomValue)\"" }
        case .time:
            text = bytes.postgresInteger.flatMap { ClockTime(microseconds: $0) }.map { "\"\($0.dicomValue)\"" }
        case .timestamp, .array: text = nil
        }
        if let text { out.append(contentsOf: text.utf8) }
    }
}

extension ColumnSchema {
    /// The place in the path of the outermost sequence that is taken whole; nil when none is.
    fileprivate var outermostWhole: Int? { steps.firstIndex { $0.item == .all } }
}

extension [UInt8] {
    /// Eight hexadecimal digits.
    mutating func append(_ tag: Tag) {
        for shift in stride(from: UInt32(28), through: 4, by: -4) { append(hexadecimal: tag.rawValue >> shift) }
        append(hexadecimal: tag.rawValue)
    }

    /// Its two letters.
    mutating func append(_ vr: VR) { append(bigEndian: vr.rawValue) }

    private mutating func append(hexadecimal value: UInt32) {
        let digit = UInt8(truncatingIfNeeded: value & 15)
        append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
    }

    /// The inside of a JSON string.
    mutating func appendEscaped(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                append(contentsOf: "\\u00".utf8)
                append(UInt8(ascii: byte < 16 ? "0" : "1"))
                let digit = byte & 15
                append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            default: append(byte)
            }
        }
    }

    /// `"a","b"` of values between backslashes; an empty one among several is null (PS3.18 F.2.5).
    mutating func appendTexts(_ bytes: UnsafeRawBufferPointer) {
        for (index, part) in bytes.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false).enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            if part.isEmpty {
                append(contentsOf: "null".utf8)
            } else {
                append(UInt8(ascii: "\""))
                appendEscaped(part)
                append(UInt8(ascii: "\""))
            }
        }
    }

    /// `{"Alphabetic":...}` of each person name's component groups (PS3.18 F.2.2); empty ones are left out.
    mutating func appendNames(_ bytes: UnsafeRawBufferPointer) {
        let names = bytes.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false)
        for (index, name) in names.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            append(UInt8(ascii: "{"))
            var isFirst = true
            let groups = name.split(separator: UInt8(ascii: "="), maxSplits: 2, omittingEmptySubsequences: false)
            for (group, title) in zip(groups, ["Alphabetic", "Ideographic", "Phonetic"]) where !group.isEmpty {
                append(contentsOf: "\(isFirst ? "" : ",")\"\(title)\":\"".utf8)
                appendEscaped(group)
                append(UInt8(ascii: "\""))
                isFirst = false
            }
            append(UInt8(ascii: "}"))
        }
    }
}
