/// Tables 6-1, 7-1, 8-1 and 9-1: rows to elements.
enum ElementTable {
    static func entries(of table: DocBookTable, _ problems: inout Problems) -> [ElementEntry] {
        // The last column, `RET` for a retired element, has no heading.
        guard let columns = Columns(table, required: ["tag", "name", "keyword", "vr", "vm", ""], &problems) else {
            return []
        }
        var entries: [ElementEntry] = []
        entries.reserveCapacity(table.rows.count)
        for row in table.rows where columns.fit(row, of: table, &problems) {
            if let entry = entry(columns, row, table.label, &problems) { entries.append(entry) }
        }
        return entries
    }

    private static func entry(
        _ columns: Columns, _ row: TableRow, _ label: String, _ problems: inout Problems
    ) -> ElementEntry? {
        func cell(_ column: String) -> String { columns.cell(column, of: row) }
        let written = cell("tag")
        guard let (tag, mask) = parseTag(written) else {
            problems.add(
                line: row.line,
                "Table \(label): `\(written)` is not a tag; write (gggg,eeee) in hexadecimal digits or x")
            return nil
        }
        let status = cell("")
        let isRetired = status.hasPrefix("RET")
        let name = cell("name")
        let keyword = cell("keyword")
        guard isKeyword(keyword) || keyword.isEmpty && isRetired else {
            problems.add(
                line: row.line,
                "Table \(label): \(written) has the keyword `\(keyword)`; a keyword has letters and digits, and only "
                    + "retired elements lack one")
            return nil
        }
        let vr = cell("vr")
        guard let vrs = parseVRs(vr), !vrs.isEmpty || isRetired || vr.hasPrefix("See Note") else {
            problems.add(
                line: row.line,
                "Table \(label): \(written) has the unknown VR `\(vr)`; mend the row, or teach the program the new VR "
                    + "(PS3.5 6.2)")
            return nil
        }
        let vm = cell("vm")
        guard isMultiplicity(vm) || vm.isEmpty && isRetired else {
            problems.add(
                line: row.line, "Table \(label): \(written) has the VM `\(vm)`; write 1, 1-3, 1-n, 2-2n or 1-n or 1")
            return nil
        }
        return ElementEntry(
            tag: tag, mask: mask, name: name, keyword: keyword, vrs: vrs, vm: vm, isRetired: isRetired, line: row.line)
    }

    /// `(60xx,3000)` is 6000,3000 under the mask FF00,FFFF.
    static func parseTag(_ text: String) -> (tag: UInt32, mask: UInt32)? {
        let bytes = Array(text.utf8)
        guard bytes.count == 11, bytes[0] == UInt8(ascii: "("), bytes[5] == UInt8(ascii: ","),
            bytes[10] == UInt8(ascii: ")")
        else { return nil }
        var tag: UInt32 = 0
        var mask: UInt32 = 0
        for index in [1, 2, 3, 4, 6, 7, 8, 9] {
            tag <<= 4
            mask <<= 4
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): tag |= UInt32(bytes[index] - UInt8(ascii: "0"))
            case UInt8(ascii: "A")...UInt8(ascii: "F"): tag |= UInt32(bytes[index] - UInt8(ascii: "A")) + 10
            case UInt8(ascii: "a")...UInt8(ascii: "f"): tag |= UInt32(bytes[index] - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "x"), UInt8(ascii: "X"): continue
            default: return nil
            }
            mask |= 0xF
        }
        return (tag, mask)
    }

    /// `US or SS or OW`; none for an empty cell and for `See Note`; nil when one is unknown.
    static func parseVRs(_ text: String) -> [ValueRepresentation]? {
        if text.isEmpty || text.hasPrefix("See Note") { return [] }
        var vrs: [ValueRepresentation] = []
        for word in text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "/" }) where word != "or" {
            guard let vr = ValueRepresentation(rawValue: String(word)) else { return nil }
            vrs.append(vr)
        }
        return vrs.isEmpty ? nil : vrs
    }

    /// `1`, `1-3`, `1-n`, `2-2n`, and several of them with `or`.
    static func isMultiplicity(_ text: String) -> Bool {
        guard !text.isEmpty else { return false }
        return text.split(separator: " ").enumerated().allSatisfy { index, word in
            guard index % 2 == 0 else { return word == "or" }
            let ends = word.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            guard let least = Int(ends[0]), least > 0 else { return false }
            guard ends.count == 2 else { return true }
            if let most = Int(ends[1]) { return most >= least }
            guard ends[1].hasSuffix("n") else { return false }
            return ends[1] == "n" || Int(ends[1].dropLast()).map { $0 > 0 } ?? false
        } && text.split(separator: " ").count % 2 == 1
    }

    static func isKeyword(_ text: String) -> Bool {
        text.utf8.count > 0
            && text.utf8.allSatisfy { byte in
                byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
                    || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: "_")
            }
    }
}

