"""INSERT INTO ... VALUES: for a few rows of a test, in strict mode as by default (enable_insert_strict).

doc: sql-manual/sql-statements/data-modification/DML/INSERT.md, data-operate/transaction.md (error 5025); src:
nereids/trees/plans/commands/insert/InsertUtils.java (normalizePlan), AbstractInsertExecutor.java (checkStrictMode),
nereids/rules/analysis/BindSink.java (sequence column, defaults).
"""

from . import expressions, storage, values
from .errors import DorisError, StandInGap
from .protocol import Done


def filtered(reason):
    """A row that is left out fails the whole statement; Doris has the reason in a log only."""
    return DorisError("Insert has filtered data in strict mode. " + reason, 5025)


def insert(session, r):
    if not r.accept("INTO"):
        raise StandInGap("INSERT " + r.now.text)
    r.accept("TABLE")
    db, name = session.ddl.place(session, r.qualified())
    table = session.engine.need_table(db, name)
    names = r.name_list() if r.at_op("(") else [c.name for c in table.columns]
    for n in names:
        if table.column(n) is None:
            raise DorisError("Unknown column '%s' in target table." % n)
    if not r.accept("VALUES"):
        raise StandInGap("INSERT INTO ... SELECT")
    if len({n.lower() for n in names}) != len(names):
        raise DorisError("Duplicate column name in the list of INSERT")
    given = {table.column(n).name for n in names}
    sequence = table.sequence_column
    if sequence and sequence.name not in given and (sequence.default or ["", ""])[1:2] != ["CURRENT_TIMESTAMP"]:
        raise DorisError("Table %s has sequence column, need to specify the sequence column" % table.name)
    missing = [c.name for c in table.columns if c.name not in given and not c.nullable and not c.has_default]
    if missing:
        raise DorisError("Column has no default value, column=" + missing[0])
    context = expressions.Context(values.zone(session.time_zone))
    rows = []
    reader = expressions.ExpressionReader(r.t)
    reader.i = r.i
    while True:
        rows.append(one_row(reader, table, names, context))
        if not reader.accept_op(","):
            break
    with session.engine.transaction() as sql:
        partitioner = storage.Partitioner(session.engine, table)
        for row in rows:
            reason = partitioner.place(row)
            if reason:
                raise filtered(reason)
        storage.write(sql, table, rows)
    return Done(len(rows))


def one_row(reader, table, names, context):
    reader.take("(")
    row = {c.name: values.default_value(c, context.now) for c in table.columns}
    for i, name in enumerate(names):
        if reader.at_op(")"):
            raise DorisError("Column count doesn't match value count")
        c = table.column(name)
        if reader.accept("DEFAULT"):
            value = row[c.name]
        else:
            value = expressions.evaluate(reader.tree(), {}, context)
        try:
            row[c.name] = values.convert(value, c.type, context.zone)
        except values.NotConvertible:
            raise filtered("column(%s) value is incorrect" % c.name) from None
        if i + 1 < len(names) and not reader.accept_op(","):
            raise DorisError("Column count doesn't match value count")
    if not reader.at_op(")"):
        raise DorisError("Column count doesn't match value count")
    reader.take(")")
    for c in table.columns:
        if row[c.name] is None and not c.nullable:
            raise filtered("column_name[%s], null value for not null column, type=%s" % (c.name, c.type.sql().upper()))
        if values.too_long(row[c.name], c.type):
            # src: BindSink.java (getOutputProjectByCoercion) casts it, which cuts it; not what a load does
            raise StandInGap("INSERT of a text that is too long for %s, which Doris may cut" % c.name)
    return row
