"""Definitions of tables and columns: plain data that goes to JSON and back."""

import json
from dataclasses import asdict, dataclass, field, replace

from . import datatypes


@dataclass
class Column:
    name: str
    type: datatypes.DataType
    key: bool = False
    aggregate: str = ""
    nullable: bool = True
    default: list | None = None     # None, ["null"], ["text", value], ["word", word, precision]
    on_update: int | None = None
    auto_increment: bool = False
    generated: str = ""
    comment: str = ""
    uid: int = 0                    # the name of its column in SQLite: survives a rename

    @property
    def has_default(self):
        return self.default is not None and self.default != ["null"]

    def copy(self, **changes):
        return replace(self, **changes)


@dataclass
class Partitioning:
    kind: str = "RANGE"
    auto: bool = False
    expressions: list = field(default_factory=list)     # [function or None, argument, ...]
    definitions: list = field(default_factory=list)

    @property
    def columns(self):
        return [next(a for a in e[1:] if a) for e in self.expressions]


@dataclass
class Table:
    name: str
    columns: list = field(default_factory=list)
    model: str = ""                 # DUPLICATE, UNIQUE, AGGREGATE
    keys: list = field(default_factory=list)
    cluster_keys: list = field(default_factory=list)
    comment: str = ""
    engine: str = "OLAP"
    partitioning: Partitioning | None = None
    distribution: str = ""          # HASH, RANDOM
    bucket_columns: list = field(default_factory=list)
    buckets: int | str | None = None
    properties: dict = field(default_factory=dict)
    indexes: list = field(default_factory=list)
    has_rollup: bool = False
    id: int = 0
    next_uid: int = 0
    version: int = 0
    state: str = "NORMAL"           # or SCHEMA_CHANGE

    def column(self, name):
        """Names of columns are compared without case (src: nereids/.../info/CreateTableInfo.java)."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)

    @property
    def key_columns(self):
        return [c for c in self.columns if c.key]

    @property
    def sequence_column(self):
        name = self.properties.get("function_column.sequence_col")
        return self.column(name) if name else None

    @property
    def merge_on_write(self):
        """Default true for UNIQUE since 2.1 (doc: CREATE-TABLE.md)."""
        return self.model == "UNIQUE" and \
            self.properties.get("enable_unique_key_merge_on_write", "true").lower() == "true"

    def number_columns(self):
        for column in self.columns:
            if not column.uid:
                self.next_uid += 1
                column.uid = self.next_uid

    def to_json(self):
        out = asdict(self)
        for column, text in zip(self.columns, out["columns"]):
            text["type"] = column.type.sql()
        return json.dumps(out, ensure_ascii=False)

    @classmethod
    def from_json(cls, text):
        raw = json.loads(text)
        raw["columns"] = [Column(**dict(c, type=datatypes.parse(c["type"]))) for c in raw["columns"]]
        if raw["partitioning"]:
            raw["partitioning"] = Partitioning(**raw["partitioning"])
        return cls(**raw)
