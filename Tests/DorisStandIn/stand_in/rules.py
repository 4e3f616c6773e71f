"""What Doris 3.1 refuses in CREATE TABLE, with its texts: columns and keys.

Paths in the comments are of apache/doris below fe/fe-core/src/main/java/org/apache/doris/ ("src:") or pages of
apache/doris-website below versioned_docs/version-3.x/ ("doc:"). INFO is nereids/trees/plans/commands/info.
"""

import re

from . import datatypes, values
from .errors import DorisError

# src: common/FeNameFormat.java
TABLE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9\-_]*")
COMMON_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9\-_]{0,63}")
COLUMN_NAME = re.compile(r"[\w@#%$&.:\- ~+*/()\[\]{}^!<>=?,;'\"|\\]{1,256}")
LABEL = re.compile(r"[-_A-Za-z0-9:]{1,128}")


def table_name(name):
    """doc: sql-manual/basic-element/object-identifiers.md; at most 64 (table_name_length_limit)."""
    if not TABLE_NAME.fullmatch(name):
        raise DorisError("Incorrect table name '%s'. Table name regex is '^[a-zA-Z][a-zA-Z0-9\\-_]*$'" % name, 1103, "42000")
    if len(name) > 64:
        raise DorisError("Table name is too long: %s, the length is %d, the limit is 64" % (name, len(name)))


def database_name(name):
    if not COMMON_NAME.fullmatch(name):
        raise DorisError("Incorrect database name '%s'" % name, 1102, "42000")


def column_name(name):
    """src: common/FeNameFormat.java; INFO/CreateTableInfo.java (__DORIS_)."""
    if not COLUMN_NAME.fullmatch(name):
        raise DorisError("Incorrect column name '%s'. Column regex is '^[_a-zA-Z@0-9\\p{L}][...]{0,255}$'" % name, 1166,
                         "42000")
    if name.startswith("mv_") or name.startswith("mva_"):
        raise DorisError("Incorrect column name '%s', column name can't start with 'mv_'/'mva_'" % name, 1166, "42000")
    if name.upper().startswith("__DORIS_"):
        raise DorisError("Disable to create table column with name start with __DORIS_: " + name)


def column(c, model, is_key):
    """One column of a new table (src: INFO/ColumnDefinition.java)."""
    column_name(c.name)
    kind = c.type.name
    if kind == "TIME":
        raise DorisError("Time type is not supported for olap table")
    if datatypes.depth(c.type) > 9:
        raise DorisError("Type exceeds the maximum nesting depth of 9")
    if is_key:
        key_type(c)
    if c.aggregate and (is_key or model != "AGGREGATE"):
        if is_key:
            raise DorisError("Key column %s can not set aggregation type" % c.name)
        raise DorisError("%s_KEYS table should not specify aggregate type for non-key column[%s]"
                         % ({"DUPLICATE": "DUP"}.get(model, model), c.name))
    if model == "AGGREGATE" and not is_key and not c.aggregate:
        raise DorisError("AGG_KEYS table should specify aggregate type for non-key column[%s]" % c.name)
    if kind in ("HLL", "BITMAP", "QUANTILE_STATE") and c.nullable:
        raise DorisError("complex type column must be not nullable, column:%s" % c.name)
    default(c)


def key_type(c):
    """Which types a key may have (src: INFO/ColumnDefinition.java)."""
    kind = c.type.name
    if kind in ("FLOAT", "DOUBLE"):
        raise DorisError("Float or double can not used as a key, use decimal instead.")
    if kind == "STRING":
        raise DorisError("String Type should not be used in key column[%s]" % c.name)
    if c.type.is_complex:
        raise DorisError("%s can only be used in the non-key column of the duplicate table at present."
                         % kind.capitalize())
    if kind in ("JSON", "VARIANT"):
        raise DorisError("%s type should not be used in key column[%s]."
                         % ({"JSON": "JsonType", "VARIANT": "Variant"}[kind], c.name))
    if kind in ("HLL", "BITMAP", "QUANTILE_STATE"):
        raise DorisError("Key column can not set complex type:%s" % c.name)


