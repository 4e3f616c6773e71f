"""Which changes of columns Doris 3.1 takes, whether they are light or heavy, and its texts.

Citations as in rules.py. HANDLER is src: alter/SchemaChangeHandler.java; doc: table-design/schema-change.md.
"""

from . import rules
from .errors import DorisError, StandInGap

INTEGERS = ["TINYINT", "SMALLINT", "INT", "BIGINT", "LARGEINT"]
# src: catalog/ColumnType.java: types that MODIFY COLUMN can go to, besides the same
MATRIX = {
    "FLOAT": {"DOUBLE", "VARCHAR", "STRING"},
    "DOUBLE": {"VARCHAR", "STRING"},
    "DECIMAL": {"DECIMAL", "VARCHAR", "STRING"},
    "VARCHAR": set(INTEGERS) | {"FLOAT", "DOUBLE", "DATE", "STRING", "JSON"},
    "CHAR": set(INTEGERS) | {"FLOAT", "DOUBLE", "DATE", "STRING", "VARCHAR"},
    "STRING": {"JSON"},
    "JSON": {"STRING", "VARCHAR"},
    "DATE": {"DATETIME"},
    "DATETIME": {"DATE"},
}
for at, integer in enumerate(INTEGERS):
    MATRIX[integer] = set(INTEGERS[at + 1:]) | {"FLOAT", "DOUBLE", "VARCHAR", "STRING"} | ({"DATE"} if integer == "INT" else set())
# src: catalog/Column.java: how many characters a number may need
WIDTHS = {"TINYINT": 4, "SMALLINT": 6, "INT": 11, "BIGINT": 20, "LARGEINT": 40, "FLOAT": 12, "DOUBLE": 22}


def type_change(old, new):
    if old == new:
        return
    if old.name == new.name and old.is_character:
        if new.length < old.length:
            raise DorisError("Shorten type length is prohibited, srcType=%s, dstType=%s" % (old.sql(), new.sql()))
        return
    if old.name == new.name == "ARRAY":
        return type_change(old.children[0], new.children[0])
    if old.name == new.name and old.name in ("DATETIME", "DECIMAL"):
        if old.name == "DECIMAL" and (new.args[0] - new.args[1] < old.args[0] - old.args[1] or new.args[1] < old.args[1]):
            raise DorisError("Can not change from wider type %s to narrower type %s" % (old.sql(), new.sql()))
        return
    if old.is_complex or new.is_complex:
        raise StandInGap("MODIFY COLUMN from %s to %s" % (old.sql(), new.sql()))
    if new.name not in MATRIX.get(old.name, ()):
        raise DorisError("Can not change %s to %s" % (old.sql().upper(), new.sql().upper()))
    if old.is_character and new.is_character and new.length < old.length:
        raise DorisError("Shorten type length is prohibited, srcType=%s, dstType=%s" % (old.sql(), new.sql()))
    if new.is_character and new.length < WIDTHS.get(old.name, 0):
        raise DorisError("Can not change from wider type %s to narrower type %s" % (old.sql(), new.sql()))


def place(table, column, position):
    """Keys before values (src: nereids/trees/plans/commands/info/AddColumnOp.java)."""
    if position == "FIRST" and not column.key:
        raise DorisError("Can't add value column %s as First column" % column.name)
    before = table.column(position[0]) if isinstance(position, list) else None
    if before is None:
        return
    at = table.columns.index(before) + 1
    if before.key and not column.key and at < len(table.columns) and table.columns[at].key:
        raise DorisError("can't add value column %s before key column %s" % (column.name, table.columns[at].name))
    if not before.key and column.key:
        raise DorisError("can't add key column %s after value column %s" % (column.name, before.name))


def add(table, column, position=None):
    """ADD COLUMN; True when heavy."""
    if table.column(column.name):
        raise DorisError("Can not add column which already exists in base table: " + column.name)
    if column.auto_increment:
        raise DorisError("Can not add auto-increment column " + column.name)
    if column.generated:
        raise DorisError("Not supporting alter table add generated columns.")
    if column.key and table.model == "UNIQUE" and column.aggregate:
        raise DorisError("Can not set aggregation type on key column: " + column.name)
    rules.column(column, table.model, column.key)
    # src: nereids/trees/plans/commands/info/AddColumnOp.java
    if not column.nullable and not column.has_default:
        raise DorisError("Field '%s' is not null but doesn't have a default value" % column.name, 1364)
    place(table, column, position)
    return column.key