/// Tables: rows to UIDs. Editions differ in their columns: keywords came late.
enum UIDTable {
    static func entries(of table: DocBookTable, _ problems: inout Problems) -> [UIDEntry] {
        entries(of: table, required: ["uidvalue", "uidname", "uidtype", "part"], kind: nil, &problems)
    }

    static func frameOfReferences(of table: DocBookTable, _ problems: inout Problems) -> [UIDEntry] {
        entries(of: table, required: ["uidvalue", "uidname"], kind: "Well-known frame of reference", &problems)
    }

    /// - Parameter kind: of every row, where the table has no column for it.
    private static func entries(
        of table: DocBookTable, required: [String], kind: String?, _ problems: inout Problems
    ) -> [UIDEntry] {
        guard let columns = Columns(table, required: required, &problems) else { return [] }
        var entries: [UIDEntry] = []
        entries.reserveCapacity(table.rows.count)
        for row in table.rows where columns.fit(row, of: table, &problems) {
            func cell(_ column: String) -> String { columns.cell(column, of: row) }
            let uid = cell("uidvalue")
            guard isUID(uid) else {
                problems.add(
                    line: row.line,
                    "Table \(table.label): `\(uid)` is not a UID; write numbers and dots, 64 characters at the most")
                continue
            }
            let keyword = cell("uidkeyword")
            guard keyword.isEmpty || ElementTable.isKeyword(keyword) else {
                problems.add(
                    line: row.line,
                    "Table \(table.label): \(uid) has the keyword `\(keyword)`; a keyword has letters and digits")
                continue
            }
            let kind = kind ?? cell("uidtype")
            guard !kind.isEmpty else {
                problems.add(
                    line: row.line, "Table \(table.label): \(uid) has no type; write one, for example SOP Class")
                continue
            }
            var name = cell("uidname")
            let isRetired = name.hasSuffix("(Retired)")
            if isRetired {
                name.removeLast("(Retired)".count)
                if name.last == " " { name.removeLast() }
            }
            guard isRetired || !name.isEmpty else {
                problems.add(line: row.line, "Table \(table.label): \(uid) has no name; only retired ones may lack it")
                continue
            }
            entries.append(
                UIDEntry(
                    uid: uid, name: name, keyword: keyword, kind: kind, part: cell("part"), isRetired: isRetired,
                    line: row.line))
        }
        return entries
    }

    /// PS3.5 9.1: numbers without leading zeros, joined by dots, 64 characters at the most.
    static func isUID(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count) else { return false }
        return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { number in
            guard let first = number.first else { return false }
            return (first != UInt8(ascii: "0") || number.count == 1)
                && number.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
    }
}

/// Where each column of a table is, by its heading.
private struct Columns {
    private let places: [String: Int]
    private let count: Int

    /// Headings are compared without case and spaces.
    init?(_ table: DocBookTable, required: [String], _ problems: inout Problems) {
        guard let heading = table.headings.first else {
            problems.add(line: table.line, "Table \(table.label) has no heading row; get the file again")
            return nil
        }
        var places: [String: Int] = [:]
        for (index, cell) in heading.cells.enumerated() {
            places[cell.lowercased().filter(\.isLetter), default: index] = index
        }
        for column in required where places[column] == nil {
            let what = column.isEmpty ? "the last column, without heading," : "the column `\(column)`"
            let found = heading.cells.map { "`\($0)`" }.joined(separator: ", ")
            problems.add(
                line: heading.line,
                "Table \(table.label) lacks \(what) (it has \(found)); if the edition renamed it, teach the reader")
            return nil
        }
        guard !table.rows.isEmpty else {
            problems.add(line: table.line, "Table \(table.label) has no rows; get the file again")
            return nil
        }
        self.places = places
        count = heading.cells.count
    }

    /// False, with a problem noted, when the row has more or fewer cells than the heading.
    func fit(_ row: TableRow, of table: DocBookTable, _ problems: inout Problems) -> Bool {
        if row.cells.count == count { return true }
        problems.add(
            line: row.line,
            "Table \(table.label): this row has \(row.cells.count) cells and the heading \(count); mend the row")
        return false
    }

    func cell(_ column: String, of row: TableRow) -> String {
        places[column].map { row.cells[$0] } ?? ""
    }
}
