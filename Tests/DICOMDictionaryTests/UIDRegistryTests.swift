import DICOMDictionary
import Dictionary
import Testing

@Suite struct UIDRegistryTests {
    /// Every row of the document, both ways.
    @Test func everyRow() throws {
        let uids = try DataDictionaryTests.registry.get().uids
        #expect(UIDRegistry.allEntries.count == uids.count)
        for uid in uids {
            let entry = try #require(UIDRegistry.entry(uid.uid))
            #expect(entry.uid == uid.uid)
            #expect(entry.name == uid.name)
            #expect(entry.keyword == uid.keyword)
            #expect(entry.isRetired == uid.isRetired)
        }
    }

    @Test(arguments: [
        ("1.2.840.10008.1.2.1", UIDRegistryEntry.Kind.transferSyntax), ("1.2.840.10008.5.1.4.1.1.2", .sopClass),
        ("1.2.840.10008.5.1.1.9", .metaSOPClass), ("1.2.840.10008.4.2", .serviceClass),
        ("1.2.840.10008.1.20.1.1", .wellKnownSOPInstance), ("1.2.840.10008.1.4.1.1", .wellKnownFrameOfReference),
        ("1.2.840.10008.15.1.1", .synchronizationFrameOfReference), ("1.2.840.10008.2.16.4", .codingScheme),
        ("1.2.840.10008.3.1.1.1", .applicationContextName), ("1.2.840.10008.7.1.1", .applicationHostingModel),
        ("1.2.840.10008.8.1.1", .mappingResource), ("1.2.840.10008.15.0.3.1", .ldapOID),
        ("1.2.840.10008.2.6.1", .other),
    ])
    func kind(_ uid: String, _ kind: UIDRegistryEntry.Kind) {
        #expect(UIDRegistry.entry(uid)?.kind == kind)
    }

    @Test func unknown() {
        #expect(UIDRegistry.entry("1.2.3") == nil)
        #expect(UIDRegistry.entry("") == nil)
        #expect(UIDRegistry.entry("1.2.840.10008.1.2.1\0") == nil)
    }

    @Test func constants() {
        #expect(UIDs.ctImageStorage == "1.2.840.10008.5.1.4.1.1.2")
        #expect(UIDs.explicitVRLittleEndian == "1.2.840.10008.1.2.1")
        #expect(UIDs.verification == "1.2.840.10008.1.1")
        #expect(UIDs.dicomApplicationContext == "1.2.840.10008.3.1.1.1")
    }

    @Test(arguments: [
        "1.2.840.10008.5.1.4.1.1.2",  // CT Image Storage
        "1.2.840.10008.5.1.4.1.1.1.1",  // Digital X-Ray Image Storage - For Presentation
        "1.2.840.10008.5.1.4.1.1.6",  // Ultrasound Image Storage (Retired)
        "1.2.840.10008.5.1.4.1.1.9.1",  // Waveform Storage - Trial (Retired)
        "1.2.840.10008.5.1.4.1.1.66",  // Raw Data Storage
        "1.2.840.10008.5.1.4.1.1.104.1",  // Encapsulated PDF Storage
        "1.2.840.10008.5.1.4.1.1.501.2.1",  // DICOS
        "1.2.840.10008.5.1.4.34.7",  // RT Beams Delivery Instruction Storage
        "1.2.840.10008.5.1.4.38.1",  // Hanging Protocol Storage
        "1.2.840.10008.5.1.4.43.1",  // Generic Implant Template Storage
        "1.2.840.10008.5.1.1.27",  // Stored Print Storage SOP Class (Retired)
        "1.2.840.10008.5.1.1.29",  // Hardcopy Grayscale Image Storage SOP Class (Retired)
        "1.2.840.10008.5.1.4.1.1.12.77",  // retired, and its name removed
    ])
    func isStorage(_ uid: String) {
        #expect(UIDRegistry.storageSOPClasses.contains(uid))
        #expect(UIDRegistry.entry(uid)?.isStorageSOPClass == true)
    }

    @Test(arguments: [
        "1.2.840.10008.1.1",  // Verification
        "1.2.840.10008.1.3.10",  // Media Storage Directory Storage
        "1.2.840.10008.1.20.1",  // Storage Commitment Push Model
        "1.2.840.10008.4.2",  // Storage Service Class
        "1.2.840.10008.5.1.4.1.1.200.4",  // Protocol Approval Information Model - FIND
        "1.2.840.10008.5.1.4.1.1.201.1.1",  // Storage Management SOP Instance
        "1.2.840.10008.5.1.4.1.1.201.2",  // Inventory - FIND
        "1.2.840.10008.5.1.4.34.8",  // RT Conventional Machine Verification
        "1.2.840.10008.5.1.4.1.2.2.1",  // Study Root FIND
    ])
    func isNotStorage(_ uid: String) {
        #expect(!UIDRegistry.storageSOPClasses.contains(uid))
        #expect(UIDRegistry.entry(uid)?.isStorageSOPClass == false)
    }

    @Test func storageSOPClassesAreDistinctSOPClasses() {
        let uids = UIDRegistry.storageSOPClasses
        #expect(Set(uids).count == uids.count)
        #expect(uids.allSatisfy { UIDRegistry.entry($0)?.kind == .sopClass })
    }
}
