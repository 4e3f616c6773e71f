internal import ServiceKit

/// An instance on its way from the spool to its name and to the bus.
struct PendingInstance: Sendable {
    /// By reference, so that a million pending instances that are not in memory take little.
    private final class Loaded: Sendable {
        let instance: SpooledInstance
        init(_ instance: SpooledInstance) { self.instance = instance }
    }

    var number: UInt64
    /// nil: to be read from the spool.
    private var loaded: Loaded?
    /// Found at the start: not known to be whole.
    var isRecovered = false
    /// Attempts that failed.
    var failures: UInt8 = 0
    var verdict: Monitor<FilingOutcome?>?

    init(number: UInt64, instance: SpooledInstance?, isRecovered: Bool = false, verdict: Monitor<FilingOutcome?>?) {
        self.number = number
        loaded = instance.map(Loaded.init)
        self.isRecovered = isRecovered
        self.verdict = verdict
    }

    var instance: SpooledInstance? {
        get { loaded?.instance }
        set { loaded = newValue.map(Loaded.init) }
    }
}

/// A queue that can take elements back in front, and keep some until their time has come.
struct Backlog<Element: Sendable>: Sendable {
    private var front: [Element] = []
    private var elements: [Element] = []
    private var head = 0
    private var postponed: [(due: Int, element: Element)] = []
    private var earliestDue = Int.max

    var count: Int { front.count + elements.count - head }
    var isEmpty: Bool { count == 0 }

    /// Also one whose time has come.
    func hasElements(at milliseconds: Int) -> Bool { !isEmpty || earliestDue <= milliseconds }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Keeps an element, uncounted, until that time.
    mutating func postpone(_ element: Element, until due: Int) {
        postponed.append((due, element))
        earliestDue = min(earliestDue, due)
    }

    /// Appends those whose time has come, at most so many.
    mutating func admit(_ limit: Int, at milliseconds: Int) {
        guard earliestDue <= milliseconds else { return }
        var rest: [(due: Int, element: Element)] = []
        var room = limit
        for entry in postponed {
            if entry.due <= milliseconds, room > 0 {
                elements.append(entry.element)
                room -= 1
            } else {
                rest.append(entry)
            }
        }
        postponed = rest
        earliestDue = rest.reduce(Int.max) { min($0, $1.due) }
    }

    /// In their order, before all others.
    mutating func putBack(_ taken: [Element]) { front = taken + front }

    mutating func take(_ limit: Int) -> [Element] {
        var taken = Array(front.prefix(limit))
        front.removeFirst(taken.count)
        let more = min(limit - taken.count, elements.count - head)
        taken += elements[head..<head + more]
        head += more
        if head == elements.count {
            elements.removeAll(keepingCapacity: head <= 4096)
            head = 0
        } else if head > 4096, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return taken
    }
}
