"""SELECT over one table: names are checked, then SQLite runs it over the table's view.

Order of clauses: src: fe/fe-core/src/main/antlr4/org/apache/doris/nereids/DorisParser.g4 (querySpecification). What
SQLite has otherwise than Doris is brought to Doris' here (<=>, ==, &&), or refused as a gap (`||` is OR there and joins
texts here; doc: sql-manual/basic-element/operators/operator-precedence.md).
"""

import re

from . import expressions, information, storage, values
from .errors import DorisError, StandInGap
from .protocol import Result
from .reader import Reader, unquote

KEYWORDS = frozenset("""SELECT DISTINCT AS WHERE AND OR NOT IN IS NULL LIKE BETWEEN GROUP BY HAVING ORDER ASC DESC LIMIT
    OFFSET CASE WHEN THEN ELSE END TRUE FALSE ALL""".split())
FUNCTIONS = frozenset("COUNT MIN MAX SUM AVG LENGTH CHAR_LENGTH UPPER LOWER COALESCE IFNULL SUBSTR SUBSTRING ABS".split())
ENDS = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT")
OPERATORS = {"==": "=", "<=>": "IS", "&&": "AND"}


def run(session, tokens):
    words = [t.word for t in tokens]
    if "FROM" not in words:
        return without_table(session, tokens)
    start = words.index("FROM")
    r = Reader(tokens)
    r.i = start + 1
    if r.at_op("("):
        raise StandInGap("SELECT from a subquery")
    db, name = r.qualified()
    view, types = source(session, db or session.database, name)
    alias = name
    r.accept("AS")
    if r.is_identifier(r.now):
        alias = r.name()
    if r.now.kind != "end" and r.now.word not in ENDS:
        raise StandInGap("SELECT from more than one table (at '%s')" % r.now.text)
    writer = Writer(types, alias, session)
    items = select_list(tokens[1:start])
    written = [writer.item(i) for i in items]
    rest = writer.write(tokens[r.i:-1])
    distinct = "DISTINCT " if words[1] == "DISTINCT" else ""
    statement = "SELECT %s%s FROM %s %s" % (distinct, ", ".join(w[0] for w in written), view, rest)
    try:
        rows = session.engine.sql.execute(statement, writer.parameters).fetchall()
    except Exception as error:
        raise StandInGap("this SELECT (%s)" % error) from None
    columns = []
    for item, (_, label, kind) in zip(items, written):
        if label == "*":
            columns.extend((n, t.name if t else None) for n, t in types.values())
        else:
            columns.append((label, kind))
    return Result([typed(c, i, rows) for i, c in enumerate(columns)], rows)


def typed(column, at, rows):
    """A column of an expression gets its type from its values."""
    name, kind = column
    if kind:
        return column
    found = {type(r[at]) for r in rows if r[at] is not None}
    return name, "BIGINT" if found == {int} else "DOUBLE" if found and found <= {int, float} else "STRING"


def source(session, db, name):
    """The view to read and its columns {lower name: (name, type)}."""
    if db and db.lower() == "information_schema":
        return information.fill(session.engine, name)
    table = session.engine.need_table(db, name)
    return storage.view_name(db, table), {c.name.lower(): (c.name, c.type) for c in table.columns}


def select_list(tokens):
    if tokens and tokens[0].word in ("DISTINCT", "ALL"):
        tokens = tokens[1:]
    items, depth = [[]], 0
    for t in tokens:
        depth += (t.text == "(") - (t.text == ")") if t.kind == "op" else 0
        if t.text == "," and t.kind == "op" and depth == 0:
            items.append([])
        else:
            items[-1].append(t)
    return items


