internal import CLibYAML

/// One scalar, sequence or mapping of a settings file, with its place.
package struct YAMLNode: Sendable {
    package indirect enum Content: Sendable {
        case scalar(String)
        case sequence([YAMLNode])
        /// In the order of the file; keys are unique.
        case mapping([(key: YAMLKey, value: YAMLNode)])
    }

    package struct YAMLKey: Sendable {
        package let text: String
        package let place: YAMLPlace
    }

    package let content: Content
    package let place: YAMLPlace
}

/// A place in a file, both from 1.
package struct YAMLPlace: Sendable, Equatable {
    package let line: Int
    package let column: Int

    init(_ mark: yaml_mark_t) {
        line = Int(mark.line) + 1
        column = Int(mark.column) + 1
    }
}

/// The file is not what we read of YAML.
package struct YAMLError: Error {
    package let place: YAMLPlace
    package let message: String
}

/// Reads the part of YAML that settings need: one document of mappings, sequences and scalars, without anchors.
package struct SettingsYAML: ~Copyable {
    private static let maximumDepth = 16
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// The document's root, nil when the file holds nothing.
    package static func parse(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        var failure: YAMLError?
        let node = bytes.withUnsafeBufferPointer { buffer -> YAMLNode? in
            do throws(YAMLError) {
                let yaml = SettingsYAML(buffer)
                return try yaml.document()
            } catch {
                failure = error
                return nil
            }
        }
        if let failure { throw failure }
        return node
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) {
        parser = .allocate(capacity: 1)
        yaml_parser_initialize(parser)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private struct Event {
        enum Kind {
            case scalar(String)
            case sequence, mapping, end, documentStart, other
        }
        let kind: Kind
        let place: YAMLPlace
    }

    private func next() throws(YAMLError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not readable as YAML"
            throw YAMLError(place: YAMLPlace(parser.pointee.problem_mark), message: problem)
        }
        defer { yaml_event_delete(&event) }
        let place = YAMLPlace(event.start_mark)
        let kind: Event.Kind
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            kind = .scalar(text)
        case YAML_SEQUENCE_START_EVENT: kind = .sequence
        case YAML_MAPPING_START_EVENT: kind = .mapping
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT, YAML_STREAM_END_EVENT: kind = .end
        case YAML_DOCUMENT_START_EVENT: kind = .documentStart
        case YAML_ALIAS_EVENT:
            throw YAMLError(place: place, message: "anchors and aliases are not read here; write the value again")
        default: kind = .other
        }
        return Event(kind: kind, place: place)
    }

    private func document() throws(YAMLError) -> YAMLNode? {
        _ = try next()
        guard case .documentStart = try next().kind else { return nil }
        let root = try node(try next(), depth: 0)
        _ = try next()
        let after = try next()
        if case .documentStart = after.kind {
            throw YAMLError(place: after.place, message: "a second document; settings are one document")
        }
        return root
    }

    private func node(_ event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth < SettingsYAML.maximumDepth else {
            throw YAMLError(place: event.place, message: "nested deeper than settings go")
        }
        switch event.kind {
        case .scalar(let text):
            return YAMLNode(content: .scalar(text), place: event.place)
        case .sequence:
            var nodes: [YAMLNode] = []
            while true {
                let inner = try next()
                if case .end = inner.kind { return YAMLNode(content: .sequence(nodes), place: event.place) }
                nodes.append(try node(inner, depth: depth + 1))
            }
        case .mapping:
            var pairs: [(key: YAMLNode.YAMLKey, value: YAMLNode)] = []
            var places: [String: YAMLPlace] = [:]
            while true {
                let inner = try next()
                if case .end = inner.kind { return YAMLNode(content: .mapping(pairs), place: event.place) }
                guard case .scalar(let key) = inner.kind else {
                    throw YAMLError(place: inner.place, message: "a name is expected here")
                }
                if let first = places.updateValue(inner.place, forKey: key) {
                    throw YAMLError(
                        place: inner.place, message: "'\(key)' is there twice, first in line \(first.line); remove one")
                }
                pairs.append(
                    (key: .init(text: key, place: inner.place), value: try node(try next(), depth: depth + 1)))
            }
        case .end, .documentStart, .other:
            throw YAMLError(place: event.place, message: "not readable as YAML")
        }
    }
}
