import ArchiveSchema
import Testing

@Suite struct CalendarTests {
    @Test func everyDayHasOneNumber() {
        var days: Int32 = -719_162
        var wrong = 0
        for year in 1...9999 {
            for month in 1...12 {
                for day in 1...31 {
                    guard let date = CalendarDate(year: year, month: month, day: day) else { continue }
                    if date.daysSince1970 != days || date.components != (year, month, day) { wrong += 1 }
                    days += 1
                }
            }
        }
        #expect(wrong == 0 && days == 2_932_897)
    }

    @Test func daysOutsideOfTheYearsAreNone() {
        #expect(CalendarDate(daysSince1970: -719_163) == nil)
        #expect(CalendarDate(daysSince1970: 2_932_897) == nil)
        #expect(CalendarDate(daysSince1970: -719_162)?.description == "0001-01-01")
        #expect(CalendarDate(year: 10_000, month: 1, day: 1) == nil)
        #expect(CalendarDate("2024-02-30") == nil)
        #expect(CalendarDate("2024-2-03") == nil)
        #expect(CalendarDate(year: 2024, month: 2, day: 3)?.dicomValue == "20240203")
    }

    @Test(arguments: ["00:00:00", "23:59:59.999999", "10:20:30.5", "10:20:30.000001"])
    func timesReadWhatTheyWrite(_ text: String) {
        #expect(ClockTime(text)?.description == text)
    }

    @Test(arguments: ["", "24:00:00", "10:20", "10:20:30.", "10:20:30.1234567", "10-20-30", "1:20:30", "10:20:30,5"])
    func noTimes(_ text: String) { #expect(ClockTime(text) == nil) }

    @Test func momentsAreClampedIntoTheYears() {
        #expect(Timestamp(microsecondsSince1970: .min).description == "0001-01-01 00:00:00.000000")
        #expect(Timestamp(microsecondsSince1970: .max).description == "9999-12-31 23:59:59.999999")
        #expect(Timestamp(microsecondsSince1970: -1).description == "1969-12-31 23:59:59.999999")
        #expect(Timestamp(microsecondsSince1970: 0).description == "1970-01-01 00:00:00.000000")
    }

    @Test func momentsReadWhatTheyWrite() {
        for text in ["2024-02-29 10:20:30.123456", "1899-12-31 00:00:00.000000"] {
            #expect(Timestamp(text)?.description == text)
        }
        #expect(Timestamp("2024-02-29T10:20:30Z")?.description == "2024-02-29 10:20:30.000000")
        #expect(Timestamp("2024-02-29") == nil)
        #expect(Timestamp("2024-02-29 10:20:30+01:00") == nil)
    }

    @Test func theClockRuns() {
        let first = Timestamp.now
        #expect(first <= Timestamp.now)
        #expect(first.date.components.year >= 2024)
    }
}

@Suite struct SeaHashTests {
    /// The vector that its author publishes.
    @Test func publishedVector() {
        #expect(SeaHash.hash("to be or not to be".utf8) == 1_988_685_042_348_123_509)
        #expect(SeaHash.decimal("to be or not to be") == "01988685042348123509")
    }

    @Test func everyLengthAndByteCounts() {
        var seen: Set<UInt64> = []
        for length in 0..<100 {
            seen.insert(SeaHash.hash([UInt8](repeating: 0, count: length)))
            seen.insert(SeaHash.hash([UInt8](repeating: 1, count: length)))
        }
        #expect(seen.count == 199)
        #expect(SeaHash.decimal("").utf8.count == 20)
    }
}
