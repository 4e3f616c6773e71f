/// A first-in first-out queue of bounded length between threads. Who puts waits for room, who takes waits for elements.
public final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State: Sendable {
        var elements: [Element?] = []
        var head = 0
        var isClosed = false
        var count: Int { elements.count - head }

        mutating func take(_ limit: Int) -> [Element] {
            let taken = elements[head..<(head + min(limit, count))].compactMap { $0 }
            for index in head..<(head + taken.count) { elements[index] = nil }
            head += taken.count
            if head > 64, head * 2 > elements.count {
                elements.removeFirst(head)
                head = 0
            }
            return taken
        }
    }

    /// The most elements that wait.
    public let capacity: Int
    private let state = Monitor(State())

    /// `capacity` is at least 1.
    public init(capacity: Int) {
        precondition(capacity > 0, "a queue without room")
        self.capacity = capacity
    }

    /// The number of elements that wait now.
    public var count: Int { state.current.count }

    /// Appends the element, waiting for room at most `timeoutMilliseconds` (nil: without end); false when the queue
    /// was closed or no room came.
    public func put(_ element: Element, timeoutMilliseconds: Int? = nil) -> Bool {
        state.wait(milliseconds: timeoutMilliseconds) { state -> Bool? in
            if state.isClosed { return false }
            guard state.count < capacity else { return nil }
            state.elements.append(element)
            return true
        } ?? false
    }

    /// The next element, waiting at most `timeoutMilliseconds` (nil: without end); nil when none came in time, or when
    /// the queue is closed and empty.
    public func take(timeoutMilliseconds: Int? = nil) -> Element? {
        take(limit: 1, timeoutMilliseconds: timeoutMilliseconds).first
    }

    /// The next elements, at most `limit`, waiting for the first one; empty when none came in time, or when the queue
    /// is closed and empty.
    public func take(limit: Int, timeoutMilliseconds: Int? = nil) -> [Element] {
        state.wait(milliseconds: timeoutMilliseconds) { state -> [Element]? in
            if state.count > 0 { return state.take(limit) }
            return state.isClosed ? [] : nil
        } ?? []
    }

    /// Lets nothing more in; what waits can still be taken.
    public func close() {
        state.withLock { $0.isClosed = true }
    }

    public var isClosed: Bool { state.current.isClosed }
}
