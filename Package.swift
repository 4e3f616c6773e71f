// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours is compiled alike: Swift 6 mode, strict imports, warnings are errors.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// A C library from Debian's packages, seen through its module map.
func systemLibrary(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

/// A C library that needs a shim of ours, because Swift imports neither C variadics nor C++.
func shim(_ name: String, links library: String) -> Target {
    .target(name: name, linkerSettings: [.linkedLibrary(library)])
}

func module(_ name: String, _ dependencies: [Target.Dependency] = [], plugins: [Target.PluginUsage] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings, plugins: plugins)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies,
        swiftSettings: settings)
}

let package = Package(
    name: "wado",
    products: [
        .executable(name: "wado", targets: ["wado"]),
        .executable(name: "wado-storescp", targets: ["wado-storescp"]),
        .executable(name: "wado-consumer", targets: ["wado-consumer"]),
        .executable(name: "wado-webworker", targets: ["wado-webworker"]),
        .executable(name: "wado-server", targets: ["wado-server"]),
        .plugin(name: "GenerateSQL", targets: ["GenerateSQL"]),
    ],
    targets: [
        // C libraries
        systemLibrary("CLibXML2", pkgConfig: "libxml-2.0", apt: "libxml2-dev"),
        systemLibrary("CLibYAML", pkgConfig: "yaml-0.1", apt: "libyaml-dev"),
        systemLibrary("CLibPQ", pkgConfig: "libpq", apt: "libpq-dev"),
        systemLibrary("CLibMariaDB", pkgConfig: "libmariadb", apt: "libmariadb-dev"),
        systemLibrary("CDeflate", pkgConfig: "libdeflate", apt: "libdeflate-dev"),
        systemLibrary("CZLib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        systemLibrary("CRdKafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
        shim("CMicroHTTPD", links: "microhttpd"),

        // The standard and the spec, and what is generated from them
        module("Dictionary", ["CLibXML2"]),
        module("SchemaGenerator", ["Dictionary", "CLibYAML"]),
        program("schema-generator", ["SchemaGenerator", "Dictionary"]),
        .plugin(name: "GenerateSchema", capability: .buildTool(), dependencies: ["schema-generator"]),
        .plugin(
            name: "GenerateSQL",
            capability: .command(
                intent: .custom(
                    verb: "generate-sql", description: "Writes generated-sql/ and docs/search-keys.md from dictionary/"),
                permissions: [.writeToPackageDirectory(reason: "generated-sql/ and docs/ are committed")]),
            dependencies: ["schema-generator"]),
        module("DICOMDictionary", plugins: ["GenerateSchema"]),
        module("ArchiveSchema", ["DICOMCore", "DICOMDictionary"], plugins: ["GenerateSchema"]),

        // DICOM
        module("DICOMCore", ["DICOMDictionary", "CDeflate", "CZLib"]),
        module("DICOMNetwork", ["DICOMCore", "DICOMDictionary", "ServiceKit"]),
        module("DICOMWeb", ["DICOMCore", "DICOMDictionary"]),

        // The archive
        module(
            "Archive",
            ["ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary", "ServiceKit", "CDeflate", "CZLib"]),
        module(
            "PostgresAdapter",
            [
                "Archive", "ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary", "ServiceKit", "CLibPQ",
            ]),
        module("DorisAdapter", ["Archive", "ArchiveSchema", "ServiceKit", "CLibMariaDB"]),
        module("KafkaAdapter", ["Archive", "ServiceKit", "CRdKafka"]),
        module("HTTPServer", ["CMicroHTTPD"]),
        module("ServiceKit", ["CLibYAML"]),
        module(
            "StoreSCPService",
            ["Archive", "ArchiveSchema", "DICOMNetwork", "DICOMCore", "DICOMDictionary", "ServiceKit"]),
        module(
            "ConsumerService",
            ["Archive", "ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary", "ServiceKit"]),
        module("WebWorkerService", ["Archive", "ArchiveSchema", "DICOMWeb", "ServiceKit"]),
        module(
            "ServerService",
            ["Archive", "ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary", "HTTPServer", "ServiceKit"]),
        module(
            "Wiring",
            [
                "StoreSCPService", "ConsumerService", "WebWorkerService", "ServerService", "PostgresAdapter",
                "DorisAdapter", "KafkaAdapter", "Archive", "HTTPServer", "ServiceKit",
            ]),

        program("wado-storescp", ["Wiring", "ServiceKit"]),
        program("wado-consumer", ["Wiring", "ServiceKit"]),
        program("wado-webworker", ["Wiring", "ServiceKit"]),
        program("wado-server", ["Wiring", "ServiceKit"]),
        program(
            "wado",
            [
                "Wiring", "ServiceKit", "Archive", "ArchiveSchema", "DICOMCore", "DICOMDictionary", "DICOMNetwork",
                "PostgresAdapter", "DorisAdapter", "KafkaAdapter",
            ]),

        // Benchmarks
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        .executableTarget(
            name: "micro-benchmarks",
            dependencies: ["DICOMCore", "DICOMDictionary", "DICOMWeb", "ArchiveSchema", "CAllocationCounter"],
            path: "Benchmarks/Micro", swiftSettings: settings),
        .executableTarget(
            name: "reindex-benchmark",
            dependencies: [
                "Wiring", "ServiceKit", "Archive", "ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary",
                "PostgresAdapter", "KafkaAdapter", "KafkaTestSupport",
            ], path: "Benchmarks/Reindex", swiftSettings: settings),

        // Tests
        .target(
            name: "TestSupport", dependencies: ["DICOMCore"], path: "Tests/TestSupport", swiftSettings: settings),
        .target(
            name: "EventBusContract", dependencies: ["Archive"], path: "Tests/EventBusContract",
            swiftSettings: settings),
        .target(
            name: "PostgresTestSupport", dependencies: ["PostgresAdapter"], path: "Tests/PostgresTestSupport",
            swiftSettings: settings),
        .target(
            name: "DorisTestSupport", dependencies: ["DorisAdapter", "TestSupport"], path: "Tests/DorisTestSupport",
            swiftSettings: settings),
        .target(
            name: "KafkaTestSupport", dependencies: ["KafkaAdapter", "Archive", "CRdKafka", "TestSupport"],
            path: "Tests/KafkaTestSupport", swiftSettings: settings),
        tests("Dictionary"),
        tests("SchemaGenerator", ["Dictionary", "schema-generator"]),
        tests("DICOMDictionary", ["Dictionary"]),
        tests("DICOMCore"),
        tests("DICOMNetwork", ["DICOMCore", "DICOMDictionary", "ServiceKit"]),
        tests("DICOMWeb", ["DICOMCore", "DICOMDictionary"]),
        tests("ArchiveSchema", ["DICOMCore", "PostgresAdapter", "PostgresTestSupport"]),
        tests("Archive", ["ArchiveSchema", "DICOMCore", "DICOMDictionary", "ServiceKit"]),
        tests(
            "PostgresAdapter",
            [
                "Archive", "ArchiveSchema", "DICOMCore", "DICOMDictionary", "DICOMWeb", "EventBusContract",
                "PostgresTestSupport", "SchemaGenerator", "Dictionary",
            ]),
        tests("DorisAdapter", ["Archive", "ArchiveSchema", "DorisTestSupport", "KafkaTestSupport"]),
        tests("KafkaAdapter", ["Archive", "ServiceKit", "CRdKafka", "EventBusContract", "KafkaTestSupport"]),
        tests("HTTPServer"),
        tests("ServiceKit"),
        tests(
            "StoreSCPService",
            ["Archive", "ArchiveSchema", "DICOMNetwork", "DICOMCore", "DICOMDictionary", "ServiceKit"]),
        tests(
            "ConsumerService",
            [
                "Archive", "ArchiveSchema", "DICOMCore", "DICOMDictionary", "ServiceKit", "PostgresAdapter",
                "PostgresTestSupport",
            ]),
        tests(
            "WebWorkerService",
            [
                "Archive", "ArchiveSchema", "DICOMCore", "DICOMWeb", "ServiceKit", "PostgresAdapter",
                "PostgresTestSupport",
            ]),
        tests(
            "ServerService",
            [
                "Archive", "ArchiveSchema", "DICOMWeb", "DICOMCore", "DICOMDictionary", "HTTPServer", "ServiceKit",
                "CDeflate",
            ]),
        tests(
            "Wiring",
            [
                "ServiceKit", "DICOMCore", "DICOMDictionary", "DICOMNetwork", "Archive", "KafkaAdapter",
                "PostgresAdapter",
                "PostgresTestSupport", "DorisAdapter", "DorisTestSupport", "HTTPServer", "KafkaTestSupport",
                "ArchiveSchema",
            ]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

// `SLICE=DICOMCore,DICOMWeb swift test` compiles these modules, their tests and what those stand on, and nothing else.
if let slice = Context.environment["SLICE"] {
    let byName = Dictionary(uniqueKeysWithValues: package.targets.map { ($0.name, $0) })
    var wanted: Set<String> = []
    func want(_ name: String) {
        guard let target = byName[name], wanted.insert(name).inserted else { return }
        for dependency in target.dependencies {
            if case .byNameItem(let name, _) = dependency { want(name) }
        }
        for case .plugin(let name, _) in target.plugins ?? [] { want(name) }
    }
    for name in slice.split(separator: ",").map(String.init) {
        want(name)
        want("\(name)Tests")
    }
    package.targets.removeAll { !wanted.contains($0.name) }
    package.products.removeAll { !wanted.contains($0.name) }
}
