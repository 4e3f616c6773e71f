import Archive
import Foundation
import Testing

/// The store is walked through series by series, and a walk can begin behind any of them.
struct StoreWalkTests {
    private func makeStore(_ tenants: [String]) throws -> (FileStore, remove: () -> Void) {
        let root = NSTemporaryDirectory() + "wado-walk-\(UUID().uuidString.prefix(8))"
        for tenant in tenants {
            for study in 1...12 {
                for series in 1...2 {
                    let identity = InstanceIdentity(
                        tenant: try #require(TenantID(tenant)), study: try #require(UID("1.2.\(study)")),
                        series: try #require(UID("1.2.\(study).\(series)")), instance: try #require(UID("1.9.1")))
                    let folder =
                        "\(root)/\(ArchivePaths.series(tenant: identity.tenant, study: identity.study, series: identity.series))"
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                    for number in 1...series {
                        try Data().write(to: URL(fileURLWithPath: "\(folder)/1.9.\(number).dcm"))
                    }
                    // None of ours.
                    try Data().write(to: URL(fileURLWithPath: "\(folder)/notes.txt"))
                }
            }
        }
        try FileManager.default.createDirectory(atPath: "\(root)/.spool/a", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: "\(root)/a/zz/1.2.3", withIntermediateDirectories: true)
        return (FileStore(paths: ArchivePaths(root: root)), { try? FileManager.default.removeItem(atPath: root) })
    }

    private func all(_ walk: StoreWalk) throws -> [StoreWalk.Series] {
        var found: [StoreWalk.Series] = []
        while let series = try walk.next() { found.append(series) }
        return found
    }

    @Test func everySeriesComesOnceWhereverAWalkBegins() throws {
        let (store, remove) = try makeStore(["a", "b"])
        defer { remove() }
        let walk = try StoreWalk(store)
        let found = try all(walk)
        #expect(found.count == 48 && Set(found.map(\.identity)).count == 48)
        #expect(found.map(\.instances.count).reduce(0, +) == 72)
        #expect(walk.studyCount == 25 && walk.studiesEntered == 24)
        for place in found.indices {
            let later = try StoreWalk(store, after: found[place].identity)
            #expect(try all(later) == Array(found[(place + 1)...]))
            #expect(24...25 ~= later.studiesEntered)
        }
        #expect(try all(StoreWalk(store, tenant: TenantID("b"))) == found.filter { $0.tenant.value == "b" })
        // Behind what is no longer there.
        let gone = SeriesIdentity(tenantID: "a0", studyUID: "1.2.1", seriesUID: "1.2.1.1")
        #expect(try all(StoreWalk(store, after: gone)) == found.filter { $0.tenant.value == "b" })
    }

    @Test func anEmptyOrMissingStoreHasNothing() throws {
        let walk = try StoreWalk(FileStore(paths: ArchivePaths(root: "/nonexistent/store")))
        #expect(try walk.next() == nil && walk.studyCount == 0)
    }
}
