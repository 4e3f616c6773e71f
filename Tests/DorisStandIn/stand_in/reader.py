"""Reads checked tokens into definitions. The syntax itself is checked before by doris_check.

What follows what: src: fe/fe-core/src/main/antlr4/org/apache/doris/nereids/DorisParser.g4; doc: sql-manual/
sql-statements/table-and-view/table/CREATE-TABLE.md.
"""

from . import datatypes
from .doris_check import Parser, SyntaxProblem, statements
from .errors import DorisError
from .schema import Column, Partitioning, Table

# doc: sql-manual/basic-element/literal/string-literal.md; src: nereids/parser/LogicalPlanBuilderAssistant.java
# (escapeBackSlash)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


def unquote(text):
    """The value of a string token: backslash escapes, doubled quotes."""
    quote, body, out, i = text[0], text[1:-1], [], 0
    if "\\" not in body and quote not in body:
        return body
    while i < len(body):
        c = body[i]
        if c == "\\" and i + 1 < len(body):
            following = body[i + 1]
            # \% and \_ keep their backslash, for LIKE
            out.append("\\" + following if following in "%_" else ESCAPES.get(following, following))
            i += 2
        elif c == quote:
            out.append(c)
            i += 2
        else:
            out.append(c)
            i += 1
    return "".join(out)


def split(text):
    """The statements of a text as lists of tokens; a syntax error as Doris reports one, in other words."""
    try:
        return list(statements(text))
    except SyntaxProblem as problem:
        raise syntax_error(problem) from None


def check(tokens):
    """Refuses what Doris' parser refuses. A comma after the last column is taken, as since Doris 2.1 (apache/doris pull
    request 29167; doc: table-design/schema-change.md has an example)."""
    try:
        Parser(tokens, allow_trailing_comma=True).statement()
    except SyntaxProblem as problem:
        raise syntax_error(problem) from None


def syntax_error(problem):
    return DorisError("\nmismatched input: %s(line %d)\n" % (problem.message, problem.line))