class Writer:
    def __init__(self, types, alias, session):
        self.types, self.alias, self.session = types, alias, session
        self.parameters = []
        self.labels = set()
        self.about = None           # the column that a literal is compared with

    def item(self, tokens):
        """(SQL, label, type or None)"""
        if not tokens:
            raise DorisError("\nmismatched input: an expression is missing in the select list\n")
        if len(tokens) == 1 and tokens[0].text == "*":
            return ", ".join(storage.quoted(n) for n, _ in self.types.values()), "*", None
        label = None
        if len(tokens) > 2 and tokens[-2].word == "AS":
            label, tokens = self.plain(tokens[-1]), tokens[:-2]
        elif len(tokens) > 1 and tokens[-1].kind in ("word", "quoted") and tokens[-2].text not in (".",) and \
                tokens[-1].word != "END" and (tokens[-2].kind != "op" or tokens[-2].text == ")"):
            label, tokens = self.plain(tokens[-1]), tokens[:-1]
        if label:
            self.labels.add(label.lower())
        kind, name = None, "".join(t.text for t in tokens)
        if tokens[-1].kind in ("word", "quoted") and len(tokens) in (1, 3):
            found = self.types.get(self.plain(tokens[-1]).lower())
            if found:
                name, kind = found[0], found[1].name if found[1] else None
        elif tokens[0].word == "COUNT":
            name, kind = name.lower(), "BIGINT"
        return "%s AS %s" % (self.write(tokens), storage.quoted(label or name)), label or name, kind

    @staticmethod
    def plain(token):
        if token.kind == "string":
            return unquote(token.text)
        return token.text.strip("`")

    def write(self, tokens):
        out, i = [], 0
        while i < len(tokens):
            t = tokens[i]
            following = tokens[i + 1].text if i + 1 < len(tokens) else ""
            if t.kind == "string":
                out.append(self.literal(unquote(t.text)))
            elif t.kind in ("int", "decimal", "exponent"):
                out.append(t.text)
            elif t.kind == "op":
                if t.text in ("||", "@", "@@", "[", "{", ";", "->", "."):
                    raise StandInGap("'%s' in a SELECT" % t.text)
                out.append(OPERATORS.get(t.text, t.text))
            elif following == "." and self.plain(t).lower() in (self.alias.lower(), self.alias.split(".")[-1].lower()):
                i += 1
            elif t.word in KEYWORDS and t.kind == "word":
                out.append(t.word)
            elif t.word in FUNCTIONS and following == "(":
                out.append(t.word)
            elif t.word == "NOW" and following == "(":
                now = values.show_moment(self.session.engine.now(self.session.time_zone), 0)
                self.parameters.append(now)
                out.append("?")
                while tokens[i].text != ")":
                    i += 1
            elif following == "(" and t.kind == "word":
                raise DorisError("Can not found function '%s' (the stand-in knows few; Doris may have it)" % t.text)
            else:
                out.append(self.column(self.plain(t)))
            i += 1
        return " ".join(out)

    def column(self, name):
        found = self.types.get(name.lower())
        if found:
            self.about = found[1]
            return storage.quoted(found[0])
        if name.lower() in self.labels:
            return storage.quoted(name)
        # test: Doris' regression test not_found_column_not_fall_back, of a column in the select list
        raise DorisError("Unknown column '%s' in 'table list' in PROJECT clause" % name)

    def literal(self, text):
        """A string that stands for a date is brought to the form in which the column holds dates."""
        if self.about is not None and self.about.name in ("DATE", "DATETIME"):
            try:
                at = values.moment(text, 6)
                digits = self.about.args[0] if self.about.args else 0
                if self.about.name == "DATE":
                    text = values.show_date(at) if re.fullmatch(r".*00:00:00(\.0*)?|[^ :]*", text) else \
                        values.show_moment(at, 0)
                else:
                    text = values.show_moment(at, digits if at.microsecond % 10 ** (6 - digits) == 0 else 6)
            except values.NotConvertible:
                pass
        self.parameters.append(text)
        return "?"


def without_table(session, tokens):
    """SELECT of variables, functions of the session, and expressions."""
    columns, row = [], []
    body = tokens[1:-1]
    for i, t in enumerate(body):
        if t.word == "LIMIT" and t.kind == "word":
            body = body[:i]
            break
    for item in select_list(body):
        if not item:
            raise DorisError("\nmismatched input: an expression is missing in the select list\n")
        label = None
        if len(item) > 2 and item[-2].word == "AS":
            label, item = Writer.plain(item[-1]), item[:-2]
        name = "".join(t.text for t in item)
        value = one(session, item, name)
        columns.append((label or name, "BIGINT" if isinstance(value, int) else "DOUBLE" if isinstance(value, float)
                        else "STRING"))
        row.append(value)
    return Result(columns, [row])


def one(session, item, name):
    if name.startswith("@@"):
        return session.variable(re.sub(r"^@@(session\.|global\.)?", "", name, flags=re.I))
    known = {"DATABASE()": session.database, "SCHEMA()": session.database, "VERSION()": "5.7.99",
             "CONNECTION_ID()": session.number, "USER()": "'%s'@'127.0.0.1'" % session.user,
             "CURRENT_USER()": "'%s'@'%%'" % session.user, "CURRENT_USER": "'%s'@'%%'" % session.user}
    if name.upper() in known:
        return known[name.upper()]
    end = type(item[-1])("end", "", item[-1].line, item[-1].at + len(item[-1].text))
    r = expressions.ExpressionReader(item + [end])
    tree = r.tree()
    if r.now.kind != "end":
        raise StandInGap("SELECT " + name)
    used = expressions.columns(tree)
    if used:
        raise DorisError("Unknown column '%s' in 'table list'" % sorted(used)[0])
    zone = values.zone(session.time_zone)
    return expressions.evaluate(tree, {}, expressions.Context(zone))
