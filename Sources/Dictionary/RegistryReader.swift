internal import Glibc

/// Reads the registries out of the official DocBook file of PS3.6, of any edition.
public enum RegistryReader {
    /// Problems beyond this many are not listed.
    static let maximumProblems = 50

    private static let elementTables = ["6-1", "7-1", "8-1", "9-1"]
    private static let uidTable = "A-1"
    private static let frameOfReferenceTable = "A-2"

    /// Reads Tables 6-1, 7-1, 8-1, 9-1 (elements) and A-1 (UIDs), and from Table A-2 the well-known frames of reference
    /// that A-1 lacks in some editions.
    /// - Parameter document: the bytes of the file.
    /// - Throws: every problem found, with its line: the document is not XML or ends early, a table is missing or
    ///   empty, a row has the wrong number of cells, a cell cannot be what its column says, or a tag, keyword or UID
    ///   appears twice. A registry is whole or is not given at all.
    public static func read(_ document: [UInt8]) throws(RegistryFailure) -> Registry {
        let document = mended(document)
        let book = try DocBookTables(document, labels: Set(elementTables + [uidTable, frameOfReferenceTable]))
        let edition = edition(inSubtitle: book.subtitle)

        var problems = Problems()
        var elements: [ElementEntry] = []
        for label in elementTables {
            guard let table = book.tables.first(where: { $0.label == label }) else {
                if label == "9-1", year(of: edition).map({ $0 < 2020 }) ?? false { continue }
                problems.add(line: 1, missing(label))
                continue
            }
            elements += ElementTable.entries(of: table, &problems)
        }
        var uids: [UIDEntry] = []
        if let table = book.tables.first(where: { $0.label == uidTable }) {
            uids = UIDTable.entries(of: table, &problems)
            if let table = book.tables.first(where: { $0.label == frameOfReferenceTable }) {
                let known = Set(uids.map(\.uid))
                uids += UIDTable.frameOfReferences(of: table, &problems).filter { !known.contains($0.uid) }
            }
        } else {
            problems.add(line: 1, missing(uidTable))
        }
        findRepeated(elements, "tag", { $0.writtenTag }, { $0.line }, &problems)
        findRepeated(elements, "keyword", { $0.keyword }, { $0.line }, &problems)
        findRepeated(uids, "UID", { $0.uid }, { $0.line }, &problems)
        findRepeated(uids, "UID keyword", { $0.keyword }, { $0.line }, &problems)
        guard problems.list.isEmpty else { throw RegistryFailure(problems.list) }
        return Registry(edition: edition, elements: elements, uids: uids)
    }

    private static func missing(_ label: String) -> String {
        "Table \(label) is missing; put the whole official PS3.6 file here, not a part of it"
    }

    private static func findRepeated<Entry>(
        _ entries: [Entry], _ what: String, _ key: (Entry) -> String, _ line: (Entry) -> Int, _ problems: inout Problems
    ) {
        var first: [String: Int] = [:]
        first.reserveCapacity(entries.count)
        for entry in entries {
            let key = key(entry)
            guard !key.isEmpty else { continue }
            if let earlier = first[key] {
                problems.add(
                    line: line(entry), "\(what) \(key) is here a second time (first on line \(earlier)); remove one row"
                )
            } else {
                first[key] = line(entry)
            }
        }
    }

    /// `2026c` of `DICOM PS3.6 2026c - Data Dictionary`.
    static func edition(inSubtitle subtitle: String) -> String {
        let words = subtitle.split(separator: " ")
        return words.first { word in
            (4...5).contains(word.utf8.count) && word.hasPrefix("20") && word.prefix(4).allSatisfy(\.isNumber)
        }.map(String.init) ?? ""
    }

    private static func year(of edition: String) -> Int? { Int(edition.prefix(4)) }

    /// The edition of 2013 has zero-width spaces spelled `<200b>`, which is no XML: blanked, lines kept.
    static func mended(_ document: [UInt8]) -> [UInt8] {
        let wrong = Array("<200b>".utf8)
        let places = document.withUnsafeBytes { bytes in
            var places: [Int] = []
            var from = 0
            while let start = bytes.baseAddress, bytes.count - from >= wrong.count,
                let found = memchr(start + from, Int32(wrong[0]), bytes.count - from - wrong.count + 1)
            {
                let place = UnsafeRawPointer(found) - start
                if memcmp(found, wrong, wrong.count) == 0 { places.append(place) }
                from = place + 1
            }
            return places
        }
        guard !places.isEmpty else { return document }
        // U+200B twice is as long as the wrong spelling.
        let right: [UInt8] = [0xE2, 0x80, 0x8B, 0xE2, 0x80, 0x8B]
        var mended = document
        for place in places { mended.replaceSubrange(place..<place + wrong.count, with: right) }
        return mended
    }
}

/// Collects what is wrong, up to a limit.
struct Problems {
    private(set) var list: [RegistryFailure.Problem] = []

    mutating func add(line: Int, _ message: String) {
        if list.count < RegistryReader.maximumProblems { list.append(.init(line: line, message: message)) }
    }
}
