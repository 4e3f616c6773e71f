internal import CLibXML2

/// A row of a table: the text of its cells, white space collapsed, invisible characters removed.
struct TableRow {
    var line: Int
    var cells: [String]
}

/// A table of the document with its label, `6-1`, its heading and its rows.
struct DocBookTable {
    var label: String
    var line: Int
    var headings: [TableRow] = []
    var rows: [TableRow] = []
}

/// Reads chosen tables out of a DocBook document and passes over everything else.
struct DocBookTables {
    /// The subtitle of the book, `DICOM PS3.6 2026c - Data Dictionary`.
    private(set) var subtitle = ""
    private(set) var tables: [DocBookTable] = []

    /// - Throws: when the document is not well-formed XML, ends early, or has a table twice or one inside another.
    init(_ document: [UInt8], labels: Set<String>) throws(RegistryFailure) {
        guard !document.isEmpty else {
            throw .init(line: 1, "the file is empty; put the official PS3.6 file in its place")
        }
        guard document.count < Int32.max else {
            throw .init(line: 1, "the file has \(document.count) bytes, which no edition of PS3.6 has")
        }
        let parsed: Result<(String, [DocBookTable]), RegistryFailure> = document.withUnsafeBytes { bytes in
            do throws(RegistryFailure) {
                var reader = try TableReader(bytes, labels: labels)
                defer { reader.close() }
                try reader.run()
                return .success((reader.subtitle, reader.tables))
            } catch {
                return .failure(error)
            }
        }
        (subtitle, tables) = try parsed.get()
    }
}

/// What libxml2 found wrong first.
private final class FirstError {
    var line: Int?
    var code: Int32 = 0
    var message = ""
}

/// One pass over a document with xmlTextReader. The bytes must outlive it.
private struct TableReader {
    private(set) var subtitle = ""
    private(set) var tables: [DocBookTable] = []

    private let labels: Set<String>
    private let reader: xmlTextReaderPtr
    private let firstError = FirstError()
    private let names: Names
    /// The line of the last text, which is exact; that of an element is not beyond 65,534 (it has 16 bits).
    private var textLine = 1

    init(_ bytes: UnsafeRawBufferPointer, labels: Set<String>) throws(RegistryFailure) {
        let options = Int32(XML_PARSE_NONET.rawValue | XML_PARSE_BIG_LINES.rawValue | XML_PARSE_NOCDATA.rawValue)
        guard let start = bytes.bindMemory(to: CChar.self).baseAddress,
            let reader = xmlReaderForMemory(start, Int32(bytes.count), nil, nil, options)
        else { throw .init(line: 1, "the XML reader could not be started; is there memory left?") }
        self.labels = labels
        self.reader = reader
        names = Names(reader)
        xmlTextReaderSetStructuredErrorHandler(
            reader,
            { context, error in
                guard let context, let error = error?.pointee else { return }
                let first = Unmanaged<FirstError>.fromOpaque(context).takeUnretainedValue()
                guard first.line == nil, error.level == XML_ERR_FATAL else { return }
                first.line = max(1, Int(error.line))
                first.code = error.code
                first.message = error.message.map { String(cString: $0) } ?? ""
            }, Unmanaged.passUnretained(firstError).toOpaque())
    }

    func close() { xmlFreeTextReader(reader) }

    mutating func run() throws(RegistryFailure) {
        var more = try read()
        while more {
            guard type == XML_READER_TYPE_ELEMENT else {
                more = try read()
                continue
            }
            if name == names.table {
                more = try tableStarts()
            } else if name == names.subtitle, subtitle.isEmpty {
                subtitle = try elementText()
                more = try read()
            } else {
                more = try read()
            }
        }
    }

