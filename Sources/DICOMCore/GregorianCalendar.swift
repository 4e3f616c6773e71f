/// The calendar of DA and DT (PS3.5 6.2).
public enum GregorianCalendar {
    /// How many days a month from 1 to 12 has.
    public static func days(of month: Int, in year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