def drop(table, name):
    """DROP COLUMN; True when heavy."""
    column = table.column(name)
    if column is None:
        raise DorisError("Column does not exists: " + name)
    if table.sequence_column is column:
        raise DorisError("Can not drop sequence mapping column[%s] in Unique data model table[%s]" % (name, table.name))
    if column.key and table.model == "UNIQUE":
        raise DorisError("Can not drop key column in Unique data model table")
    if table.partitioning and column.name.lower() in [n.lower() for n in table.partitioning.columns]:
        raise DorisError("Partition column[%s] cannot be dropped. index[%s]" % (name, table.name))
    if column.name.lower() in [n.lower() for n in table.bucket_columns]:
        raise DorisError("Distribution column[%s] cannot be dropped. index[%s]" % (name, table.name))
    return column.key


def modify(table, new, moves):
    """MODIFY COLUMN; True when heavy, False when light."""
    old = table.column(new.name)
    if old is None:
        raise DorisError("Column[%s] does not exists" % new.name)
    new.uid, new.name = old.uid, old.name
    if table.partitioning and old.name.lower() in [n.lower() for n in table.partitioning.columns]:
        raise DorisError("Can not modify partition column[%s]. index[%s]" % (old.name, table.name))
    if old.name.lower() in [n.lower() for n in table.bucket_columns]:
        raise DorisError("Can not modify distribution column[%s]. index[%s]" % (old.name, table.name))
    if old.key and not new.key:
        # MODIFY COLUMN must repeat KEY (doc: sql-manual/.../table/ALTER-TABLE-COLUMN.md)
        last = table.key_columns[-1] is old
        raise DorisError("Can not change aggregation type" if last else
                         "Invalid column order. value should be after key. index[%s]" % table.name)
    if new.key and not old.key:
        raise DorisError("Can not change aggregation type")
    if new.aggregate != old.aggregate:
        raise DorisError("Can not change aggregation type")
    if table.sequence_column is old and new != old:
        raise DorisError("Can not alter sequence column[%s]" % old.name)
    if (old.default if old.has_default else None) != (new.default if new.has_default else None):
        raise DorisError("Can not change default value")
    if old.nullable and not new.nullable:
        raise DorisError("Can not change from nullable to non-nullable")
    rules.column(new, table.model, new.key)
    type_change(old.type, new.type)
    if new == old and not moves:
        raise DorisError("Nothing is changed. please check your alter stmt.")
    # Another comment is a change as well (src: catalog/Column.java, equals). Light is only a change of one VARCHAR to
    # another (src: HANDLER, processModifyColumn); the manual leaves out keys, and a change of NULL.
    light = old.type.name == new.type.name == "VARCHAR" and new.nullable == old.nullable and not old.key
    return moves or not light


def rename(table, old, new):
    """RENAME COLUMN: light."""
    column = table.column(old)
    if column is None:
        raise DorisError("Column[%s] does not exists" % old)
    if table.column(new) is not None:
        raise DorisError("Column name[%s] is already used" % new if old.lower() != new.lower() else
                         "Same column name")
    rules.column_name(new)
    return column


def order(table):
    """Keys stay the first columns (src: HANDLER)."""
    seen_value = False
    for c in table.columns:
        if c.key and seen_value:
            raise DorisError("Invalid column order. value should be after key. index[%s]" % table.name)
        seen_value = seen_value or not c.key


def reorder(table, names):
    """ORDER BY (...): all columns, keys first."""
    out = []
    for name in names:
        column = table.column(name)
        if column is None:
            raise DorisError("Column[%s] not exists" % name)
        if column in out:
            raise DorisError("Reduplicative column[%s]" % name)
        out.append(column)
    if len(out) != len(table.columns):
        raise DorisError("Reorder stmt should contains all columns")
    return out
