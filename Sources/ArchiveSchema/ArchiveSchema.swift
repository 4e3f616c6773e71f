// ArchiveSchema
