public import ArchiveSchema
internal import DICOMCore

/// Reads what a series' instances are searched by out of their stored metadata. Used by one thread.
public final class SearchedValuesReader {
    private let selection: AttributeSelection

    public init() {
        let table = DicomStateMetaRow.table
        let searched = table.columns.filter { $0.isSearched && !table.key.contains($0.name) }
        selection = AttributeSelection(tags: searched.compactMap(\.path.first))
    }

    /// One row for each distinct set of values that instances have, first that of the instance with the lowest SOP
    /// Instance UID in byte order, which the series' row shows. Columns that no search compares are of no meaning.
    /// - Returns: nil when the metadata do not tell the values of some instance.
    /// - Throws: what stands in the way of reading the metadata.
    public func rows(
        of series: SeriesIdentity, in snapshot: any SeriesSnapshot
    ) throws -> [DicomStateMetaRow]? {
        var rows: [DicomStateMetaRow] = []
        var places: [[UInt8]: Int] = [:]
        var lowest: (uid: String, place: Int)?
        var isKnown = true
        var text: [UInt8] = []
        try snapshot.forEachInstance { uid, json in
            do {
                try selection.text(of: json, into: &text)
                let place: Int
                if let known = places[text] {
                    place = known
                } else {
                    guard let row = try row(of: json, uid, series) else { throw Unknown() }
                    place = rows.count
                    places[text] = place
                    rows.append(row)
                }
                let isLower = lowest.map { uid.utf8.lexicographicallyPrecedes($0.uid.utf8) } ?? true
                if isLower { lowest = (uid, place) }
            } catch {
                isKnown = false
            }
            return isKnown
        }
        guard isKnown, let lowest else { return nil }
        rows.swapAt(0, lowest.place)
        return rows
    }

    private struct Unknown: Error {}

    private func row(of json: RawSpan, _ uid: String, _ series: SeriesIdentity) throws -> DicomStateMetaRow? {
        guard let dataSet = try selection.dataSet(of: json, sopInstanceUID: uid, series: series) else { return nil }
        let context = InstanceContext(
            tenantID: series.tenantID, traceID: "", workerNodeID: "", transferSyntaxUID: "", sopClassUID: "",
            filePath: "", fileSize: 0, receivedTime: .now)
        var problems: [ColumnProblem] = []
        return try DicomStateMetaRow(extracting: dataSet, from: context, problems: &problems)
    }
}
