internal import Archive
internal import DICOMWeb

/// What was asked for, as access log and metrics name it.
enum Operation: Int, CaseIterable, Sendable {
    case home, health, readiness, metrics, searchStudies, searchSeries, searchInstances, retrieveStudy, retrieveSeries
    case retrieveInstance, metadataStudy, metadataSeries, metadataInstance, frames, bulkData, unsupported, refused

    private static let names = [
        "home", "health", "readiness", "metrics", "search-studies", "search-series", "search-instances",
        "retrieve-study", "retrieve-series", "retrieve-instance", "metadata-study", "metadata-series",
        "metadata-instance", "frames", "bulkdata", "unsupported", "refused",
    ]

    var name: String { Self.names[rawValue] }
}

/// What a path names, below one of the roots (PS3.18 10.4, 10.6) or beside them.
enum Route {
    case home
    case health
    case readiness
    case metrics
    case search(QIDOLevel, study: UID?, series: UID?)
    /// Study, series or instance, by what is given.
    case retrieve(study: UID, series: UID?, instance: UID?)
    case metadata(study: UID, series: UID?, instance: UID?)
    /// Numbers as sent, decoded: `1,3,5`.
    case frames(study: UID, series: UID, instance: UID, list: String)
    case bulkData(study: UID, series: UID, instance: UID, path: String)
    /// Known, and not offered.
    case unsupported(String)

    var operation: Operation {
        switch self {
        case .home: .home
        case .health: .health
        case .readiness: .readiness
        case .metrics: .metrics
        case .search(.studies, _, _): .searchStudies
        case .search(.series, _, _): .searchSeries
        case .search(.instances, _, _): .searchInstances
        case .retrieve(_, nil, _): .retrieveStudy
        case .retrieve(_, _, nil): .retrieveSeries
        case .retrieve: .retrieveInstance
        case .metadata(_, nil, _): .metadataStudy
        case .metadata(_, _, nil): .metadataSeries
        case .metadata: .metadataInstance
        case .frames: .frames
        case .bulkData: .bulkData
        case .unsupported: .unsupported
        }
    }

    var uids: (study: UID?, series: UID?, instance: UID?) {
        switch self {
        case .search(_, let study, let series): (study, series, nil)
        case .retrieve(let study, let series, let instance), .metadata(let study, let series, let instance):
            (study, series, instance)
        case .frames(let study, let series, let instance, _), .bulkData(let study, let series, let instance, _):
            (study, series, instance)
        default: (nil, nil, nil)
        }
    }

    /// - Parameters:
    ///   - path: as sent.
    ///   - roots: without a slash at the end, such as `/dicom-web`.
    /// - Returns: the route, and the root that the path begins with.
    static func parse(_ path: Substring, roots: [String]) throws(RequestFailure) -> (Route, root: String) {
        switch path {
        case "/": return (.home, roots.first ?? "")
        case "/healthz": return (.health, "")
        case "/readyz": return (.readiness, "")
        case "/metrics": return (.metrics, "")
        default: break
        }
        for root in roots where path.utf8.starts(with: root.utf8) {
            let rest = path.utf8.dropFirst(root.utf8.count)
            if rest.isEmpty { return (.home, root) }
            guard rest.first == UInt8(ascii: "/") else { continue }
            return (try parse(Substring(rest.dropFirst())), root)
        }
        throw unknown
    }

    private static let unknown = RequestFailure.notFound("there is no such resource; / lists what there is")

    private static func parse(_ path: Substring) throws(RequestFailure) -> Route {
        guard path.utf8.count <= 8_192 else { throw RequestFailure(414, "the path is longer than 8192 bytes") }
        var parts: [String] = []
        for part in path.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 300, omittingEmptySubsequences: false) {
            guard let part = decoded(part) else {
                throw .badRequest("the path has a '%' without two hexadecimal digits behind it, or is not UTF-8")
            }
            parts.append(part)
        }
        if parts.last == "" { parts.removeLast() }
        switch parts.first {
        case nil: return .home
        case "studies": break
        case "series" where parts.count == 1: return .search(.series, study: nil, series: nil)
        case "instances" where parts.count == 1: return .search(.instances, study: nil, series: nil)
        default: throw unknown
        }
        guard parts.count > 1 else { return .search(.studies, study: nil, series: nil) }
        let study = try uid(parts[1], "Study")
        guard parts.count > 2 else { return .retrieve(study: study, series: nil, instance: nil) }
        switch parts[2] {
        case "metadata" where parts.count == 3: return .metadata(study: study, series: nil, instance: nil)
        case "instances" where parts.count == 3: return .search(.instances, study: study, series: nil)
        case "series": break
        case "rendered", "thumbnail": return .unsupported(parts[2])
        default: throw unknown
        }
        guard parts.count > 3 else { return .search(.series, study: study, series: nil) }
        let series = try uid(parts[3], "Series")
        guard parts.count > 4 else { return .retrieve(study: study, series: series, instance: nil) }
        switch parts[4] {
        case "metadata" where parts.count == 5: return .metadata(study: study, series: series, instance: nil)
        case "instances": break
        case "rendered", "thumbnail": return .unsupported(parts[4])
        default: throw unknown
        }
        guard parts.count > 5 else { return .search(.instances, study: study, series: series) }
        let instance = try uid(parts[5], "SOP")
        guard parts.count > 6 else { return .retrieve(study: study, series: series, instance: instance) }
        switch parts[6] {
        case "metadata" where parts.count == 7: return .metadata(study: study, series: series, instance: instance)
        case "frames" where parts.count == 8:
            return .frames(study: study, series: series, instance: instance, list: parts[7])
        case "frames" where parts.count == 9 && (parts[8] == "rendered" || parts[8] == "thumbnail"):
            return .unsupported(parts[8])
        case "bulkdata" where parts.count >= 8:
            let path = parts[7...].joined(separator: "/")
            return .bulkData(study: study, series: series, instance: instance, path: path)
        case "rendered", "thumbnail": return .unsupported(parts[6])
        default: throw unknown
        }
    }

    private static func uid(_ text: String, _ name: String) throws(RequestFailure) -> UID {
        guard let uid = UID(text) else {
            throw .badRequest("the \(name) Instance UID in the path is not a UID: 1 to 64 digits and dots (PS3.5 9.1)")
        }
        return uid
    }

    /// Percent-decoded; nil when that is impossible.
    private static func decoded(_ text: Substring.UTF8View) -> String? {
        guard text.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            var value: UInt8 = 0
            for _ in 0..<2 {
                guard index < text.endIndex, let digit = Character(Unicode.Scalar(text[index])).hexDigitValue else {
                    return nil
                }
                value = value << 4 | UInt8(digit)
                index = text.index(after: index)
            }
            bytes.append(value)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