class Reader(Parser):
    """Walks tokens of a statement whose syntax was checked."""

    @classmethod
    def of(cls, text):
        return cls(split(text)[0])

    def take(self, wanted=None):
        token = self.now
        if token.kind == "end" or wanted and token.text != wanted and token.word != wanted:
            self.fail(wanted or "more")
        self.i += 1
        return token

    def name(self, what="a name"):
        token = self.take()
        return token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text

    def qualified(self):
        """[catalog.][database.]name as (database or None, name)."""
        parts = [self.name()]
        while self.accept_op("."):
            parts.append(self.name())
        return (parts[-2] if len(parts) > 1 else None), parts[-1]

    def text(self):
        return unquote(self.take().text)

    def name_list(self):
        names = []
        self.take("(")
        while not self.accept_op(")"):
            names.append(self.name())
            self.accept_op(",")
        return names

    def property_map(self):
        """( key = value, ... )"""
        out = {}
        self.take("(")
        while not self.accept_op(")"):
            key = self.property_text()
            if not self.accept_op("="):
                self.accept_op("==")
            out[key] = self.property_text()
            self.accept_op(",")
        return out

    def property_text(self):
        token = self.take()
        if token.kind == "string":
            return unquote(token.text)
        if token.text == "-":
            return "-" + self.take().text
        return token.text.strip("`")

    def comment_text(self):
        return self.text() if self.accept("COMMENT") else ""

    # -- columns
    def column(self):
        column = Column(name=self.name(), type=datatypes.read(self))
        column.key = self.accept("KEY")
        if self.now.word in ("MAX", "MIN", "SUM", "REPLACE", "REPLACE_IF_NOT_NULL", "HLL_UNION", "BITMAP_UNION",
                             "QUANTILE_UNION", "GENERIC"):
            column.aggregate = self.take().word
        if self.accept("GENERATED"):
            self.take("ALWAYS")
        if self.accept("AS"):
            start = self.i
            self.parentheses("an expression")
            column.generated = " ".join(t.text for t in self.t[start:self.i])
        if self.accept("NOT"):
            self.take("NULL")
            column.nullable = False
        else:
            self.accept("NULL")
        if self.accept("AUTO_INCREMENT"):
            column.auto_increment = True
            if self.at_op("("):
                self.parentheses("a start value")
        if self.accept("DEFAULT"):
            column.default = self.default()
        if self.accept("ON"):
            self.take("UPDATE")
            column.on_update = self.current_timestamp()
        column.comment = self.comment_text()
        return column

    def default(self):
        """["null"], ["text", value] or ["word", word, precision]."""
        token = self.now
        if token.word == "CURRENT_TIMESTAMP":
            return ["word", "CURRENT_TIMESTAMP", self.current_timestamp()]
        self.i += 1
        if token.word == "NULL":
            return ["null"]
        if token.kind == "word":
            return ["word", token.word, 0]
        if token.kind == "string":
            return ["text", unquote(token.text)]
        return ["text", "-" + self.take().text if token.text == "-" else token.text]

    def current_timestamp(self):
        self.take("CURRENT_TIMESTAMP")
        if not self.accept_op("("):
            return 0
        digits = int(self.take().text)
        self.take(")")
        return digits

    # -- CREATE TABLE, after the name
    def table(self, name):
        table = Table(name=name)
        self.take("(")
        while not self.accept_op(")"):
            if self.at("INDEX"):
                table.indexes.append(self.index())
            else:
                table.columns.append(self.column())
            self.accept_op(",")
        if self.accept("ENGINE"):
            self.take()
            table.engine = self.name()
        for model in ("AGGREGATE", "UNIQUE", "DUPLICATE"):
            if self.accept(model):
                self.take("KEY")
                table.model, table.keys = model, self.name_list()
                if self.accept("CLUSTER"):
                    self.take("BY")
                    table.cluster_keys = self.name_list()
        table.comment = self.comment_text()
        if self.at("AUTO") or self.at("PARTITION"):
            table.partitioning = self.partitioning()
        if self.accept("DISTRIBUTED"):
            self.take("BY")
            table.distribution = self.take().word
            if table.distribution == "HASH":
                table.bucket_columns = self.name_list()
            if self.accept("BUCKETS"):
                table.buckets = "AUTO" if self.accept("AUTO") else int(self.take().text)
        if self.accept("ROLLUP"):
            table.has_rollup = True
            self.parentheses("rollups")
        if self.accept("PROPERTIES"):
            table.properties = self.property_map()
        return table

    def index(self):
        self.take("INDEX")
        self.if_not_exists()
        index = {"name": self.name(), "columns": self.name_list(), "kind": "INVERTED", "properties": {}}
        if self.accept("USING"):
            index["kind"] = self.take().word
        if self.accept("PROPERTIES"):
            index["properties"] = self.property_map()
        index["comment"] = self.comment_text()
        return index

    def partitioning(self):
        out = Partitioning(auto=self.accept("AUTO"))
        self.take("PARTITION")
        self.take("BY")
        out.kind = self.take().word if self.at("RANGE") or self.at("LIST") else "LIST"
        self.take("(")
        while not self.accept_op(")"):
            if self.at_op("(", 1):
                function = self.name().lower()
                arguments = []
                self.take("(")
                while not self.accept_op(")"):
                    token = self.take()
                    if token.text != ",":
                        arguments.append(unquote(token.text) if token.kind == "string" else token.text.strip("`"))
                out.expressions.append([function] + arguments)
            else:
                out.expressions.append([None, self.name()])
            self.accept_op(",")
        self.take("(")
        while not self.accept_op(")"):
            out.definitions.append(self.partition())
            self.accept_op(",")
        return out

    def partition(self):
        """{name, kind: less, fixed, in or step, values}"""
        if self.accept("FROM"):
            low = self.value_list()
            self.take("TO")
            high = self.value_list()
            self.take("INTERVAL")
            step = [self.take().text, self.take().word if self.now.kind == "word" else ""]
            return {"name": "", "kind": "step", "values": [low, high, step]}
        self.take("PARTITION")
        self.if_not_exists()
        out = {"name": self.name(), "kind": "less", "values": []}
        if self.accept("VALUES"):
            if self.accept("LESS"):
                self.take("THAN")
                out["values"] = [[None]] if self.accept("MAXVALUE") else [self.value_list()]
            elif self.accept("IN"):
                out["kind"] = "in"
                if self.at_op("(", 1):
                    self.take("(")
                    while not self.accept_op(")"):
                        out["values"].append(self.value_list())
                        self.accept_op(",")
                else:
                    out["values"] = [[v] for v in self.value_list()]
            else:
                out["kind"] = "fixed"
                self.take("[")
                low = self.value_list()
                self.take(",")
                out["values"] = [low, self.value_list()]
                self.take(")")
        if self.at_op("("):
            self.property_map()
        return out

    def value_list(self):
        """( 'a', 1, MAXVALUE ): texts, None for MAXVALUE, "" and a mark for NULL is not kept apart."""
        out = []
        self.take("(")
        while not self.accept_op(")"):
            token = self.take()
            if token.word == "MAXVALUE":
                out.append(None)
            elif token.kind == "string":
                out.append(unquote(token.text))
            elif token.text == "-":
                out.append("-" + self.take().text)
            else:
                out.append(token.text)
            self.accept_op(",")
        return out
