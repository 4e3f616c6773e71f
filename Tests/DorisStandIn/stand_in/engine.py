"""The server's state: one SQLite file, one lock, the catalogue, and the managers of loads and schema changes."""

import json
import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from . import values
from .errors import DorisError, no_database, unknown_database
from .schema import Table

SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS databases (name TEXT PRIMARY KEY, id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tables (id INTEGER PRIMARY KEY, db TEXT NOT NULL, definition TEXT NOT NULL, created TEXT);
CREATE TABLE IF NOT EXISTS partitions (table_id INTEGER, name TEXT, bounds TEXT, PRIMARY KEY (table_id, name));
CREATE TABLE IF NOT EXISTS alter_jobs (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS load_jobs (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS transactions (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, job_id INTEGER, rows INTEGER,
                                         state TEXT, finished TEXT);
CREATE TABLE IF NOT EXISTS error_logs (name TEXT PRIMARY KEY, job_id INTEGER, content TEXT);
"""


@dataclass
class Settings:
    data: str
    backends: int = 1
    time_zone: str = "UTC"
    heavy_seconds: float = 0.3      # how long a heavy schema change runs
    pace: float = 0.02              # Doris' waiting times are multiplied by this
    http_port: int = 0
    user: str = "root"
    password: str = ""


def database_text(value):
    """Functions for SQLite that count and compare as Doris does."""
    return None if value is None else len(values.as_text(value).encode("utf-8"))


class Engine:
    def __init__(self, settings):
        self.settings = settings
        os.makedirs(settings.data, exist_ok=True)
        self.lock = threading.RLock()
        self.sql = sqlite3.connect(os.path.join(settings.data, "doris-stand-in.sqlite"), check_same_thread=False,
                                   isolation_level=None)
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute("PRAGMA synchronous=NORMAL")
        self.sql.execute("PRAGMA case_sensitive_like=ON")
        self.sql.create_function("length", 1, database_text, deterministic=True)
        self.sql.create_function("char_length", 1, lambda v: None if v is None else len(values.as_text(v)))
        self.sql.executescript(SCHEMA)
        if not self.sql.execute("SELECT 1 FROM ids").fetchone():
            self.sql.execute("INSERT INTO ids VALUES (10001)")
        self.depth = 0
        self.tables = {}
        for identifier, db, text in self.sql.execute("SELECT id, db, definition FROM tables"):
            table = Table.from_json(text)
            self.tables[(db, table.name)] = table
        from .alter_jobs import AlterJobs
        from .load_manager import LoadManager
        self.alters = AlterJobs(self)
        self.loads = LoadManager(self)

    def start(self):
        self.alters.start()
        self.loads.start()

    def stop(self):
        self.loads.stop()
        self.alters.stop()
        with self.lock:
            self.sql.close()

    @contextmanager
    def transaction(self):
        """All or nothing; nests."""
        with self.lock:
            if self.depth:
                yield self.sql
                return
            self.sql.execute("BEGIN IMMEDIATE")
            self.depth = 1
            try:
                yield self.sql
                self.sql.execute("COMMIT")
            except BaseException:
                if self.sql.in_transaction:
                    self.sql.execute("ROLLBACK")
                raise
            finally:
                self.depth = 0

    def new_id(self):
        with self.transaction():
            value = self.sql.execute("SELECT next FROM ids").fetchone()[0]
            self.sql.execute("UPDATE ids SET next = next + 1")
            return value

    # -- databases and tables
    def now(self, zone=None):
        return datetime.now(values.zone(zone or self.settings.time_zone)).replace(tzinfo=None)

    def now_text(self):
        return values.show_moment(self.now(), 0)

    def databases(self):
        return sorted(r[0] for r in self.sql.execute("SELECT name FROM databases")) + ["information_schema"]

    def has_database(self, name):
        return name in self.databases()

    def need_database(self, name):
        if not name:
            raise no_database()
        if not self.has_database(name):
            raise unknown_database(name)
        return name

    def table(self, db, name):
        """The table or None."""
        return self.tables.get((db, name))

    def need_table(self, db, name):
        """src: nereids (RelationUtil) and tests: Table [x] does not exist in database [y]."""
        table = self.tables.get((self.need_database(db), name))
        if table is None:
            raise DorisError("Table [%s] does not exist in database [%s]." % (name, db))
        return table

    def tables_of(self, db):
        return sorted((t for (d, _), t in self.tables.items() if d == db), key=lambda t: t.name)

    def database_of(self, table):
        return next((d for (d, _), t in self.tables.items() if t.id == table.id), None)

    def table_by_id(self, identifier):
        return next((t for t in self.tables.values() if t.id == identifier), None)

    def save_table(self, db, table):
        """Writes the definition; call inside a transaction, then remember() it."""
        self.sql.execute("INSERT INTO tables (id, db, definition, created) VALUES (?, ?, ?, ?) "
                         "ON CONFLICT (id) DO UPDATE SET db = excluded.db, definition = excluded.definition",
                         (table.id, db, table.to_json(), self.now_text()))

    def partitions(self, table):
        return [(name, json.loads(bounds)) for name, bounds in self.sql.execute(
            "SELECT name, bounds FROM partitions WHERE table_id = ? ORDER BY name", (table.id,))]
