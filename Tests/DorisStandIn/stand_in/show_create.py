"""SHOW CREATE TABLE: text that can be run again (doc: sql-manual/sql-statements/table-and-view/table/SHOW-CREATE-TABLE.md)."""

from . import information


def text(value, mark='"'):
    return mark + value.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def names(columns):
    return ", ".join("`%s`" % c for c in columns)


def column_line(c):
    out = "  `%s` %s %s" % (c.name, c.type.sql(), c.aggregate)
    out = out.rstrip() + (" NULL" if c.nullable else " NOT NULL")
    if c.has_default:
        out += " DEFAULT " + (text(c.default[1]) if c.default[0] == "text" else information.default_text(c))
    if c.on_update is not None:
        out += " ON UPDATE CURRENT_TIMESTAMP" + ("(%d)" % c.on_update if c.on_update else "")
    return out + (" COMMENT " + text(c.comment) if c.comment else "")


def partition_lines(engine, table):
    p = table.partitioning
    parts = ["%s(`%s`, %s)" % (e[0], e[1], text(e[2], "'")) if e[0] else "`%s`" % e[1] for e in p.expressions]
    lines = "%sPARTITION BY %s (%s)\n(" % ("AUTO " if p.auto else "", p.kind, ", ".join(parts))
    known = []
    for name, bounds in engine.partitions(table):
        rows = bounds["values"]
        shown = ["(%s)" % ", ".join("MAXVALUE" if v is None else text(str(v), "'") for v in row) for row in rows]
        if bounds["kind"] == "less":
            known.append("PARTITION %s VALUES LESS THAN %s" % (name, shown[0]))
        elif bounds["kind"] == "in":
            known.append("PARTITION %s VALUES IN (%s)" % (name, ", ".join(shown)))
        else:
            known.append("PARTITION %s VALUES [%s, %s)" % (name, shown[0], shown[1]))
    return lines + ",\n".join(known) + ")\n"


def create_table(engine, table):
    """As SHOW CREATE TABLE writes it; it can be run again."""
    lines = [column_line(c) for c in table.columns]
    for i in table.indexes:
        lines.append("  INDEX %s (%s) USING %s" % (i["name"], names(i["columns"]), i["kind"]) +
                     (" COMMENT " + text(i["comment"], "'") if i["comment"] else ""))
    out = "CREATE TABLE `%s` (\n%s\n) ENGINE=OLAP\n%s KEY(%s)\n" % (table.name, ",\n".join(lines), table.model,
                                                                  names(table.keys))
    if table.comment:
        out += "COMMENT %s\n" % text(table.comment, "'")
    if table.partitioning:
        out += partition_lines(engine, table)
    out += "DISTRIBUTED BY %s" % ("HASH(%s)" % names(table.bucket_columns) if table.distribution == "HASH" else "RANDOM")
    out += " BUCKETS %s\n" % table.buckets
    properties = {"replication_allocation": "tag.location.default: " + table.properties.get("replication_num", "3")}
    if table.model == "UNIQUE":
        properties["enable_unique_key_merge_on_write"] = "true"
    properties["light_schema_change"] = "true"
    properties.update({k: v for k, v in table.properties.items() if k != "replication_num"})
    return out + "PROPERTIES (\n%s\n);" % ",\n".join("%s = %s" % (text(k), text(v)) for k, v in properties.items())
