internal import DICOMDictionary

/// The log and the compacted file of a series at one moment.
///
/// The log is opened first. A compaction puts the new compacted file in place before it removes the log or shortens it;
/// so whatever of the log is missing here, the compacted file opened afterwards has.
final class FileSeriesSnapshot: SeriesSnapshot {
    private enum Source {
        case log(offset: Int, length: Int)
        case compacted(CompactedSeries.Entry)
    }
    private struct Item {
        var sopInstanceUID: String
        var version: UInt64
        var source: Source
    }

    private let log: MetadataFile?
    private let logBytes: [UInt8]
    private let compacted: CompactedSeries?
    /// Empty while the compacted file alone has everything, and nobody asked for single instances.
    private var items: [Item] = []
    private let isCompact: Bool
    private let inflater = Inflater()

    let instanceCount: Int
    let version: String
    let length: Int
    /// Behind the last good record of the log.
    let logEnd: Int

    // The place of `read`.
    private var nextItem = 0
    private var nextChunk = 0
    private var pending: [UInt8] = []
    private var pendingOffset = 0
    private var cachedChunk = -1
    private var chunkText: [UInt8] = []

    /// - Returns: nil when there is neither file.
    static func open(logPath: String, compactedPath: String) throws(MetadataStoreError) -> FileSeriesSnapshot? {
        let log = try MetadataFile.open(reading: logPath)
        let compacted = try CompactedSeries.open(compactedPath)
        if log == nil && compacted == nil { return nil }
        let snapshot = try FileSeriesSnapshot(log: log, compacted: compacted)
        return snapshot.instanceCount > 0 ? snapshot : nil
    }

    private init(log: MetadataFile?, compacted: CompactedSeries?) throws(MetadataStoreError) {
        self.log = log
        self.compacted = compacted
        var contents = SeriesLog.Contents()
        if let log { contents = try SeriesLog.scan(log, size: try log.size()) }
        logBytes = contents.bytes
        logEnd = contents.validEnd
        isCompact = contents.entries.isEmpty
        if isCompact {
            instanceCount = compacted?.footer.instanceCount ?? 0
            length = compacted?.footer.textLength ?? 0
            version = Self.text(compacted?.footer.version ?? 0)
            return
        }
        var items: [Item] = []
        var places: [String: Int] = [:]
        if let compacted {
            for entry in try compacted.contents().entries {
                places[entry.sopInstanceUID] = items.count
                items.append(
                    Item(sopInstanceUID: entry.sopInstanceUID, version: entry.version, source: .compacted(entry)))
            }
        }
        for entry in contents.entries {
            let item = Item(
                sopInstanceUID: entry.sopInstanceUID, version: entry.version,
                source: .log(offset: entry.offset, length: entry.length))
            if let place = places[entry.sopInstanceUID] {
                // What is in both is the same thing, if a compaction was cut short.
                if items[place].version != entry.version { items[place] = item }
            } else {
                places[entry.sopInstanceUID] = items.count
                items.append(item)
            }
        }
        var number = SnapshotVersion()
        var length = 1 + items.count
        for item in items {
            number.add(item.sopInstanceUID, item.version)
            length += Self.length(of: item)
        }
        self.items = items
        instanceCount = items.count
        version = Self.text(number.value)
        self.length = length
    }

    /// True when the compacted file lacks nothing.
    var isCompacted: Bool { isCompact }
    /// True when there is a log, be it an empty one.
    var hasLog: Bool { log != nil }

    /// Up to where the snapshot has what is in this log: nothing of one that is not the log it read.
    func end(in log: MetadataFile) throws(MetadataStoreError) -> Int {
        guard let own = self.log, try own.isSameFile(as: log) else { return 0 }
        return logEnd
    }

    /// SOP Instance UIDs and the versions of their contents.
    func versions() throws(MetadataStoreError) -> [String: UInt64] {
        try loadItems()
        var versions: [String: UInt64] = [:]
        versions.reserveCapacity(items.count)
        for item in items { versions[item.sopInstanceUID] = item.version }
        return versions
    }

    var compressed: StoredBody? {
        guard isCompact, let compacted else { return nil }
        return StoredBody(
            fileDescriptor: compacted.file.descriptor, offset: 0, length: compacted.footer.bodyLength)
    }

