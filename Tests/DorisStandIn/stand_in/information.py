"""information_schema: filled into temporary tables when asked."""

from .datatypes import INTEGERS
from .errors import DorisError

COLUMNS = """TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE DATA_TYPE
    CHARACTER_MAXIMUM_LENGTH CHARACTER_OCTET_LENGTH NUMERIC_PRECISION NUMERIC_SCALE DATETIME_PRECISION CHARACTER_SET_NAME
    COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT COLUMN_SIZE DECIMAL_DIGITS
    GENERATION_EXPRESSION SRS_ID""".split()
TABLES = """TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION ROW_FORMAT TABLE_ROWS AVG_ROW_LENGTH DATA_LENGTH
    MAX_DATA_LENGTH INDEX_LENGTH DATA_FREE AUTO_INCREMENT CREATE_TIME UPDATE_TIME CHECK_TIME TABLE_COLLATION CHECKSUM
    CREATE_OPTIONS TABLE_COMMENT""".split()
SCHEMATA = "CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME SQL_PATH".split()
PRECISION = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19, "LARGEINT": 39, "FLOAT": 7, "DOUBLE": 15}
NUMBERS = {"ORDINAL_POSITION", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE",
           "DATETIME_PRECISION", "TABLE_ROWS"}
KEYS = {"UNIQUE": "UNI", "DUPLICATE": "DUP", "AGGREGATE": "AGG"}


def default_text(column):
    """As information_schema and DESC show a default."""
    if not column.has_default:
        return None
    if column.default[0] == "text":
        return column.default[1]
    word, digits = column.default[1:]
    return word + ("(%d)" % digits if digits else "")


def column_row(db, table, at, c):
    t = c.type
    length = t.length if t.is_character else 2147483643 if t.name == "STRING" else None
    precision = t.args[0] if t.name == "DECIMAL" else PRECISION.get(t.name)
    scale = t.args[1] if t.name == "DECIMAL" else 0 if t.name in INTEGERS else None
    return {"TABLE_CATALOG": "internal", "TABLE_SCHEMA": db, "TABLE_NAME": table.name, "COLUMN_NAME": c.name,
            "ORDINAL_POSITION": at, "COLUMN_DEFAULT": default_text(c), "IS_NULLABLE": "YES" if c.nullable else "NO",
            "DATA_TYPE": data_type(t), "CHARACTER_MAXIMUM_LENGTH": length,
            "CHARACTER_OCTET_LENGTH": length and length * 4, "NUMERIC_PRECISION": precision, "NUMERIC_SCALE": scale,
            "DATETIME_PRECISION": t.args[0] if t.name == "DATETIME" else None, "COLUMN_TYPE": column_type(t),
            "COLUMN_KEY": KEYS[table.model] if c.key else "", "EXTRA": "", "PRIVILEGES": "", "COLUMN_COMMENT": c.comment,
            "DECIMAL_DIGITS": scale}


# be: information_schema/schema_columns_scanner.cpp: written as MySQL writes them, other than SHOW CREATE TABLE and DESC do
COLUMN_TYPES = {"BOOLEAN": "tinyint(1)", "TINYINT": "tinyint(4)", "SMALLINT": "smallint(6)", "INT": "int(11)",
                "BIGINT": "bigint(20)", "STRING": "string"}
DATA_TYPES = {"STRING": "varchar", "BOOLEAN": "tinyint", "LARGEINT": "bigint unsigned"}


def data_type(t):
    """DATA_TYPE: the type's name alone."""
    return DATA_TYPES.get(t.name, t.name.lower())


def column_type(t):
    """COLUMN_TYPE."""
    if t.name == "DECIMAL":
        return "decimalv3(%d, %d)" % t.args
    if t.is_complex:
        children = [column_type(c[1] if isinstance(c, tuple) else c) for c in t.children]
        return "%s<%s>" % (t.name.lower(), ",".join(children))
    return COLUMN_TYPES.get(t.name) or t.sql()


def fill(engine, name):
    """A temporary table's name and its columns {lower name: (name, None)}."""
    kind = name.lower()
    rows = []
    if kind == "columns":
        titles = COLUMNS
        for (db, _), table in sorted(engine.tables.items()):
            rows.extend(column_row(db, table, i + 1, c) for i, c in enumerate(table.columns))
    elif kind == "tables":
        titles = TABLES
        for (db, _), t in sorted(engine.tables.items()):
            count = engine.sql.execute("SELECT COUNT(*) FROM d_%d WHERE __del = 0" % t.id).fetchone()[0]
            rows.append({"TABLE_CATALOG": "internal", "TABLE_SCHEMA": db, "TABLE_NAME": t.name,
                         "TABLE_TYPE": "BASE TABLE", "ENGINE": "Doris", "TABLE_ROWS": count, "TABLE_COLLATION": "utf-8",
                         "TABLE_COMMENT": t.comment,
                         "CREATE_TIME": engine.sql.execute("SELECT created FROM tables WHERE id = ?",
                                                           (t.id,)).fetchone()[0]})
    elif kind == "schemata":
        titles = SCHEMATA
        rows = [{"CATALOG_NAME": "internal", "SCHEMA_NAME": db} for db in engine.databases()]
    else:
        raise DorisError("Table [%s] does not exist in database [information_schema]." % name)
    temporary = 'temp."information_schema.%s"' % kind
    engine.sql.execute("DROP TABLE IF EXISTS " + temporary)
    engine.sql.execute("CREATE TABLE %s (%s)" % (temporary, ", ".join(
        '"%s" %s' % (t, "INTEGER" if t in NUMBERS else "TEXT") for t in titles)))
    engine.sql.executemany("INSERT INTO %s VALUES (%s)" % (temporary, ", ".join("?" * len(titles))),
                           [[row.get(t) for t in titles] for row in rows])
    return temporary, {t.lower(): (t, None) for t in titles}
