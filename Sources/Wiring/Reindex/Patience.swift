import Archive
import ServiceKit

/// What passes by itself is waited for, for about half a minute.
/// - Parameter stop: ends the wait; then the error is thrown.
func patiently<R>(_ stop: StopToken = StopToken(), _ body: () throws -> R) throws -> R {
    var backOff = BackOff(first: 400, maximum: 5_000)
    while true {
        do { return try body() } catch {
            let pause = backOff.next()
            guard let retriable = error as? any RetriableError, retriable.isRetriable, backOff.attempts < 8,
                !stop.wait(milliseconds: pause)
            else { throw error }
        }
    }
}
