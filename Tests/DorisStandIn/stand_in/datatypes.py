"""Column types: how they are written, stored in SQLite, and announced to a MySQL client."""

from dataclasses import dataclass

from .errors import DorisError

INTEGERS = {"TINYINT": 7, "SMALLINT": 15, "INT": 31, "BIGINT": 63, "LARGEINT": 127}
COMPLEX = ("ARRAY", "MAP", "STRUCT")
SYNONYMS = {"INTEGER": "INT", "TEXT": "STRING", "JSONB": "JSON", "CHARACTER": "CHAR", "DATEV2": "DATE", "DATEV1": "DATE",
            "DATETIMEV2": "DATETIME", "DATETIMEV1": "DATETIME", "DECIMALV2": "DECIMAL", "DECIMALV3": "DECIMAL"}
# MySQL protocol type numbers
MYSQL = {"BOOLEAN": 1, "TINYINT": 1, "SMALLINT": 2, "INT": 3, "BIGINT": 8, "LARGEINT": 254, "FLOAT": 4, "DOUBLE": 5,
         "DATE": 10, "DATETIME": 12, "DECIMAL": 246, "CHAR": 254, "VARCHAR": 15, "STRING": 254, "JSON": 254}


@dataclass(frozen=True)
class DataType:
    name: str
    args: tuple = ()
    children: tuple = ()        # DataTypes of ARRAY and MAP; (name, DataType) of STRUCT

    @property
    def length(self):
        return self.args[0]

    @property
    def is_text(self):
        return self.name in ("CHAR", "VARCHAR", "STRING")

    @property
    def is_character(self):
        return self.name in ("CHAR", "VARCHAR")

    @property
    def is_integer(self):
        return self.name in INTEGERS

    @property
    def is_complex(self):
        return self.name in COMPLEX

    def sql(self):
        """As SHOW CREATE TABLE and information_schema write it."""
        name = {"STRING": "text"}.get(self.name, self.name.lower())
        if self.name == "ARRAY":
            return "array<%s>" % self.children[0].sql()
        if self.name == "MAP":
            return "map<%s,%s>" % tuple(c.sql() for c in self.children)
        if self.name == "STRUCT":
            return "struct<%s>" % ",".join("%s:%s" % (n, c.sql()) for n, c in self.children)
        if self.name == "DATETIME" and self.args == (0,):
            return name
        return name + ("(%s)" % ",".join(map(str, self.args)) if self.args else "")

    def affinity(self):
        if self.name == "BOOLEAN" or self.is_integer and self.name != "LARGEINT":
            return "INTEGER"
        return "REAL" if self.name in ("FLOAT", "DOUBLE") else "TEXT"


def make(name, args=(), children=()):
    """A type with its defaults filled in; refuses lengths and precisions as Doris does.

    src: nereids/trees/plans/commands/info/ColumnDefinition.java (defaults), type checks;
    doc: sql-manual/basic-element/sql-data-types/string-type/VARCHAR.md (bytes of UTF-8).
    """
    name = SYNONYMS.get(name.upper(), name.upper())
    args = tuple(args)
    if name == "VARCHAR":
        args = args or (65533,)
        limit = 65533
    elif name == "CHAR":
        args = args or (1,)
        limit = 255
    if name in ("VARCHAR", "CHAR"):
        if args[0] == "*":
            args = (limit,)
        if args[0] <= 0:
            raise DorisError("%s size must be > 0: %d" % (name, args[0]))
        if args[0] > limit:
            raise DorisError("%s size must be <= %d: %d" % (name, limit, args[0]))
    elif name == "DATETIME":
        args = args or (0,)
        if not 0 <= args[0] <= 6:
            raise DorisError("Scale of Datetime/Time must between 0 and 6. Scale was set to: %d" % args[0])
    elif name == "DECIMAL":
        args = (args + (0,))[:2] if args else (38, 9)
        if not 1 <= args[0] <= 38:
            raise DorisError("DECIMAL's precision should be 1 to 38. Precision was set to: %d" % args[0])
        if not 0 <= args[1] <= args[0]:
            raise DorisError("scale must be less than or equal to precision. scale: %d, precision: %d" % args[::-1])
    elif name not in COMPLEX:
        args = ()               # INT(11): the number is taken and means nothing
    return DataType(name, args, tuple(children))


def read(reader):
    """Reads a type from a Reader standing at it."""
    token = reader.take()
    name = token.word
    if name in COMPLEX:
        children = []
        reader.take("<")
        while True:
            if name == "STRUCT":
                field = reader.name()
                reader.take(":")
                children.append((field, read(reader)))
                if reader.accept("COMMENT"):
                    reader.take()
            else:
                children.append(read(reader))
            if not reader.accept_op(","):
                break
        reader.take(">")
        return make(name, (), children)
    args = []
    if reader.accept_op("("):
        while not reader.accept_op(")"):
            text = reader.take().text
            if text != ",":
                args.append("*" if text == "*" else int(text))
    return make(name, args)


def parse(text):
    from .reader import Reader
    return read(Reader.of(text))


def depth(dtype):
    """How deep arrays nest (src: ColumnDefinition.java)."""
    children = [c[1] if isinstance(c, tuple) else c for c in dtype.children]
    return 1 + max(map(depth, children)) if children else 0
