internal import Archive
internal import ArchiveSchema
internal import DICOMDictionary
internal import DICOMWeb
internal import HTTPServer

/// Answers searches (PS3.18 10.6): studies and series from the index, instances from stored metadata.
struct SearchResponder: Sendable {
    let index: any SeriesIndex
    let metadata: any MetadataStore
    /// Results of one answer at most.
    let maximumResults: Int
    /// Bytes of one answer, about: it ends with the result that reaches them.
    let maximumBytes: Int
    /// Instances that one search compares at most.
    let maximumCompared: Int

    private static let cutWarning =
        "The number of results exceeded the maximum supported by the server. Additional results can be requested."

    func respond(
        _ request: WebRequest, _ level: QIDOLevel, study: UID?, series: UID?
    ) throws(RequestFailure) -> HTTPResponse {
        let type = try MetadataResponder.negotiate(request)
        var query: QIDOQuery
        do {
            query = try QIDOQuery(
                level: level, studyUID: study?.value, seriesUID: series?.value, query: String(request.http.query ?? ""))
        } catch {
            throw error.code == .tooLarge ? RequestFailure(413, error.description) : .badRequest(error.description)
        }
        var warnings = query.warnings
        let wanted = query.limit ?? .max
        query.limit = min(wanted, maximumResults)
        var ignored = query.resolvePrivateElements(ArchiveSchema.privateCreators).map(\.description)
        if level != .instances {
            ignored += removeUnsupported(&query)
            query.includeFields.removeAll { Self.isBelow($0.tags[0], level) }
        }
        if !ignored.isEmpty {
            warnings.append(
                "The following attributes are not supported for matching on this level and were ignored: "
                    + ignored.joined(separator: ", "))
        }
        warnings += index.warnings(for: query, tenantID: request.tenant.value)
        var body: [UInt8] = [UInt8(ascii: "[")]
        let extent: Extent
        do {
            extent =
                level == .instances
                ? try instances(query, request, study, series, &body) : try entities(query, request, &body)
        } catch let failure as RequestFailure { throw failure } catch {
            throw .failed("the archive's index and metadata cannot be searched", error)
        }
        body.append(UInt8(ascii: "]"))
        if extent == .cut || extent == .partial && wanted > maximumResults { warnings.append(Self.cutWarning) }
        var response = HTTPResponse(200, body: .bytes(body))
        response.add("Content-Type", type.essence)
        for warning in warnings.prefix(16) {
            response.add("Warning", "299 wado \"\(warning.replacing("\\", with: " ").replacing("\"", with: "'"))\"")
        }
        return response
    }

    /// How much of what was found is in the answer.
    private enum Extent {
        case all
        /// As much as was asked for, and there is more.
        case partial
        /// Less than was asked for.
        case cut
    }

    /// Takes out what the index has no column for; returns the names.
    private func removeUnsupported(_ query: inout QIDOQuery) -> [String] {
        let level: QueryLevel = query.level == .studies ? .study : .series
        var ignored: [String] = []
        query.matches.removeAll { match in
            if match.matching == .universal { return false }
            if let key = ArchiveSchema.searchKey(match.path.tags), key.level <= level { return false }
            ignored.append(DataDictionary.entry(for: match.path.tag)?.keyword ?? match.path.description)
            return true
        }
        return ignored
    }

    /// Attributes of lower levels are not returned (PS3.18 10.6.3.3.1): which of many series or instances would they be of?
    private static func isBelow(_ tag: Tag, _ level: QIDOLevel) -> Bool {
        let own: QueryLevel = level == .studies ? .study : .series
        if let key = ArchiveSchema.searchKey([tag]) { return key.level > own }
        switch QIDOAttributes.level(of: tag) {
        case .instances: return true
        case .series: return level == .studies
        case .studies, nil: return false
        }
    }

    // MARK: Studies and series

    private func entities(_ query: QIDOQuery, _ request: WebRequest, _ body: inout [UInt8]) throws -> Extent {
        let answer = try index.search(query, tenantID: request.tenant.value, retrieveRoot: request.root)
        let extra = Set(query.includeFields.map { $0.tags[0] }).sorted()
        for (number, (object, shown)) in zip(answer.objects, answer.representatives).enumerated() {
            if number > 0 {
                guard body.count < maximumBytes else { return .cut }
                body.append(UInt8(ascii: ","))
            }
            if extra.isEmpty {
                body += object
            } else {
                try append(object, with: extra, of: shown, query, &body)
            }
        }
        return answer.isPartial ? .partial : .all
    }

    /// An object of the index, with attributes that it lacks taken from the metadata of the representative. Of a sequence
    /// the index has some attributes at most, so it is taken from there too.
    private func append(
        _ object: [UInt8], with tags: [Tag], of shown: IndexAnswer.Representative, _ query: QIDOQuery,
        _ body: inout [UInt8]
    ) throws {
        var own: [(Tag, Range<Int>)] = []
        try JSONInstanceReader.forEachAttribute(in: object.span.bytes) { own.append(($0, $1)) }
        let missing = tags.filter { tag in
            DataDictionary.vr(of: tag) == .sq || !own.contains { $0.0 == tag }
        }
        guard !missing.isEmpty, let json = try metadata.instance(shown.sopInstanceUID, of: shown.series) else {
            body += object
            return
        }
        let found = try QIDOAttributeFinder(missing, of: query).find(in: json.span.bytes)
        var all = found.map { ($0.0, json[$0.1]) }
        let whole = Set(all.map(\.0))
        for (tag, range) in own where !whole.contains(tag) { all.append((tag, object[range])) }
        all.sort { $0.0.rawValue < $1.0.rawValue }
        var writer = DICOMJSONObjectWriter()
        for (tag, value) in all { writer.copy(tag, value) }
        writer.finish(into: &body)
    }

    // MARK: Instances

    private func instances(
        _ query: QIDOQuery, _ request: WebRequest, _ study: UID?, _ series: UID?, _ body: inout [UInt8]
    ) throws -> Extent {
        // The index knows keys of patient, study and series; all others are compared with each instance.
        var indexed = 0
        let own = query.matches.filter { match in
            guard let key = ArchiveSchema.searchKey(match.path.tags), key.level < .instance else { return true }
            indexed += match.matching == .universal ? 0 : 1
            return false
        }
        let matcher = QIDOMatcher(own, fuzzy: query.fuzzyMatching)
        // Where a series' instances disagree, each is compared with what the series was found by, too.
        let full = QIDOMatcher(query.matches.filter(Self.isOfEachInstance), fuzzy: query.fuzzyMatching)
        let answer = QIDOInstanceAnswer(query)
        var page = Page(offset: query.offset, limit: query.limit ?? maximumResults)
        if let study, let series, indexed == query.pathUIDs {
            let key = SeriesIdentity(
                tenantID: request.tenant.value, studyUID: study.value, seriesUID: series.value)
            _ = try append(key, matcher, answer, request, query, &page, &body)
            return page.extent
        }
        var after: SeriesIdentity?
        while true {
            let entries = try index.seriesMatching(query, tenantID: request.tenant.value, after: after, limit: 256)
            for entry in entries {
                let matcher = entry.hasVariants ? full : matcher
                guard try append(entry.series, matcher, answer, request, query, &page, &body) else {
                    return page.extent
                }
                guard page.compared <= maximumCompared else {
                    throw RequestFailure(
                        413,
                        "the search would compare more than \(maximumCompared) instances: name a study, or search by"
                            + " attributes of patient, study or series too")
                }
            }
            guard entries.count == 256, let last = entries.last else { return page.extent }
            after = last.series
        }
    }

    /// Neither a UID that all instances of a series share, nor what is gathered over a study (Modalities in Study), nor a
    /// private element, which has another tag in each instance.
    private static func isOfEachInstance(_ match: QIDOMatch) -> Bool {
        guard let key = ArchiveSchema.searchKey(match.path.tags), key.level < .instance else { return true }
        let column = ArchiveSchema.table(key.table)?.column(key.column)
        return column?.vr != .ui && column?.path == match.path.tags && !match.path.tags.contains(where: \.isPrivate)
    }

    private struct Page {
        var offset: Int
        var limit: Int
        var count = 0
        var extent = Extent.all
        var compared = 0
    }

    /// - Returns: false when the page is full and more would have followed.
    private func append(
        _ key: SeriesIdentity, _ matcher: QIDOMatcher, _ answer: QIDOInstanceAnswer, _ request: WebRequest,
        _ query: QIDOQuery, _ page: inout Page, _ body: inout [UInt8]
    ) throws -> Bool {
        guard let snapshot = try metadata.snapshot(of: key) else { return true }
        if matcher.isTrivial, page.offset >= snapshot.instanceCount {
            page.offset -= snapshot.instanceCount
            return true
        }
        page.compared += snapshot.instanceCount
        let root = "\(request.root)/studies/\(key.studyUID)/series/\(key.seriesUID)/instances/"
        var more: [(Tag, [UInt8])] = []
        if query.pathUIDs < 2 {
            more.append(
                (.numberOfSeriesRelatedInstances, Array("{\"vr\":\"IS\",\"Value\":[\(snapshot.instanceCount)]}".utf8)))
        }
        // The visitor's closure may not touch inout parameters of ours: these are given back below.
        var current = page
        var output: [UInt8] = []
        swap(&output, &body)
        defer {
            swap(&output, &body)
            page = current
        }
        try snapshot.forEachInstance { uid, json in
            guard try matcher.matches(json) else { return true }
            if current.offset > 0 {
                current.offset -= 1
                return true
            }
            guard current.count < current.limit else {
                current.extent = .partial
                return false
            }
            guard current.count == 0 || output.count < maximumBytes else {
                current.extent = .cut
                return false
            }
            if current.count > 0 { output.append(UInt8(ascii: ",")) }
            try answer.append(json, retrieveURL: root + uid, more: more, to: &output)
            current.count += 1
            return true
        }
        return current.extent == .all
    }
}
