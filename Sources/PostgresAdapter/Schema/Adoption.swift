/// What a database has that was made by the script of the original design (`dicom_state_meta` and `dicom_json_meta` by
/// hand, in 2025 and before), where it takes more than the difference of the two catalogues to become ours. Every row
/// stays. These steps are declared here because each of them was looked at; on any other database they do not apply.
struct Adoption {
    /// The tables of that script.
    static let tables: Set<String> = ["dicom_state_meta", "dicom_json_meta"]

    /// What installs have beside them, each as its people made it.
    static let beside: Set<String> = ["dicom_object_meta", "dicom_image_meta", "wado_access_log"]

    /// What a column has in rows that lack it, where ours may not be NULL. Higher than any UID, so the next instance of
    /// the series becomes its representative, or the lowest when it is indexed anew.
    static let placeholders = ["dicom_state_meta.representative_sop_uid": "'~'"]

    /// What stands in for NULL where ours is NOT NULL. Times were local ones without a zone: they are read in the time
    /// zone of the session, which is the server's unless the connection string says otherwise.
    static let fills = [
        "dicom_state_meta.created_time": "COALESCE(created_time, updated_time, clock_timestamp())",
        "dicom_state_meta.updated_time": "COALESCE(updated_time, created_time, clock_timestamp())",
    ]

    /// Narrower than they were, because values that follow the standard are never longer; done if none is.
    static let narrowed: Set<String> = ["dicom_state_meta.patient_age"]

    /// Indexes that the key serves.
    static let superseded = ["index_state_unique": "repeats the key with one column more"]

    /// Where a table beside them goes that cannot be ours as it is: it keeps its rows and columns under another name.
    static func asideName(_ table: String) -> String { "\(table.prefix(54))_original" }
}
