"""CREATE, DROP, TRUNCATE of databases and tables."""

from . import layout_rules, rules, storage
from .errors import DorisError, StandInGap, no_database, table_exists, unknown_database, unknown_table
from .reader import Reader
from .schema import Table


class DDL:
    def __init__(self, engine):
        self.engine = engine

    def place(self, session, qualified):
        db = qualified[0] or session.database
        if not db:
            raise no_database()
        return self.engine.need_database(db), qualified[1]

    # -- databases
    def create_database(self, session, r: Reader):
        optional = self.if_not_exists(r)
        name = r.qualified()[1]
        rules.database_name(name)
        if self.engine.has_database(name):
            if optional:
                return
            raise DorisError("Can't create database '%s'; database exists" % name, 1007)
        with self.engine.transaction() as sql:
            sql.execute("INSERT INTO databases VALUES (?, ?)", (name, self.engine.new_id()))

    def drop_database(self, session, r):
        optional = self.if_exists(r)
        name = r.qualified()[1]
        force = r.accept("FORCE")
        if not self.engine.has_database(name):
            if optional:
                return
            raise DorisError("Can't drop database '%s'; database doesn't exist" % name, 1008)
        if name == "information_schema":
            raise DorisError("Access denied for user 'root' to database 'information_schema'", 1044, "42000")
        del force       # without FORCE Doris keeps a dropped database for a day; the stand-in never brings one back
        with self.engine.transaction() as sql:
            tables = self.engine.tables_of(name)
            for table in tables:
                storage.drop(sql, name, table)
            sql.execute("DELETE FROM databases WHERE name = ?", (name,))
        for table in tables:
            del self.engine.tables[(name, table.name)]

    # -- tables
    def create_table(self, session, r):
        optional = self.if_not_exists(r)
        db, name = self.place(session, r.qualified())
        if r.accept("LIKE"):
            other = self.place(session, r.qualified())
            if r.accept("WITH"):
                raise StandInGap("CREATE TABLE ... LIKE ... WITH ROLLUP")
            return self.make(db, self.like(self.engine.need_table(*other), name), optional)
        if not r.at_op("("):
            raise StandInGap("CREATE TABLE ... AS SELECT")
        table = r.table(name)
        if r.now.kind != "end":
            raise StandInGap("CREATE TABLE ... AS SELECT")
        rules.table(table)
        layout_rules.check(table, self.engine.settings.backends)
        return self.make(db, table, optional)

    @staticmethod
    def like(table, name):
        out = Table.from_json(table.to_json())
        out.name, out.state, out.version, out.next_uid = name, "NORMAL", 0, 0
        for column in out.columns:
            column.uid = 0
        return out

    def make(self, db, table, optional):
        if self.engine.table(db, table.name):
            # nothing is compared, nothing changed (doc: CREATE-TABLE.md)
            if optional:
                return
            raise table_exists(table.name)
        table.number_columns()
        with self.engine.transaction() as sql:
            table.id = self.engine.new_id()
            self.engine.save_table(db, table)
            storage.create(sql, db, table)
        self.engine.tables[(db, table.name)] = table

    def drop_table(self, session, r):
        optional = self.if_exists(r)
        db, name = self.place(session, r.qualified())
        table = self.engine.table(db, name)
        if table is None:
            if optional:
                return
            raise unknown_table(name, db)
        self.drop(db, table)

    def drop(self, db, table):
        with self.engine.transaction() as sql:
            storage.drop(sql, db, table)
            del self.engine.tables[(db, table.name)]

    def truncate(self, session, r):
        db, name = self.place(session, r.qualified())
        if r.at("PARTITION") or r.at("PARTITIONS") or r.at("TEMPORARY"):
            raise StandInGap("TRUNCATE of a partition")
        table = self.engine.need_table(db, name)
        self.need_normal(table)
        with self.engine.transaction() as sql:
            sql.execute("DELETE FROM " + storage.data_table(table))

    @staticmethod
    def need_normal(table):
        """One schema change at a time (doc: table-design/schema-change.md)."""
        if table.state != "NORMAL":
            raise DorisError("Table[%s]'s state(%s) is not NORMAL. Do not allow doing ALTER ops" % (table.name, table.state))

    @staticmethod
    def if_not_exists(r):
        if r.accept("IF"):
            r.take("NOT")
            r.take("EXISTS")
            return True
        return False

    @staticmethod
    def if_exists(r):
        return r.accept("IF", "EXISTS")

    def use(self, session, name):
        if not self.engine.has_database(name):
            raise unknown_database(name)
        session.database = name
