"""ALTER TABLE: light changes at once, heavy ones as background jobs that SHOW ALTER TABLE COLUMN shows."""

import json
import threading
import time

from . import alter_rules, layout_rules, rules, storage, values
from .errors import DorisError, StandInGap, table_exists
from .schema import Table

CHANGEABLE = frozenset("""replication_num default.replication_num replication_allocation default.replication_allocation
    light_schema_change compaction_policy in_memory disable_auto_compaction partition.retention_count""".split())


class AlterJobs:
    def __init__(self, engine):
        self.engine = engine
        self.thread = None
        self.wake = threading.Condition(engine.lock)
        self.stopping = False

    # -- life
    def start(self):
        self.thread = threading.Thread(target=self.run, name="schema changes", daemon=True)
        self.thread.start()

    def stop(self):
        with self.wake:
            self.stopping = True
            self.wake.notify_all()
        self.thread.join()

    def run(self):
        with self.wake:
            while not self.stopping:
                running = [j for j in self.jobs() if j["State"] in ("PENDING", "WAITING_TXN", "RUNNING")]
                for job in running:
                    if time.time() >= job["due"]:
                        self.finish(job)
                    elif job["State"] == "PENDING":
                        job["State"] = "RUNNING"
                        self.save(job)
                self.wake.wait(0.02 if running else 1)

    def jobs(self, db=None):
        rows = self.engine.sql.execute("SELECT body FROM alter_jobs ORDER BY id").fetchall()
        return [j for j in map(json.loads, (r[0] for r in rows)) if db is None or j["db"] == db]

    def save(self, job):
        with self.engine.transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO alter_jobs VALUES (?, ?)", (job["JobId"], json.dumps(job)))

    def new_job(self, db, table, state, new=None):
        job = {"JobId": self.engine.new_id(), "db": db, "TableName": table.name, "table": table.id, "State": state,
               "CreateTime": self.engine.now_text(), "FinishTime": None, "Msg": "",
               "SchemaVersion": "%d:%d" % (table.version + 1, abs(hash(table.name)) % 2 ** 30),
               "TransactionId": self.engine.new_id(), "due": time.time() + self.engine.settings.heavy_seconds,
               "new": new.to_json() if new else None}
        if state == "FINISHED":
            job["FinishTime"] = self.engine.now_text()
        return job

    def cancel(self, db, table):
        job = next((j for j in self.jobs(db) if j["table"] == table.id and j["State"] not in ("FINISHED", "CANCELLED")), None)
        if job is None:
            raise DorisError("Table[%s] is not under SCHEMA_CHANGE." % table.name)
        self.end(job, table, "CANCELLED", "user cancelled")

    def end(self, job, table, state, message=""):
        job.update(State=state, Msg=message, FinishTime=self.engine.now_text())
        with self.engine.transaction():
            self.save(job)
            if table is not None:
                table.state = "NORMAL"
                self.engine.save_table(job["db"], table)

    def finish(self, job):
        """Converts the rows; a value that cannot be converted cancels the job."""
        table = self.engine.table_by_id(job["table"])
        if table is None:
            return self.end(job, None, "CANCELLED", "Table does not exist: %s" % job["table"])
        new = Table.from_json(job["new"])
        new.state = "NORMAL"
        try:
            with self.engine.transaction():
                self.install(job["db"], table, new)
                self.end(job, new, "FINISHED")
        except DorisError as error:
            self.end(job, table, "CANCELLED", error.message)
            return None
        self.engine.tables[(job["db"], new.name)] = new
        return None

    # -- the statement
    def alter(self, session, r, ddl):
        db, name = ddl.place(session, r.qualified())
        table = self.engine.need_table(db, name)
        ddl.need_normal(table)
        if r.accept("RENAME"):
            return self.rename(db, table, r)
        if r.accept("SET"):
            return self.set_properties(db, table, r.property_map())
        if r.accept("REPLACE", "WITH", "TABLE"):
            return self.replace(db, table, r, ddl)
        if r.accept("MODIFY", "COMMENT"):
            table.comment = r.text()
            return self.metadata(db, table)
        if r.at("ADD", "PARTITION"):
            return self.add_partition(table, r)
        if r.accept("DROP", "PARTITION"):
            return self.drop_partition(table, r, ddl)
        new = Table.from_json(table.to_json())
        heavy = False
        while True:
            heavy = self.clause(new, r) or heavy
            if not r.accept_op(","):
                break
        alter_rules.order(new)
        new.version += 1
        new.number_columns()
        with self.engine.transaction():
            if heavy or new.properties.get("light_schema_change", "true").lower() == "false":
                table.state = "SCHEMA_CHANGE"
                self.save(self.new_job(db, table, "PENDING", new))
                self.engine.save_table(db, table)
            else:
                job = self.new_job(db, table, "FINISHED")
                self.install(db, table, new)
                self.save(job)
                self.engine.tables[(db, new.name)] = new
        with self.wake:
            self.wake.notify_all()
        return None

    def clause(self, table, r):
        """Applies one clause to the copy; True when heavy."""
        if r.accept("ADD", "COLUMN"):
            several = r.accept_op("(")
            heavy = False
            while True:
                column = r.column()
                position = None if several else self.position(r)
                heavy = alter_rules.add(table, column, position) or heavy
                table.columns.append(column)
                self.place_column(table, column, position)
                if several and r.accept_op(","):
                    continue
                if several:
                    r.take(")")
                return heavy
        if r.accept("DROP", "COLUMN"):
            name = r.name()
            heavy = alter_rules.drop(table, name)
            table.columns.remove(table.column(name))
            table.keys = [k for k in table.keys if k.lower() != name.lower()]
            return heavy
        if r.accept("MODIFY", "COLUMN"):
            if r.peek().word == "COMMENT":
                column = table.column(r.name())
                if column is None:
                    raise DorisError("Unknown column in table")
                column.comment = r.comment_text()
                return False
            new = r.column()
            position = self.position(r)
            heavy = alter_rules.modify(table, new, position is not None)
            table.columns[table.columns.index(table.column(new.name))] = new
            if position is not None:
                self.place_column(table, new, position)
            return heavy
        if r.accept("ORDER", "BY"):
            table.columns = alter_rules.reorder(table, r.name_list())
            return True
        raise StandInGap("ALTER TABLE ... " + " ".join(t.text for t in r.t[r.i:r.i + 2]))

    @staticmethod
    def position(r):
        if r.accept("FIRST"):
            return "FIRST"
        if r.accept("AFTER"):
            return [r.name()]
        return None

    @staticmethod
    def place_column(table, column, position):
        table.columns.remove(column)
        if position == "FIRST":
            at = 0
        elif isinstance(position, list):
            other = table.column(position[0])
            if other is None:
                raise DorisError("Column[%s] does not found" % position[0])
            at = table.columns.index(other) + 1
        elif column.key:
            at = len(table.key_columns)
        else:
            at = len(table.columns)
        table.columns.insert(at, column)
        table.keys = [c.name for c in table.columns if c.key]

    # -- doing it
    def install(self, db, old, new):
        """Brings SQLite from the old definition to the new; raises DorisError when a value cannot be converted."""
        sql = self.engine.sql
        storage_name = storage.data_table(old)
        sql.execute("DROP VIEW IF EXISTS " + storage.view_name(db, old))
        before = {c.uid: c for c in old.columns}
        after = {c.uid: c for c in new.columns}
        for uid, column in after.items():
            if uid not in before:
                sql.execute("ALTER TABLE %s ADD COLUMN c%d %s" % (storage_name, uid, column.type.affinity()))
                sql.execute("UPDATE %s SET c%d = ?" % (storage_name, uid),
                            (values.default_value(column, self.engine.now()),))
            elif before[uid].type != column.type:
                self.convert(sql, storage_name, column)
        for uid in before:
            if uid not in after:
                sql.execute("ALTER TABLE %s DROP COLUMN c%d" % (storage_name, uid))
        if new.model == "UNIQUE" and [(c.uid, c.type) for c in old.key_columns] != [(c.uid, c.type) for c in new.key_columns]:
            self.rekey(sql, storage_name, new)
        storage.make_view(sql, db, new)
        self.engine.save_table(db, new)

    @staticmethod
    def convert(sql, storage_name, column):
        """Through a new column, so that the values get the new type's storage."""
        name = "c%d" % column.uid
        sql.execute("ALTER TABLE %s RENAME COLUMN %s TO before_%s" % (storage_name, name, name))
        sql.execute("ALTER TABLE %s ADD COLUMN %s %s" % (storage_name, name, column.type.affinity()))
        rows = sql.execute("SELECT rowid, before_%s FROM %s" % (name, storage_name)).fetchall()
        changed = []
        for row, value in rows:
            try:
                new = values.convert(values.as_text(value) if value is not None and column.type.is_text else value,
                                     column.type)
            except values.NotConvertible:
                raise DorisError("Failed to convert column %s to %s: some values do not fit"
                                 % (column.name, column.type.sql())) from None
            changed.append((new, row))
        sql.executemany("UPDATE %s SET %s = ? WHERE rowid = ?" % (storage_name, name), changed)
        sql.execute("ALTER TABLE %s DROP COLUMN before_%s" % (storage_name, name))

    @staticmethod
    def rekey(sql, storage_name, table):
        columns = ", ".join("c%d" % c.uid for c in table.key_columns)
        rows = sql.execute("SELECT rowid, %s FROM %s" % (columns, storage_name)).fetchall()
        sql.execute("UPDATE %s SET __key = 'r' || rowid" % storage_name)
        sql.executemany("UPDATE %s SET __key = ? WHERE rowid = ?" % storage_name,
                        [(json.dumps(list(r[1:]), ensure_ascii=False), r[0]) for r in rows])

    def metadata(self, db, table):
        table.version += 1
        with self.engine.transaction() as sql:
            self.engine.save_table(db, table)
            storage.make_view(sql, db, table)

    def add_partition(self, table, r):
        """src: datasource/InternalCatalog.java (addPartition)"""
        r.take("ADD")
        if table.partitioning is None:
            raise DorisError("Only support adding partition to range and list partitioned table")
        start = r.i
        optional = r.t[start + 1].word == "IF"
        definition = r.partition()
        if r.now.kind != "end":
            raise StandInGap("ADD PARTITION with buckets or properties of its own")
        if definition["kind"] == "step":
            raise StandInGap("PARTITION FROM ... TO ... INTERVAL")
        probe = Table.from_json(table.to_json())
        probe.partitioning.definitions = [definition]
        layout_rules.partitions(probe)
        known = dict(self.engine.partitions(table))
        if definition["name"] in known:
            if optional:
                return
            raise DorisError("Duplicate partition name %s" % definition["name"], 1517)
        for row in definition["values"][:1 if definition["kind"] == "fixed" else None]:
            if definition["kind"] != "less" and storage.Partitioner(self.engine, table).at(row):
                raise DorisError("Range %s is intersected with range: %s" % (definition["values"], known))
        with self.engine.transaction() as sql:
            storage.add_partition(sql, table, probe.partitioning.definitions[0])

    def drop_partition(self, table, r, ddl):
        """src: datasource/InternalCatalog.java (dropPartition): with its rows; FORCE: no recycle bin, here always so."""
        optional = ddl.if_exists(r)
        name = r.name()
        if table.partitioning is None:
            raise DorisError("Table [%s] is not partitioned table" % table.name)
        if name not in dict(self.engine.partitions(table)):
            if optional:
                return
            raise DorisError("Error in list of partitions to %s" % name, 1507)
        with self.engine.transaction():
            storage.drop_partition(self.engine, table, name)

    def rename(self, db, table, r):
        if r.accept("COLUMN"):
            column = alter_rules.rename(table, r.name(), new := r.name())
            old = column.name
            column.name = new
            for names in (table.keys, table.bucket_columns):
                names[:] = [new if n.lower() == old.lower() else n for n in names]
            if table.partitioning:
                for expression in table.partitioning.expressions:
                    expression[1:2] = [new] if expression[1].lower() == old.lower() else expression[1:2]
            if (table.properties.get("function_column.sequence_col") or "").lower() == old.lower():
                table.properties["function_column.sequence_col"] = new
            return self.metadata(db, table)
        if r.at("PARTITION") or r.at("ROLLUP"):
            raise StandInGap("ALTER TABLE ... RENAME " + r.now.text)
        new = r.name()
        rules.table_name(new)
        if new == table.name:
            raise DorisError("Same table name")
        if self.engine.table(db, new):
            raise DorisError("Table name[%s] is already used" % new)
        with self.engine.transaction() as sql:
            sql.execute("DROP VIEW " + storage.view_name(db, table))
            del self.engine.tables[(db, table.name)]
            table.name = new
            self.engine.tables[(db, new)] = table
            self.metadata(db, table)
        return None

    def set_properties(self, db, table, properties):
        for key, value in properties.items():
            if key == "enable_unique_key_merge_on_write":
                # doc: table-design/data-model/unique.md: it cannot be changed later
                raise DorisError("Can not change UNIQUE KEY to Merge-On-Write mode")
            if key not in CHANGEABLE:
                raise StandInGap("ALTER TABLE ... SET (%s)" % key)
            table.properties[key.removeprefix("default.")] = value
        self.metadata(db, table)

    def replace(self, db, table, r, ddl):
        """ALTER TABLE a REPLACE WITH TABLE b: a gets b's content; with swap (the default) b gets a's."""
        other = self.engine.need_table(db, r.name())
        swap = True
        if r.accept("PROPERTIES"):
            swap = r.property_map().get("swap", "true").lower() == "true"
        if other is table:
            raise table_exists(table.name)
        with self.engine.transaction() as sql:
            for t in (table, other):
                sql.execute("DROP VIEW " + storage.view_name(db, t))
            table.name, other.name = other.name, table.name
            self.engine.tables[(db, table.name)], self.engine.tables[(db, other.name)] = table, other
            self.metadata(db, table)
            self.metadata(db, other)
            if not swap:
                ddl.drop(db, table)
