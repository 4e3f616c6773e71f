import Dictionary

/// A small PS3.6 in DocBook, a cell a line, to be changed into every way of being wrong.
struct SmallBook {
    struct Table {
        var label: String
        var headings: [String]
        var rows: [[String]]
    }

    var subtitle = "DICOM PS3.6 2026c - Data Dictionary"
    var tables: [Table] = [
        Table(
            label: "6-1", headings: ["Tag", "Name", "Keyword", "VR", "VM", ""],
            rows: [
                ["(0010,0010)", "Patient's Name", "Patient\u{200B}Name", "PN", "1", ""],
                ["(60xx,3000)", "Overlay Data", "OverlayData", "OB or OW", "1", ""],
            ]),
        Table(
            label: "7-1", headings: ["Tag", "Name", "Keyword", "VR", "VM", ""],
            rows: [["(0002,0010)", "Transfer Syntax UID", "TransferSyntaxUID", "UI", "1", ""]]),
        Table(
            label: "8-1", headings: ["Tag", "Name", "Keyword", "VR", "VM", ""],
            rows: [["(0004,1130)", "File-set ID", "FileSetID", "CS", "1", ""]]),
        Table(
            label: "9-1", headings: ["Tag", "Name", "Keyword", "VR", "VM", ""],
            rows: [["(0006,0001)", "Current Frame", "CurrentFrame", "SQ", "1", ""]]),
        Table(
            label: "A-1", headings: ["UID Value", "UID Name", "UID Keyword", "UID Type", "Part"],
            rows: [["1.2.840.10008.1.1", "Verification SOP Class", "Verification", "SOP Class", "PS3.4"]]),
    ]

    var text: String {
        var text = """
            <?xml version="1.0" encoding="utf-8" standalone="no"?>
            <book xmlns="http://docbook.org/ns/docbook" label="PS3.6" version="5.0" xml:id="PS3.6">
            <title>PS3.6</title>
            <subtitle>\(subtitle)</subtitle>

            """
        for table in tables {
            text += "<table label=\"\(table.label)\" xml:id=\"table_\(table.label)\">\n<thead>\n"
            text += row(table.headings, "th") + "</thead>\n<tbody>\n"
            for cells in table.rows { text += row(cells, "td") }
            text += "</tbody>\n</table>\n"
        }
        return text + "</book>\n"
    }

    private func row(_ cells: [String], _ tag: String) -> String {
        "<tr>\n" + cells.map { "<\(tag)><para>\($0)</para></\(tag)>\n" }.joined() + "</tr>\n"
    }

    func read() throws(RegistryFailure) -> Registry { try RegistryReader.read(Array(text.utf8)) }

    /// What is wrong with this book; nil when nothing is.
    var failure: RegistryFailure? {
        do throws(RegistryFailure) {
            _ = try read()
            return nil
        } catch {
            return error
        }
    }

    /// The line, from 1, on which the row of this cell starts.
    func lineOfRow(with cell: String) -> Int? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let index = lines.firstIndex(where: { $0.contains(">\(cell)<") }) else { return nil }
        return lines[...index].lastIndex(of: "<tr>").map { $0 + 1 }
    }

    /// The line, from 1, on which the table starts.
    func lineOfTable(_ label: String) -> Int? {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .firstIndex { $0.hasPrefix("<table label=\"\(label)\"") }.map { $0 + 1 }
    }
}
