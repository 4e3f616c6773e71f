public import Foundation

/// What was waited for did not come.
public struct NotInTime: Error, CustomStringConvertible {
    public let description: String
}

/// Waits until something is so.
/// - Parameter seconds: a generous time; it only ends a test that would hang.
/// - Throws: `NotInTime`, which says where it waited.
public func eventually(
    within seconds: TimeInterval = 120, file: StaticString = #fileID, line: UInt = #line,
    _ condition: () throws -> Bool
) throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try !condition() {
        guard ContinuousClock.now < deadline else {
            throw NotInTime(description: "\(file):\(line): not so in \(Int(seconds)) s")
        }
        Thread.sleep(forTimeInterval: 0.005)
    }
}
