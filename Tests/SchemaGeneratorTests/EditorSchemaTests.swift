import Dictionary
import Foundation
import SchemaGenerator
import TestSupport
import Testing

/// dictionary/fields.schema.json, by which editors complete and check the spec, knows what the generator knows.
@Suite struct EditorSchemaTests {
    let root: [String: Any]

    init() throws {
        let data = Data(try PackageFolder.bytes("dictionary/fields.schema.json"))
        root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test func keysAreTheGenerators() throws {
        #expect(try keys("") == Set(SpecReader.topKeys))
        #expect(try keys("$defs/table") == Set(SpecReader.tableKeys))
        #expect(try keys("$defs/column") == Set(SpecReader.columnKeys))
        #expect(try keys("$defs/job_properties") == Set(RoutineLoadProperty.allNames))
    }

    @Test func wordsAreTheGenerators() throws {
        #expect(try words("$defs/table/properties/stores/items") == Store.allCases.map(\.rawValue))
        #expect(try words("$defs/table/properties/level") == Level.allCases.map(\.rawValue))
        #expect(try words("$defs/column/properties/level") == Level.allCases.map(\.rawValue))
        #expect(Set(try words("$defs/column/properties/vr")) == Set(ValueRepresentation.allCases.map(\.rawValue)))
        #expect(try words("$defs/column/properties/otherwise") == ContextValue.allCases.map(\.rawValue))
        #expect(try words(anyOf: "$defs/column/properties/from") == ContextValue.allCases.map(\.rawValue) + ["service"])
        #expect(try words(anyOf: "$defs/column/properties/type") == TypeModel.spellings.filter { $0 != "text(N)" })
    }

    @Test func boundsAreTheGenerators() throws {
        for property in RoutineLoadProperty.allCases {
            let schema = try node("$defs/job_properties/properties/\(property.rawValue)")
            #expect(schema["minimum"] as? Int == property.range.lowerBound)
            #expect(schema["maximum"] as? Int == property.range.upperBound)
        }
    }

    private func node(_ path: String) throws -> [String: Any] {
        try path.split(separator: "/").reduce(root) { node, key in
            try #require(node[String(key)] as? [String: Any], "\(path)")
        }
    }

    private func keys(_ path: String) throws -> Set<String> {
        let node = try node(path)
        #expect(node["additionalProperties"] as? Bool == false)
        return Set(try #require(node["properties"] as? [String: Any]).keys)
    }

    private func words(_ path: String) throws -> [String] { try #require(try node(path)["enum"] as? [String]) }

    private func words(anyOf path: String) throws -> [String] {
        let choices = try #require(try node(path)["anyOf"] as? [[String: Any]])
        return try #require(choices.first?["enum"] as? [String])
    }
}
