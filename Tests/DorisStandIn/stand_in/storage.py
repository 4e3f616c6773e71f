"""Rows of Doris' tables in SQLite.

Table d_ID has the columns c1, c2, ... (a column's number never changes), and
  __key  the key's values, for UNIQUE tables, where NULL equals NULL
  __seq  the value of the sequence column
  __del  1 for a row that a load deleted (Doris' __DORIS_DELETE_SIGN__)
A view "database.table" shows it by the columns' names without deleted rows.
"""

import json
from datetime import timedelta

from . import values
from .errors import StandInGap


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def data_table(table):
    return "d_%d" % table.id


def view_name(db, table):
    return quoted("%s.%s" % (db, table.name))


def create(sql, db, table):
    key = "__key TEXT PRIMARY KEY, " if table.model == "UNIQUE" else ""
    columns = ", ".join("c%d %s" % (c.uid, c.type.affinity()) for c in table.columns)
    sql.execute("CREATE TABLE %s (%s__seq, __del INTEGER NOT NULL DEFAULT 0, %s)" % (data_table(table), key, columns))
    make_view(sql, db, table)
    if table.partitioning:
        for d in table.partitioning.definitions:
            add_partition(sql, table, d)
    else:
        sql.execute("INSERT INTO partitions VALUES (?, ?, '{}')", (table.id, table.name))


def add_partition(sql, table, definition):
    bounds = {"kind": definition["kind"], "values": definition["values"]}
    sql.execute("INSERT INTO partitions VALUES (?, ?, ?)", (table.id, definition["name"], json.dumps(bounds, ensure_ascii=False)))


def drop_partition(engine, table, name):
    """The partition and its rows."""
    partitioner = Partitioner(engine, table)
    columns = [table.column(c) for c in partitioner.columns]
    rows = engine.sql.execute("SELECT rowid, %s FROM %s" % (", ".join("c%d" % c.uid for c in columns), data_table(table)))
    gone = [(r[0],) for r in rows.fetchall() if partitioner.find({c.name: v for c, v in zip(columns, r[1:])}) == name]
    engine.sql.executemany("DELETE FROM %s WHERE rowid = ?" % data_table(table), gone)
    engine.sql.execute("DELETE FROM partitions WHERE table_id = ? AND name = ?", (table.id, name))


def drop(sql, db, table):
    sql.execute("DROP VIEW IF EXISTS " + view_name(db, table))
    sql.execute("DROP TABLE IF EXISTS " + data_table(table))
    sql.execute("DELETE FROM partitions WHERE table_id = ?", (table.id,))
    sql.execute("DELETE FROM tables WHERE id = ?", (table.id,))


def make_view(sql, db, table):
    sql.execute("DROP VIEW IF EXISTS " + view_name(db, table))
    columns = ", ".join("c%d AS %s" % (c.uid, quoted(c.name)) for c in table.columns)
    sql.execute("CREATE VIEW %s AS SELECT %s FROM %s WHERE __del = 0" % (view_name(db, table), columns, data_table(table)))


def key_text(table, row):
    return json.dumps([row[c.name] for c in table.key_columns], ensure_ascii=False)


def write(sql, table, rows, given=None):
    """Rows (dicts by column name, complete) into the table, in their order.

    UNIQUE: a later row replaces an earlier one of the same key; with a sequence column only if its value is not lower
    (doc: data-operate/update/unique-update-concurrent-control.md: the larger value wins, equal values: the later one).
    `given`: of a partial update, the names of the columns that a row that is there gets.
    A row with "__delete" marks its key as deleted. DUPLICATE: rows are appended.
    """
    if table.model == "AGGREGATE":
        raise StandInGap("loads into AGGREGATE KEY tables")
    columns = table.columns
    names = ["__seq", "__del"] + ["c%d" % c.uid for c in columns]
    sequence = table.sequence_column
    unique = table.model == "UNIQUE"
    if unique:
        names.insert(0, "__key")
    statement = "INSERT INTO %s (%s) VALUES (%s)" % (data_table(table), ", ".join(names), ", ".join("?" * len(names)))
    if unique:
        kept = {"c%d" % c.uid for c in columns if given is not None and c.name not in given}
        if given is not None and (sequence is None or sequence.name not in given):
            kept.add("__seq")
        changes = ", ".join("%s = excluded.%s" % (n, n) for n in names[1:] if n not in kept)
        statement += " ON CONFLICT (__key) DO UPDATE SET %s WHERE __seq IS NULL OR excluded.__seq >= __seq" % changes
        if "__seq" in kept:
            statement = statement.replace(" WHERE __seq IS NULL OR excluded.__seq >= __seq", "")
    batch = []
    for row in rows:
        out = [row[sequence.name] if sequence else None, 1 if row.get("__delete") else 0]
        if unique:
            out.insert(0, key_text(table, row))
        out.extend(row[c.name] for c in columns)
        batch.append(out)
    sql.executemany(statement, batch)


