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
    /// A heap, the earliest in front.
    private var postponed: [Postponed] = []
    private var serial: UInt64 = 0

    private struct Postponed {
        var due: Int
        /// Of two of the same time, who came first goes first.
        var serial: UInt64
        var element: Element

        static func < (a: Self, b: Self) -> Bool { (a.due, a.serial) < (b.due, b.serial) }
    }

    var count: Int { front.count + elements.count - head }
    var isEmpty: Bool { count == 0 }

    /// Whether there is an element, also one whose time has come; that is no reason to put off a stop, since it failed.
    func hasWork(isStopping: Bool) -> Bool {
        if !isEmpty || isStopping { return !isEmpty }
        return postponed.first.map { $0.due <= MonotonicClock.milliseconds } ?? false
    }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Keeps an element, uncounted, until that time.
    mutating func postpone(_ element: Element, until due: Int) {
        serial += 1
        postponed.append(Postponed(due: due, serial: serial, element: element))
        var place = postponed.count - 1
        while place > 0, postponed[place] < postponed[(place - 1) / 2] {
            postponed.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    /// Appends those whose time has come, at most so many.
    mutating func admit(_ limit: Int, at milliseconds: Int) {
        for _ in 0..<max(0, limit) {
            guard let first = postponed.first, first.due <= milliseconds else { return }
            elements.append(first.element)
            postponed.swapAt(0, postponed.count - 1)
            postponed.removeLast()
            var place = 0
            while true {
                var least = place
                for child in [2 * place + 1, 2 * place + 2] where child < postponed.count {
                    if postponed[child] < postponed[least] { least = child }
                }
                if least == place { break }
                postponed.swapAt(place, least)
                place = least
            }
        }
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