def default(c):
    """src: INFO/ColumnDefinition.java, analysis/ColumnDef.java (length counted in characters there)."""
    if c.default == ["null"] and not c.nullable:
        raise DorisError("Can not set null default value to non nullable column: " + c.name)
    if c.on_update is not None and (c.default or [None, None])[1:] != ["CURRENT_TIMESTAMP", c.on_update]:
        raise DorisError("You must set the default value of the column[%s] to CURRENT_TIMESTAMP when using "
                         "'ON UPDATE CURRENT_TIMESTAMP'." % c.name)
    if not c.has_default:
        return
    if c.type.name in ("JSON", "VARIANT", "MAP", "STRUCT"):
        raise DorisError("Json or Variant type column default value just support null")
    if c.default[0] == "word":
        word = c.default[1]
        fits = {"CURRENT_TIMESTAMP": ("DATETIME",), "CURRENT_DATE": ("DATE",), "PI": ("DOUBLE",), "E": ("DOUBLE",),
                "BITMAP_EMPTY": ("BITMAP",)}[word]
        if c.type.name not in fits:
            raise DorisError("Types other than %s cannot use %s as the default value"
                             % (" and ".join(fits), word.lower()))
        return
    text = c.default[1]
    if c.type.is_character and len(text) > c.type.length:
        raise DorisError("Default value is too long: " + text)
    if c.type.name == "ARRAY":
        if text != "[]":
            raise DorisError("Array type column default value only support null or empty array []")
        return
    try:
        values.convert(text, c.type)
        if c.type.is_integer and not values.INTEGER.fullmatch(text):
            raise values.NotConvertible
    except values.NotConvertible:
        if c.type.name in ("DATE", "DATETIME"):
            raise DorisError("date literal [%s] is invalid" % text) from None
        raise DorisError("Invalid number format: %s" % text if c.type.is_integer else
                         "Invalid default value: %s" % text) from None


def table(t):
    """Columns, keys and model of a new table; fills in model, keys and the columns' key marks.

    src: INFO/CreateTableInfo.java
    """
    table_name(t.name)
    if t.engine.lower() != "olap":
        raise DorisError("Do not support create table with ENGINE name = %s" % t.engine)
    if not t.columns:
        raise DorisError("table should contain at least one column")
    seen = set()
    for c in t.columns:
        if c.name.lower() in seen:
            raise DorisError("Duplicate column name '%s'" % c.name, 1060, "42S21")
        seen.add(c.name.lower())
    if not t.model:
        default_keys(t)
    elif len(t.keys) > len(t.columns):
        raise DorisError("The number of key columns should be less than the number of columns.")
    key_prefix(t)
    if t.model == "AGGREGATE" and len(t.keys) == len(t.columns):
        raise DorisError("AGG_KEYS table has no value column")
    if t.cluster_keys:
        raise DorisError("Cluster key is not supported")
    for i, c in enumerate(t.columns):
        c.key = i < len(t.keys)
        column(c, t.model, c.key)


def key_prefix(t):
    """Key columns are the first columns, in the same order (src: INFO/CreateTableInfo.java)."""
    for i, key in enumerate(t.keys):
        if t.columns[i].name.lower() != key.lower():
            if t.column(key) is None:
                raise DorisError("Key column[%s] doesn't exist." % key)
            raise DorisError("Key columns should be a ordered prefix of the schema. KeyColumns[%d] (starts from zero) is "
                             "%s, but corresponding column is %s in the previous columns declaration."
                             % (i, key, t.columns[i].name))


def default_keys(t):
    """Without a KEY clause: DUPLICATE by the leading columns, at most three and 36 bytes (src: same)."""
    if any(c.key for c in t.columns):
        t.keys = [c.name for c in t.columns if c.key]
        t.model = "AGGREGATE" if any(c.aggregate for c in t.columns) else "DUPLICATE"
        return
    if any(c.aggregate for c in t.columns):
        t.model = "AGGREGATE"
        t.keys = [c.name for c in t.columns if not c.aggregate]
        return
    t.model = "DUPLICATE"
    first = t.columns[0].type
    if first.name in ("FLOAT", "DOUBLE", "STRING") or first.is_complex or first.name in ("JSON", "VARIANT"):
        raise DorisError("The olap table first column could not be float, double, string or array, struct, map, please "
                         "use decimal or varchar instead.")
    size = 0
    for c in t.columns:
        if c.type.name in ("FLOAT", "DOUBLE", "STRING", "JSON", "VARIANT") or c.type.is_complex:
            break
        size += c.type.args[0] if c.type.is_character else {"LARGEINT": 16, "DECIMAL": 16}.get(c.type.name, 8)
        if t.keys and (size > 36 or len(t.keys) >= 3):
            break
        t.keys.append(c.name)
        if c.type.name == "VARCHAR":
            break