    /// At the start of a table: reads it when it is wanted, or passes over it. Returns false at the document's end.
    private mutating func tableStarts() throws(RegistryFailure) -> Bool {
        guard let label = label, labels.contains(label) else { return try step(xmlTextReaderNext(reader)) }
        let start = line
        if let first = tables.first(where: { $0.label == label }) {
            throw .init(line: start, "Table \(label) is here a second time (first on line \(first.line)); remove one")
        }
        var table = DocBookTable(label: label, line: start)
        guard xmlTextReaderIsEmptyElement(reader) == 0 else {
            tables.append(table)
            return try read()
        }
        let depth = xmlTextReaderDepth(reader)
        var inHeading = false
        while try read() {
            switch type {
            case XML_READER_TYPE_ELEMENT:
                if name == names.thead {
                    inHeading = xmlTextReaderIsEmptyElement(reader) == 0
                } else if name == names.tr {
                    let row = try self.row()
                    if inHeading { table.headings.append(row) } else { table.rows.append(row) }
                } else if name == names.table {
                    throw .init(line: line, "a table inside Table \(label), which no edition has; the file is damaged")
                }
            case XML_READER_TYPE_END_ELEMENT:
                if name == names.thead { inHeading = false }
                if xmlTextReaderDepth(reader) == depth {
                    tables.append(table)
                    return try read()
                }
            default: break
            }
        }
        return false
    }

    /// At the start of a row: reads up to its end.
    private mutating func row() throws(RegistryFailure) -> TableRow {
        var row = TableRow(line: line, cells: [])
        guard xmlTextReaderIsEmptyElement(reader) == 0 else { return row }
        let depth = xmlTextReaderDepth(reader)
        while try read() {
            if type == XML_READER_TYPE_ELEMENT, name == names.td || name == names.th {
                row.cells.append(try elementText())
            } else if type == XML_READER_TYPE_END_ELEMENT, xmlTextReaderDepth(reader) == depth {
                break
            }
        }
        return row
    }

    /// At the start of an element: reads up to its end. A link without text counts as the document it names.
    private mutating func elementText() throws(RegistryFailure) -> String {
        guard xmlTextReaderIsEmptyElement(reader) == 0 else { return "" }
        let depth = xmlTextReaderDepth(reader)
        var text = VisibleText()
        while try read() {
            switch type {
            case XML_READER_TYPE_TEXT, XML_READER_TYPE_CDATA, XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
                if let value = xmlTextReaderConstValue(reader) { text.append(value) }
            case XML_READER_TYPE_ELEMENT:
                if name == names.para { text.appendSpace() }
                if name == names.olink, xmlTextReaderIsEmptyElement(reader) == 1,
                    let target = xmlTextReaderGetAttribute(reader, "targetdoc")
                {
                    text.append(target)
                    wado_xml_free(target)
                }
            case XML_READER_TYPE_ENTITY_REFERENCE:
                throw .init(
                    line: line, "an entity of the document's own stands here, which no edition has; write the text")
            case XML_READER_TYPE_END_ELEMENT:
                if xmlTextReaderDepth(reader) == depth { return text.string }
            default: break
            }
        }
        return text.string
    }

    /// Of the current `table`: `6-1`, from xml:id `table_6-1` or else from the label.
    private var label: String? {
        if let id = xmlTextReaderGetAttribute(reader, "xml:id") {
            defer { wado_xml_free(id) }
            let text = String(cString: id)
            if text.hasPrefix("table_") { return String(text.dropFirst(6)) }
        }
        guard let label = xmlTextReaderGetAttribute(reader, "label") else { return nil }
        defer { wado_xml_free(label) }
        return String(cString: label)
    }

    private var type: xmlReaderTypes { xmlReaderTypes(UInt32(truncatingIfNeeded: xmlTextReaderNodeType(reader))) }
    private var name: UnsafePointer<xmlChar>? { xmlTextReaderConstLocalName(reader) }

    private var line: Int {
        guard let node = xmlTextReaderCurrentNode(reader) else { return textLine }
        let line = Int(node.pointee.line)
        return (1..<65_535).contains(line) ? line : textLine
    }

