"""From a message to rows of a table: reading JSON, COLUMNS, filters, casts, checks.

src: nereids/load/NereidsLoadScanProvider.java, load/Load.java (which columns); be/src/vec/exec/format/json/
new_json_reader.cpp (reading); be/src/vec/exec/scan/file_scanner.cpp and vtablet_block_convertor.cpp (checks).
"""

import json
import re

from . import expressions, values
from .errors import DorisError, StandInGap

PATH = re.compile(r"""\$(?P<rest>(?:\.(?:"[^"]+"|[^.\[\]"]+)|\[\d+\])*)\.?""")
STEP = re.compile(r"""\.(?:"([^"]+)"|([^.\[\]"]+))|\[(\d+)\]""")


class BadRow(Exception):
    """An error row: reason, and the line as the log shows it."""

    def __init__(self, reason, line=""):
        super().__init__(reason)
        self.reason, self.line = reason, line


class BadPaths(DorisError):
    pass


class Number(str):
    """A number of a message in the digits it was written with."""


def refuse_constant(word):
    raise ValueError(word)


def read_json(raw):
    return json.loads(raw, parse_int=Number, parse_float=Number, parse_constant=refuse_constant)


def dump(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (json.dumps(k, ensure_ascii=False), dump(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ",".join(map(dump, value))
    return json.dumps(value, ensure_ascii=False)


def field_text(value):
    """A field of a message becomes text: true is 1, numbers keep their digits, objects stay JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    return dump(value)


def parse_path(path):
    """A JSON path as a list of names and numbers."""
    m = PATH.fullmatch(path)
    if not m:
        raise BadPaths("Invalid json path: %s" % path)
    return [int(n) if n else a or b for a, b, n in STEP.findall(m["rest"])]


MISSING = object()


def follow(value, path):
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
        elif not isinstance(value, dict) or step not in value:
            return MISSING
        else:
            value = value[step]
    return value


class Plan:
    def __init__(self, job, table):
        """Raises DorisError where Doris cannot make a task."""
        self.job, self.table, self.version = job, table, table.version
        self.zone = values.zone(job.time_zone)
        self.strict = job.flag("strict_mode")
        self.strip = job.flag("strip_outer_array")
        self.partial = job.flag("partial_columns")
        self.root = parse_path(job.setting("json_root")) if job.setting("json_root") else []
        if job.partitions_clause:
            raise StandInGap("PARTITION in a routine load")
        self.columns()
        self.paths()
        self.filters()
        self.check()

    def columns(self):
        """A plain name is a field of the message; the table need not have it, then it is dropped without a word."""
        entries = self.job.columns
        plain = [name for name, expression in entries if expression is None]
        if not plain:
            plain = [c.name for c in self.table.columns]
        seen = set()
        for name in plain:
            if name.lower() in seen:
                raise DorisError("Duplicate column: " + name)
            seen.add(name.lower())
        self.fields = plain
        self.derived = []
        derived = [(name, expressions.parse(text)) for name, text in entries if text is not None]
        known = seen | {name.lower() for name, _ in derived}
        for name, tree in derived:
            for used in expressions.columns(tree):
                if used.lower() not in known:
                    raise DorisError("unknown reference column, column=%s, reference=%s" % (name, used))
        # one that uses another comes after it
        while derived:
            waiting = {name.lower() for name, _ in derived} - seen
            ready = [d for d in derived if not {u.lower() for u in expressions.columns(d[1])} & (waiting - {d[0].lower()})]
            if not ready:
                raise DorisError("unknown reference column, column=%s, reference=%s" % (derived[0][0], derived[0][0]))
            self.derived.extend((name.lower(), tree) for name, tree in ready)
            derived = [d for d in derived if d not in ready]
        self.made = {name for name, _ in self.derived}
        self.given = {c.name for c in self.table.columns if c.name.lower() in self.made | {f.lower() for f in self.fields}}

    def paths(self):
        text = self.job.setting("jsonpaths")
        self.json_paths = None
        if not text:
            return
        try:
            paths = json.loads(text)
        except ValueError:
            paths = None
        if not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
            raise BadPaths("Invalid json path: %s" % text)
        self.json_paths = [parse_path(p) for p in paths]

    def filters(self):
        job = self.job
        self.before = expressions.parse(job.preceding) if job.preceding else None
        self.where = expressions.parse(job.where) if job.where else None
        self.delete_on = expressions.parse(job.merge["delete_on"]) if job.merge["delete_on"] else None

    def check(self):
        t = self.table
        sequence = t.sequence_column
        if sequence and sequence.name not in self.given and not self.partial and \
                (sequence.default or ["", ""])[1:2] != ["CURRENT_TIMESTAMP"]:
            raise DorisError("Table %s has sequence column, need to specify the sequence column" % t.name)
        for c in t.columns:
            if c.name in self.given or c.nullable or c.has_default:
                continue
            if self.partial and not c.key:
                continue
            if self.partial:
                raise DorisError("Partial update should include all key columns, missing: " + c.name)
            raise DorisError("Column has no default value, column=" + c.name)
        if t.model == "AGGREGATE":
            raise StandInGap("loads into AGGREGATE KEY tables")

    # -- a batch
    def begin(self):
        self.context = expressions.Context(self.zone)
        self.defaults = {c.name.lower(): values.default_value(c, self.context.now) for c in self.table.columns}

    def documents(self, raw):
        """The objects of a message. Raises BadRow."""
        try:
            text = raw.decode("utf-8-sig")
            value = read_json(text)
        except (ValueError, RecursionError) as error:
            raise BadRow("Parse json data for JsonDoc failed. code: 3, error info: %s" % type(error).__name__,
                         raw.decode("utf-8", "replace")) from None
        if not isinstance(value, (dict, list)):
            raise BadRow("Not an json object or json array", text)
        if self.root and isinstance(value, dict):
            value = follow(value, self.root)
            if value is MISSING:
                raise BadRow("Not found key in json_root", text)
        if isinstance(value, list) and not self.strip:
            raise BadRow("JSON data is array-object, `strip_outer_array` must be TRUE.", text)
        if not isinstance(value, list) and self.strip:
            raise BadRow("JSON data is not an array-object, `strip_outer_array` must be FALSE.", text)
        if value == []:
            raise BadRow("Empty json line", text)
        return value if self.strip else [value]

    def fields_of(self, document):
        """The fields by lower-case name. Raises BadRow.

        A field that is absent gets the default of the column of its name (new_json_reader.cpp, _fill_missing_column);
        one that is null stays null.
        """
        if not isinstance(document, dict):
            raise BadRow("Not object item" if self.json_paths is not None else
                         "Parse json data failed. code: 17, error info: INCORRECT_TYPE", dump(document))
        row, found = {}, False
        for i, name in enumerate(self.fields):
            if self.json_paths is None:
                value = document.get(name, MISSING)
            else:
                value = follow(document, self.json_paths[i]) if i < len(self.json_paths) else MISSING
            if value is MISSING:
                default = self.defaults.get(name.lower())
                row[name.lower()] = None if default is None else values.as_text(default)
            else:
                row[name.lower()] = field_text(value)
                found = True
        if not found:
            raise BadRow("All fields is null, this is a invalid row.", dump(document))
        return row

    def row(self, document):
        """A row ready for the table, or None when a filter leaves it out. Raises BadRow."""
        fields = self.fields_of(document)
        if self.before is not None and not expressions.truth(expressions.evaluate(self.before, fields, self.context)):
            return None
        for name, tree in self.derived:
            fields[name] = expressions.evaluate(tree, fields, self.context)
        if self.where is not None or self.delete_on is not None:
            typed = {c.name.lower(): self.cast(c, fields)[0] for c in self.table.columns}
            typed = {**fields, **typed}
            if self.where is not None and not expressions.truth(expressions.evaluate(self.where, typed, self.context)):
                return None
        out = {}
        for c in self.table.columns:
            value, failed = self.cast(c, fields)
            if failed and self.strict and c.name.lower() not in self.made:
                raise BadRow("column(%s) value is incorrect while strict mode is true, src value is %s"
                             % (c.name, fields[c.name.lower()]), dump(fields))
            if value is None and not c.nullable and not (self.partial and c.name not in self.given):
                raise BadRow("column(%s) values is null while columns is not nullable" % c.name, dump(fields))
            reason = values.too_long(value, c.type)
            if reason:
                raise BadRow("column_name[%s], %s" % (c.name, reason))
            out[c.name] = value
        if self.job.merge["type"] == "DELETE":
            out["__delete"] = True
        elif self.delete_on is not None:
            out["__delete"] = bool(expressions.truth(expressions.evaluate(self.delete_on, typed, self.context)))
        return out

    def rows(self, messages):
        """(rows, error rows, number of rows left out) of a batch. Touches nothing but the plan: no lock is needed."""
        self.begin()
        rows, bad, unselected = [], [], 0
        for _, _, raw in messages:
            if not raw:
                continue            # be/src/runtime/routine_load/data_consumer.cpp: a message of length 0 is ignored
            try:
                documents = self.documents(raw)
            except BadRow as error:
                bad.append(error)
                continue
            for document in documents:
                try:
                    row = self.row(document)
                except BadRow as error:
                    bad.append(error)
                    continue
                if row is None:
                    unselected += 1
                else:
                    rows.append(row)
        return rows, bad, unselected

    def cast(self, column, fields):
        """The value for a column, and whether a value that was there could not be cast."""
        name = column.name.lower()
        if column.name not in self.given:
            return self.defaults[name], False
        try:
            return values.convert(fields[name], column.type, self.zone), False
        except values.NotConvertible:
            return None, True
