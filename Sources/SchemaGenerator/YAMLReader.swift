internal import CLibYAML

/// Reads one YAML document into nodes with their places. Anchors, aliases, tags and a second document are refused: the
/// spec needs none, and an alias can stand for any amount of text.
struct YAMLReader: ~Copyable {
    static let maximumBytes = 4 << 20
    static let maximumDepth = 24
    static let maximumNodes = 500_000

    private let path: String
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var nodes = 0
    private(set) var diagnostics: [Diagnostic] = []

    private struct Stop: Error {}

    /// The document's root, or what is wrong. Nil without an error means an empty document.
    static func read(_ bytes: [UInt8], path: String) -> (root: YAMLNode?, errors: [Diagnostic]) {
        guard bytes.count <= maximumBytes else {
            let message = "the spec has \(bytes.count) bytes; more than \(maximumBytes) are not read"
            return (nil, [Diagnostic(path: path, line: 1, column: 1, severity: .error, message: message)])
        }
        return bytes.withUnsafeBufferPointer { buffer in
            var reader = YAMLReader(path: path)
            yaml_parser_set_input_string(reader.parser, buffer.baseAddress, buffer.count)
            let root = try? reader.document()
            return (reader.diagnostics.isEmpty ? root : nil, reader.diagnostics)
        }
    }

    private init(path: String) {
        self.path = path
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private enum Event {
        case scalar(String, isQuoted: Bool)
        case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        case documentStart, documentEnd, streamStart, streamEnd
    }

    private mutating func document() throws -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let (event, mark) = try next()
            switch event {
            case .streamEnd: return root
            case .documentStart:
                guard root == nil else { throw fail("a second document; the spec is one document", mark) }
                let (first, place) = try next()
                root = try node(first, place, depth: 0)
            default: continue
            }
        }
    }

    private mutating func node(_ event: Event, _ mark: Mark, depth: Int) throws -> YAMLNode {
        nodes += 1
        guard nodes <= Self.maximumNodes else { throw fail("more than \(Self.maximumNodes) values", mark) }
        guard depth < Self.maximumDepth else {
            throw fail("nested more than \(Self.maximumDepth) deep; nothing in a spec is", mark)
        }
        switch event {
        case .scalar(let text, let isQuoted):
            return .scalar(Marked(value: text, mark: mark), isQuoted: isQuoted)
        case .sequenceStart:
            var items: [YAMLNode] = []
            while true {
                let (event, place) = try next()
                if case .sequenceEnd = event { return .sequence(items, mark) }
                items.append(try node(event, place, depth: depth + 1))
            }
        case .mappingStart:
            var entries: [(key: Marked<String>, value: YAMLNode)] = []
            var seen: [String: Mark] = [:]
            while true {
                let (event, place) = try next()
                if case .mappingEnd = event { return .mapping(entries, mark) }
                guard case .scalar(let text, _) = event else {
                    throw fail("a key must be a single word", place)
                }
                if let first = seen[text] {
                    report("`\(text)` is here twice; the first is on line \(first.line)", place)
                }
                seen[text] = seen[text] ?? place
                let (valueEvent, valuePlace) = try next()
                let value = try node(valueEvent, valuePlace, depth: depth + 1)
                entries.append((Marked(value: text, mark: place), value))
            }
        default:
            throw fail("the document ends too early", mark)
        }
    }

    private mutating func next() throws -> (Event, Mark) {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw parserFailure() }
        defer { yaml_event_delete(&event) }
        let mark = Mark(line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1)
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, mark)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            guard !bytes.contains(0) else { throw fail("a NUL character", mark) }
            return (
                .scalar(String(decoding: bytes, as: UTF8.self), isQuoted: scalar.style != YAML_PLAIN_SCALAR_STYLE), mark
            )
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, mark)
            return (.sequenceStart, mark)
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, mark)
            return (.mappingStart, mark)
        case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, mark)
        case YAML_MAPPING_END_EVENT: return (.mappingEnd, mark)
        case YAML_DOCUMENT_START_EVENT: return (.documentStart, mark)
        case YAML_DOCUMENT_END_EVENT: return (.documentEnd, mark)
        case YAML_STREAM_START_EVENT: return (.streamStart, mark)
        case YAML_STREAM_END_EVENT: return (.streamEnd, mark)
        case YAML_ALIAS_EVENT: throw fail("an alias (`*name`); write the value out", mark)
        default: throw fail("not understood", mark)
        }
    }

    private mutating func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, _ mark: Mark
    ) throws {
        if anchor != nil { throw fail("an anchor (`&name`); write the value out where it is needed", mark) }
        if tag != nil { throw fail("a YAML tag (`!name`); leave it out", mark) }
    }

    private mutating func parserFailure() -> Stop {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
        var mark = parser.pointee.problem_mark
        if parser.pointee.error == YAML_READER_ERROR { mark = parser.pointee.mark }
        let context = parser.pointee.context.map { " (" + String(cString: $0) + ")" } ?? ""
        return fail(
            "not valid YAML: \(problem)\(context)", Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1))
    }

    private mutating func fail(_ message: String, _ mark: Mark) -> Stop {
        report(message, mark)
        return Stop()
    }

    private mutating func report(_ message: String, _ mark: Mark) {
        diagnostics.append(
            Diagnostic(path: path, line: mark.line, column: mark.column, severity: .error, message: message))
    }
}
