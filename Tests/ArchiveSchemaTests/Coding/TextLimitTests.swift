import ArchiveSchema
import Testing

@Suite struct TextLimitTests {
    @Test func textIsCutBetweenCharacters() {
        #expect("abc".limited(to: 3) == ("abc", false, false))
        #expect("abcd".limited(to: 3) == ("abc", true, false))
        let name = String(repeating: "張", count: 64)
        #expect(name.limited(to: 64) == (name, false, false))
        #expect((name + "三").limited(to: 64) == (name, true, false))
        #expect("aa\u{0308}bc".limited(to: 2) == ("a", true, false))
        #expect("aa\u{0308}bc".limited(to: 3) == ("aa\u{0308}", true, false))
        let flags = "🇩🇪🇫🇷"
        #expect(flags.limited(to: 3) == ("🇩🇪", true, false))
        let family = "👨‍👩‍👧x"
        #expect(family.limited(to: 2).text.unicodeScalars.count == 2)
    }

    @Test func nothingFromTheFirstNULOnIsKept() {
        #expect("ab\0cd".limited(to: 64) == ("ab", false, true))
        #expect("\0".limited(to: 64) == ("", false, true))
        #expect("abcd\0".limited(to: 2) == ("ab", true, true))
    }

    @Test func oneEndlessCharacterIsBounded() {
        let text = "a" + String(repeating: "\u{0308}", count: 100_000)
        #expect(text.limited(to: 64).text.unicodeScalars.count == 64)
    }
}