    private mutating func read() throws(RegistryFailure) -> Bool {
        try step(xmlTextReaderRead(reader))
    }

    private mutating func step(_ result: Int32) throws(RegistryFailure) -> Bool {
        guard result >= 0, firstError.line == nil else { throw notWellFormed() }
        guard result == 1 else { return false }
        switch type {
        case XML_READER_TYPE_TEXT, XML_READER_TYPE_CDATA, XML_READER_TYPE_SIGNIFICANT_WHITESPACE,
            XML_READER_TYPE_WHITESPACE:
            let line = xmlGetLineNo(xmlTextReaderCurrentNode(reader))
            if line > 0 { textLine = Int(line) }
        default: break
        }
        return true
    }

    private func notWellFormed() -> RegistryFailure {
        let line = firstError.line ?? textLine
        let reason = firstError.message.split(whereSeparator: \.isNewline).first.map(String.init) ?? "unknown"
        switch xmlParserErrors(UInt32(bitPattern: firstError.code)) {
        case XML_ERR_TAG_NOT_FINISHED, XML_ERR_DOCUMENT_END, XML_ERR_GT_REQUIRED, XML_ERR_LTSLASH_REQUIRED,
            XML_ERR_COMMENT_NOT_FINISHED, XML_ERR_CDATA_NOT_FINISHED:
            return .init(line: line, "the file ends early or is damaged here (\(reason)); get it again")
        case XML_ERR_DOCUMENT_EMPTY, XML_ERR_DOCUMENT_START:
            return .init(
                line: line, "this is not XML (\(reason)); put the DocBook form of PS3.6 here, not HTML, PDF or Word")
        default:
            return .init(line: line, "this is not well-formed XML (\(reason)); get the file again")
        }
    }
}

/// The names that matter, as the reader's own pointers, so that comparing them is comparing addresses.
private struct Names {
    let table, subtitle, thead, tr, td, th, para, olink: UnsafePointer<xmlChar>?

    init(_ reader: xmlTextReaderPtr) {
        table = xmlTextReaderConstString(reader, "table")
        subtitle = xmlTextReaderConstString(reader, "subtitle")
        thead = xmlTextReaderConstString(reader, "thead")
        tr = xmlTextReaderConstString(reader, "tr")
        td = xmlTextReaderConstString(reader, "td")
        th = xmlTextReaderConstString(reader, "th")
        para = xmlTextReaderConstString(reader, "para")
        olink = xmlTextReaderConstString(reader, "olink")
    }
}

/// Collects UTF-8 as a reader of the printed page sees it: runs of white space are one space, none at the ends;
/// zero-width spaces and soft hyphens, which the tables have to break long words, are gone.
private struct VisibleText {
    private var bytes: [UInt8] = []
    private var pendingSpace = false

    var string: String { String(decoding: bytes, as: UTF8.self) }

    mutating func appendSpace() { pendingSpace = !bytes.isEmpty }

    /// Takes UTF-8 that ends with a NUL.
    mutating func append(_ text: UnsafePointer<xmlChar>) {
        var next = text
        while next.pointee != 0 {
            let byte = next.pointee
            if byte == 0x20 || (0x09...0x0D).contains(byte) {
                appendSpace()
                next += 1
            } else if byte == 0xC2, next[1] == 0xA0 {  // no-break space
                appendSpace()
                next += 2
            } else if byte == 0xC2, next[1] == 0xAD {  // soft hyphen
                next += 2
            } else if byte == 0xE2, next[1] == 0x80, (0x8B...0x8D).contains(next[2]) {  // zero width
                next += 3
            } else if byte == 0xEF, next[1] == 0xBB, next[2] == 0xBF {  // zero-width no-break space
                next += 3
            } else {
                if pendingSpace { bytes.append(0x20) }
                pendingSpace = false
                bytes.append(byte)
                next += 1
            }
        }
    }
}

extension RegistryFailure {
    init(line: Int, _ message: String) {
        self.init([Problem(line: line, message: message)])
    }
}
