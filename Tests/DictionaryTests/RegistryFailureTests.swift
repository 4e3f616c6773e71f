import Dictionary
import Testing

/// Each way of being wrong: where, and what is said.
@Suite struct RegistryFailureTests {
    private func expect(
        _ book: SmallBook, line: Int?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let failure = try #require(book.failure, "the book was taken", sourceLocation: sourceLocation)
        #expect(failure.problems.map(\.message) == [message], sourceLocation: sourceLocation)
        #expect(failure.problems.first?.line == line, sourceLocation: sourceLocation)
    }

    private func expect(_ text: String, line: Int, _ part: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(sourceLocation: sourceLocation) {
            _ = try RegistryReader.read(Array(text.utf8))
        } throws: { error in
            guard let problem = (error as? RegistryFailure)?.problems.first else { return false }
            return problem.line == line && problem.message.contains(part)
        }
    }

    @Test(arguments: ["6-1", "7-1", "8-1", "9-1", "A-1"])
    func tableMissing(_ label: String) throws {
        var book = SmallBook()
        book.tables.removeAll { $0.label == label }
        try expect(
            book, line: 1, "Table \(label) is missing; put the whole official PS3.6 file here, not a part of it")
    }

    @Test func tableTwice() throws {
        var book = SmallBook()
        let first = try #require(book.lineOfTable("7-1"))
        book.tables.append(book.tables[1])
        let failure = try #require(book.failure)
        #expect(
            failure.problems.first?.message == "Table 7-1 is here a second time (first on line \(first)); remove one")
    }

    @Test func tableWithoutRows() throws {
        var book = SmallBook()
        book.tables[1].rows = []
        try expect(book, line: book.lineOfTable("7-1"), "Table 7-1 has no rows; get the file again")
    }

    @Test func tableWithoutHeading() throws {
        let text = SmallBook().text.replacing("thead>", with: "tfoot>")
        expect(text, line: 5, "Table 6-1 has no heading row")
    }

    @Test func columnRenamed() throws {
        var book = SmallBook()
        book.tables[0].headings[3] = "Type"
        let failure = try #require(book.failure)
        #expect(
            failure.problems.first?.message
                == "Table 6-1 lacks the column `vr` (it has `Tag`, `Name`, `Keyword`, `Type`, `VM`, ``); "
                + "if the edition renamed it, teach the reader")
    }

    @Test func cellMissing() throws {
        var book = SmallBook()
        book.tables[0].rows[1].removeLast()
        try expect(
            book, line: book.lineOfRow(with: "(60xx,3000)"),
            "Table 6-1: this row has 5 cells and the heading 6; mend the row")
    }

    @Test func cellTooMany() throws {
        var book = SmallBook()
        book.tables[4].rows[0].append("PS3.3")
        try expect(
            book, line: book.lineOfRow(with: "1.2.840.10008.1.1"),
            "Table A-1: this row has 6 cells and the heading 5; mend the row")
    }

    @Test(arguments: ["0010,0010", "(0010,001)", "(0010,00G0)", "(0010.0010)", "", "(00100,010)"])
    func tagWrong(_ tag: String) throws {
        var book = SmallBook()
        book.tables[0].rows[0][0] = tag
        let line = try #require(SmallBook().lineOfRow(with: "(0010,0010)"))
        try expect(
            book, line: line,
            "Table 6-1: `\(tag)` is not a tag; write (gggg,eeee) in hexadecimal digits or x")
    }

    @Test(arguments: ["XX", "US or XX", "us", "", "or"])
    func vrUnknown(_ vr: String) throws {
        var book = SmallBook()
        book.tables[0].rows[0][3] = vr
        try expect(
            book, line: book.lineOfRow(with: "(0010,0010)"),
            "Table 6-1: (0010,0010) has the unknown VR `\(vr)`; mend the row, or teach the program the new VR (PS3.5 6.2)"
        )
    }

    @Test(arguments: ["", "0", "n", "3-1", "1-", "1-0n", "1 or", "1 and 2", "1-m"])
    func vmWrong(_ vm: String) throws {
        var book = SmallBook()
        book.tables[0].rows[0][4] = vm
        try expect(
            book, line: book.lineOfRow(with: "(0010,0010)"),
            "Table 6-1: (0010,0010) has the VM `\(vm)`; write 1, 1-3, 1-n, 2-2n or 1-n or 1")
    }

    @Test(arguments: ["", "Patient Name", "Patient-Name", "Pati\u{E9}nt"])
    func keywordWrong(_ keyword: String) throws {
        var book = SmallBook()
        book.tables[0].rows[0][2] = keyword
        try expect(
            book, line: book.lineOfRow(with: "(0010,0010)"),
            "Table 6-1: (0010,0010) has the keyword `\(keyword)`; a keyword has letters and digits, "
                + "and only retired elements lack one")
    }

    @Test func tagTwice() throws {
        var book = SmallBook()
        let first = try #require(book.lineOfRow(with: "(0010,0010)"))
        book.tables[2].rows[0][0] = "(0010,0010)"
        let line = try #require(book.lineOfRow(with: "FileSetID"))
        try expect(
            book, line: line, "tag (0010,0010) is here a second time (first on line \(first)); remove one row")
    }

    @Test func keywordTwice() throws {
        var book = SmallBook()
        let first = try #require(book.lineOfRow(with: "OverlayData"))
        book.tables[1].rows[0][2] = "OverlayData"
        try expect(
            book, line: book.lineOfRow(with: "(0002,0010)"),
            "keyword OverlayData is here a second time (first on line \(first)); remove one row")
    }

    @Test func uidTwice() throws {
        var book = SmallBook()
        let first = try #require(book.lineOfRow(with: "1.2.840.10008.1.1"))
        book.tables[4].rows.append(["1.2.840.10008.1.1", "Other", "Other", "SOP Class", ""])
        try expect(
            book, line: book.lineOfRow(with: "Other"),
            "UID 1.2.840.10008.1.1 is here a second time (first on line \(first)); remove one row")
    }

    @Test(arguments: ["1.2.x", "1..2", "", "01.2", "1.2.", String(repeating: "1", count: 65)])
    func uidWrong(_ uid: String) throws {
        var book = SmallBook()
        book.tables[4].rows[0][0] = uid
        try expect(
            book, line: book.lineOfRow(with: "Verification"),
            "Table A-1: `\(uid)` is not a UID; write numbers and dots, 64 characters at the most")
    }

    @Test func uidWithoutTypeOrName() throws {
        var book = SmallBook()
        book.tables[4].rows[0][3] = ""
        let line = book.lineOfRow(with: "Verification")
        try expect(book, line: line, "Table A-1: 1.2.840.10008.1.1 has no type; write one, for example SOP Class")
        book.tables[4].rows[0][3] = "SOP Class"
        book.tables[4].rows[0][1] = ""
        try expect(book, line: line, "Table A-1: 1.2.840.10008.1.1 has no name; only retired ones may lack it")
    }

    @Test func everyProblemIsListedUpToALimit() throws {
        var book = SmallBook()
        book.tables[0].rows[0][3] = "XX"
        book.tables[1].rows[0][4] = "n"
        #expect(book.failure?.problems.count == 2)
        book.tables[0].rows = (0..<1000).map { ["(0010,\(1000 + $0))", "A", "A\($0)", "XX", "1", ""] }
        #expect(book.failure?.problems.count == 50)
    }

    @Test func notXML() {
        expect("", line: 1, "the file is empty")
        expect("%PDF-1.7 and so on", line: 1, "this is not XML")
        expect("PK\u{3}\u{4}", line: 1, "this is not XML")
        expect("<!DOCTYPE html>\n<html><body><br></body></html>", line: 2, "not well-formed")
    }

    @Test func damagedInTheMiddle() throws {
        let text = SmallBook().text.replacing("<para>(0004,1130)</para>", with: "<para>(0004,1130)</pa>")
        let line = text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("</pa>") }
        expect(text, line: try #require(line) + 1, "not well-formed")
    }

    @Test func everyTruncationIsNoticed() {
        let whole = Array(SmallBook().text.utf8)
        let end = whole.count - 1  // the last newline may go
        for count in 0..<end {
            #expect(throws: RegistryFailure.self, "cut after \(count) bytes") {
                _ = try RegistryReader.read(Array(whole[..<count]))
            }
        }
        let half = String(decoding: whole[..<(whole.count / 2)], as: UTF8.self)
        expect(half, line: half.count(where: \.isNewline) + 1, "ends early or is damaged")
    }

    /// Any damage gives a typed failure or a registry, and comes back.
    @Test func damageAtRandom() {
        let whole = Array(SmallBook().text.utf8)
        var random = SeededGenerator(seed: 6)
        var failures = 0
        for _ in 0..<5000 {
            var damaged = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: place)
                default: damaged.insert(damaged[Int.random(in: 0..<damaged.count, using: &random)], at: place)
                }
            }
            if (try? RegistryReader.read(damaged)) == nil { failures += 1 }
        }
        #expect(failures > 2500)
    }

    /// An entity that grows without bound, and a file of the system, are refused.
    @Test func entities() {
        var bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE book [<!ENTITY a \"aaaaaaaaaa\">\n"
        for (name, other) in zip("bcdefghijk", "abcdefghij") {
            bomb += "<!ENTITY \(name) \"\(String(repeating: "&\(other);", count: 10))\">\n"
        }
        bomb += "]>\n"
        let rest = SmallBook().text.split(separator: "\n").dropFirst().joined(separator: "\n")
        #expect(throws: RegistryFailure.self) {
            _ = try RegistryReader.read(Array((bomb + rest.replacing("Patient's Name", with: "&k;")).utf8))
        }
        let file = "<?xml version=\"1.0\"?>\n<!DOCTYPE book [<!ENTITY x SYSTEM \"/etc/hostname\">]>\n"
        let line = file.count(where: \.isNewline) - 1 + (SmallBook().lineOfRow(with: "(0010,0010)") ?? 0) + 2
        expect(file + rest.replacing("Patient's Name", with: "A&x;B"), line: line, "an entity of the document's own")
    }
}

/// SplitMix64: the same numbers for the same seed everywhere.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