def unit_name(start):
    return "p%04d" % start.year + start.strftime("%m%d%H%M%S")


def unit_end(start, unit):
    """Where the next year, month ... begins."""
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=32),
            "quarter": timedelta(days=93), "year": timedelta(days=367)}[unit]
    try:
        return values.show_moment(values.date_trunc(values.show_moment(start + step, 0), unit), 0)
    except OverflowError:
        return "9999-12-31 23:59:59"


class Partitioner:
    """Finds the partition of a row; makes the one that AUTO PARTITION would (doc: auto-partitioning.md)."""

    def __init__(self, engine, table):
        self.sql = engine.sql
        self.table = table
        self.known = dict(engine.partitions(table)) if table.partitioning else {}
        self.columns = table.partitioning.columns if table.partitioning else []

    def find(self, row):
        """The name of the partition that holds a row, or None."""
        point = [row[self.table.column(name).name] for name in self.columns]
        return self.at(point)

    def at(self, point):
        return next((name for name, bounds in self.known.items() if self.holds(bounds, point)), None)

    def start(self, value):
        return values.date_trunc(value, self.table.partitioning.expressions[0][2].lower())

    def place(self, row):
        """None, or why the row has no place."""
        p = self.table.partitioning
        if p is None or self.find(row) is not None:
            return None
        point = [row[self.table.column(name).name] for name in self.columns]
        if p.auto and p.kind == "RANGE":
            start = self.start(point[0])
            ends = [values.show_moment(start, 0), unit_end(start, p.expressions[0][2].lower())]
            self.add(unit_name(start), {"kind": "fixed", "unit": True, "values": [[self.bound(e)] for e in ends]})
            return None
        if p.auto:
            name = "p" + "".join("X" if v is None else "%s%d" % (v, len(str(v))) for v in point)
            if len(name) > 50:
                return "partition name's length is over limit of 50. abort."
            self.add(name, {"kind": "in", "values": [point]})
            return None
        return "no partition for this tuple. tuple=" + str(point)

    def bound(self, text):
        """A bound in the form of the column's values."""
        return values.convert(text, self.table.column(self.columns[0]).type)

    def add(self, name, bounds):
        if name not in self.known:
            self.known[name] = bounds
            self.sql.execute("INSERT OR IGNORE INTO partitions VALUES (?, ?, ?)",
                             (self.table.id, name, json.dumps(bounds, ensure_ascii=False)))

    def holds(self, bounds, point):
        kind, rows = bounds["kind"], bounds["values"]
        if kind == "in":
            return point in rows
        low = rows[0] if kind == "fixed" else None
        high = rows[-1]
        if kind == "less":
            below = [b["values"][-1] for b in self.known.values()
                     if b["kind"] == "less" and self.below(b["values"][-1], high) and b["values"][-1] != high]
            low = max(below, key=self.order) if below else None
        return (low is None or not self.below(point, low)) and self.below(point, high)

    @staticmethod
    def order(point):
        return [(1, 0) if v is None else (0, v) for v in point]

    def below(self, point, bound):
        """point < bound; None in a bound is MAXVALUE, None in a point is NULL, the lowest."""
        for i, limit in enumerate(bound):
            if limit is None:
                return True
            value = point[i] if i < len(point) else None
            if value is None:
                return True
            if value != limit:
                return value < limit
        return False