    func rewind() {
        nextItem = 0
        nextChunk = 0
        pending = []
        pendingOffset = 0
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        var done = 0
        while done < buffer.count {
            if pendingOffset == pending.count {
                guard try fill() else { break }
            }
            let count = min(buffer.count - done, pending.count - pendingOffset)
            pending.withUnsafeBytes { bytes in
                UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[pendingOffset..<(pendingOffset + count)]))
            }
            done += count
            pendingOffset += count
        }
        return done
    }

    /// Puts the next part of the text into `pending`; false at the end.
    private func fill() throws(MetadataStoreError) -> Bool {
        pendingOffset = 0
        if isCompact {
            guard let compacted else { return false }
            let chunks = try compacted.contents().chunks
            guard nextChunk < chunks.count else {
                pending = []
                return false
            }
            pending = try compacted.text(of: chunks[nextChunk], with: inflater)
            nextChunk += 1
            return true
        }
        pending.removeAll(keepingCapacity: true)
        // Some instances at a time; memory is bounded by 64 kB and one instance.
        while nextItem < items.count && pending.count < 65_536 {
            pending.append(UInt8(ascii: nextItem == 0 ? "[" : ","))
            try withJSON(of: items[nextItem]) { bytes in pending.append(contentsOf: bytes) }
            nextItem += 1
            if nextItem == items.count { pending.append(UInt8(ascii: "]")) }
        }
        return !pending.isEmpty
    }

    func sopInstanceUIDs() throws -> [String] {
        try loadItems()
        return items.map(\.sopInstanceUID)
    }

    func forEachInstance(_ body: (_ sopInstanceUID: String, _ json: RawSpan) throws -> Bool) throws {
        try loadItems()
        for item in items {
            var goesOn = true
            var failure: (any Error)?
            try withJSON(of: item) { bytes in
                do { goesOn = try body(item.sopInstanceUID, bytes.bytes) } catch { failure = error }
            }
            if let failure { throw failure }
            if !goesOn { return }
        }
    }

    /// As `forEachInstance`, with the versions.
    func forEachVersion(
        _ body: (_ sopInstanceUID: String, _ version: UInt64, _ json: RawSpan) throws(MetadataStoreError) -> Void
    ) throws(MetadataStoreError) {
        try loadItems()
        for item in items {
            var failure: MetadataStoreError?
            try withJSON(of: item) { bytes in
                do throws(MetadataStoreError) {
                    try body(item.sopInstanceUID, item.version, bytes.bytes)
                } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }

    func json(of sopInstanceUID: String) throws(MetadataStoreError) -> [UInt8]? {
        if isCompact, let compacted {
            guard let (chunk, entry) = try compacted.find(sopInstanceUID) else { return nil }
            let text = try compacted.text(of: chunk, with: inflater)
            return Array(text[entry.offset..<(entry.offset + entry.length)])
        }
        guard let item = items.last(where: { $0.sopInstanceUID == sopInstanceUID }) else { return nil }
        var json: [UInt8] = []
        try withJSON(of: item) { json = [UInt8]($0) }
        return json
    }

    // MARK: Parts

    private func loadItems() throws(MetadataStoreError) {
        guard items.isEmpty, let compacted else { return }
        items = try compacted.contents().entries.map {
            Item(sopInstanceUID: $0.sopInstanceUID, version: $0.version, source: .compacted($0))
        }
    }

    private static func length(of item: Item) -> Int {
        switch item.source {
        case .log(_, let length): length
        case .compacted(let entry): entry.length
        }
    }

    /// Lends the bytes of one instance.
    private func withJSON(
        of item: Item, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(MetadataStoreError) {
        switch item.source {
        case .log(let offset, let length):
            if offset + length <= logBytes.count {
                logBytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + length)])) }
                return
            }
            guard let log else { throw MetadataStoreError(.damaged) }
            let bytes = try log.read(at: offset, count: length)
            guard bytes.count == length else { throw MetadataStoreError(.damaged) }
            bytes.withUnsafeBytes { body($0) }
        case .compacted(let entry):
            guard let compacted else { throw MetadataStoreError(.damaged) }
            if cachedChunk != entry.chunk {
                chunkText = try compacted.text(of: try compacted.contents().chunks[entry.chunk], with: inflater)
                cachedChunk = entry.chunk
            }
            chunkText.withUnsafeBytes {
                body(UnsafeRawBufferPointer(rebasing: $0[entry.offset..<(entry.offset + entry.length)]))
            }
        }
    }

    private static func text(_ number: UInt64) -> String { number.hexadecimal(digits: 16, uppercase: false) }
}
