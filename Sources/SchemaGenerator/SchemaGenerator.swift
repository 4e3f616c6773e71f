// SchemaGenerator
