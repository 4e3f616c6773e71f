// PostgresAdapter
