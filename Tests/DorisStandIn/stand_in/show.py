"""SHOW and DESC."""

import json
import time

from . import COMMENT, expressions, information
from .errors import DorisError, StandInGap
from .load_job import Job
from .protocol import Result
from .show_create import create_table

ALTER_TITLES = ("JobId TableName CreateTime FinishTime IndexName IndexId OriginIndexId SchemaVersion TransactionId State Msg "
                "Progress Timeout").split()
TASK_TITLES = "TaskId TxnId TxnStatus JobId CreateTime ExecuteStartTime Timeout BeId DataSourceProperties".split()
PARTITION_TITLES = ("PartitionId PartitionName VisibleVersion VisibleVersionTime State PartitionKey Range DistributionKey "
                    "Buckets ReplicationNum StorageMedium CooldownTime RemoteStoragePolicy LastConsistencyCheckTime DataSize "
                    "IsInMemory ReplicaAllocation IsMutable SyncWithBaseTables UnsyncTables").split()
FRONTEND = {"Name": "fe_stand_in", "Host": "127.0.0.1", "EditLogPort": "9010", "HttpPort": "8030", "QueryPort": "9030",
            "RpcPort": "9020", "ArrowFlightSqlPort": "-1", "Role": "FOLLOWER", "IsMaster": "true", "ClusterId": "1",
            "Join": "true", "Alive": "true", "ReplayedJournalId": "1", "LastStartTime": "", "LastHeartbeat": "",
            "IsHelper": "true", "ErrMsg": "", "Version": COMMENT, "CurrentConnected": "Yes"}
BACKEND = {"BackendId": "", "Host": "127.0.0.1", "HeartbeatPort": "9050", "BePort": "9060", "HttpPort": "8040",
           "BrpcPort": "8060", "ArrowFlightSqlPort": "-1", "LastStartTime": "", "LastHeartbeat": "", "Alive": "true",
           "SystemDecommissioned": "false", "TabletNum": "0", "DataUsedCapacity": "0.000", "TrashUsedCapacity": "0.000",
           "AvailCapacity": "1.000 GB", "TotalCapacity": "1.000 GB", "UsedPct": "0.00 %", "MaxDiskUsedPct": "0.00 %",
           "RemoteUsedCapacity": "0.000", "Tag": '{"location" : "default"}', "ErrMsg": "", "Version": COMMENT,
           "Status": "{}", "HeartbeatFailureCounter": "0", "NodeRole": "mix"}


def dict_result(titles, rows):
    return Result(titles, [[row.get(t) for t in titles] for row in rows])


def matching(r, rows, title=None):
    """LIKE 'pattern' on a title, or WHERE; ORDER BY and LIMIT."""
    if r.accept("LIKE"):
        pattern = r.text()
        return [row for row in rows if expressions.like(row[title].lower(), pattern.lower())]
    if r.accept("WHERE"):
        reader = expressions.ExpressionReader(r.t)
        reader.i = r.i
        tree = reader.tree()
        r.i = reader.i
        known = {k.lower() for row in rows for k in row}
        for used in expressions.columns(tree):
            if rows and used.lower() not in known:
                raise DorisError("Unknown column '%s' in 'where clause'" % used)
        context = expressions.Context()
        rows = [row for row in rows if expressions.truth(expressions.evaluate(
            tree, {k.lower(): v for k, v in row.items()}, context))]
    if r.accept("ORDER", "BY"):
        keys = []
        while True:
            name = r.name().lower()
            down = r.accept("DESC")
            if not down:
                r.accept("ASC")
            keys.append((name, down))
            if not r.accept_op(","):
                break
        for name, down in reversed(keys):
            rows = sorted(rows, key=lambda row: next((str(v) for k, v in row.items() if k.lower() == name), ""), reverse=down)
    if r.accept("LIMIT"):
        rows = rows[:int(r.take().text)]
    return rows


class Show:
    def __init__(self, engine, ddl):
        self.engine, self.ddl = engine, ddl

    def database(self, session, r):
        if r.accept("FROM") or r.accept("IN"):
            return self.engine.need_database(r.qualified()[1])
        return self.engine.need_database(session.database)

    def run(self, session, r):
        full = r.accept("FULL")
        all_ = r.accept("ALL")
        r.accept("GLOBAL")
        r.accept("SESSION")
        if r.accept("ROUTINE", "LOAD", "TASK"):
            return self.tasks(session, r)
        if r.accept("ROUTINE", "LOAD"):
            return self.routine_load(session, r, all_)
        if r.accept("CREATE", "ROUTINE", "LOAD"):
            return self.create_routine_load(session, r, all_)
        if r.accept("CREATE", "TABLE"):
            db, name = self.ddl.place(session, r.qualified())
            table = self.engine.need_table(db, name)
            return Result(["Table", "Create Table"], [[name, create_table(self.engine, table)]])
        if r.accept("ALTER", "TABLE"):
            return self.alter(session, r)
        word = r.take().word
        if word in ("DATABASES", "SCHEMAS"):
            return dict_result(["Database"], matching(r, [{"Database": d} for d in self.engine.databases()], "Database"))
        if word == "TABLES":
            return self.tables(session, r, full)
        if word in ("COLUMNS", "FIELDS"):
            r.take()
            qualified = r.qualified()
            if r.accept("FROM") or r.accept("IN"):
                qualified = (r.name(), qualified[1])
            return self.columns(session, qualified, full, r)
        if word == "FRONTENDS":
            return dict_result(list(FRONTEND), [FRONTEND])
        if word == "BACKENDS":
            now = self.engine.now_text()
            return dict_result(list(BACKEND), [dict(BACKEND, BackendId=str(10000 + i), LastHeartbeat=now)
                                               for i in range(self.engine.settings.backends)])
        if word == "VARIABLES":
            rows = [{"Variable_name": k, "Value": str(v)} for k, v in sorted(session.variables.items())]
            return dict_result(["Variable_name", "Value"], matching(r, rows, "Variable_name"))
        if word in ("WARNINGS", "ERRORS"):
            return Result(["Level", "Code", "Message"], [])
        if word == "LOAD" and r.accept("WARNINGS", "ON"):
            return self.load_warnings(r.text())
        if word == "TRANSACTION":
            return self.transactions(session, r)
        if word == "PARTITIONS":
            r.take("FROM")
            return self.partitions(session, r)
        if word == "PROCESSLIST":
            return Result(["Id", "User", "Host", "Db", "Command", "Time", "State", "Info"],
                          [[session.number, session.user, "127.0.0.1", session.database, "Query", 0, "OK", ""]])
        raise StandInGap("SHOW " + word)

    # -- tables
    def tables(self, session, r, full):
        db = self.database(session, r)
        title = "Tables_in_" + db
        rows = [{title: t.name, "Table_type": "BASE TABLE", "Storage_format": "NONE", "Inverted_index_storage_format": "NONE"}
                for t in self.engine.tables_of(db)]
        titles = [title, "Table_type", "Storage_format", "Inverted_index_storage_format"] if full else [title]
        return dict_result(titles, matching(r, rows, title))

    def columns(self, session, qualified, full=False, r=None):
        db, name = self.ddl.place(session, qualified)
        table = self.engine.need_table(db, name)
        rows = [{"Field": c.name, "Type": c.type.sql(), "Collation": "", "Null": "Yes" if c.nullable else "No",
                 "Key": "true" if c.key else "false" if r is None else information.KEYS[table.model] if c.key else "",
                 "Default": information.default_text(c), "Extra": "" if c.key or table.model == "DUPLICATE" else
                 "NONE" if table.model == "UNIQUE" else c.aggregate, "Privileges": "", "Comment": c.comment}
                for c in table.columns]
        if r is not None:
            for row in rows:
                row["Null"] = row["Null"].upper()
            rows = matching(r, rows, "Field")
        titles = "Field Type Collation Null Key Default Extra Privileges Comment".split() if full else \
            "Field Type Null Key Default Extra".split()
        return dict_result(titles, rows)

    def partitions(self, session, r):
        db, name = self.ddl.place(session, r.qualified())
        table = self.engine.need_table(db, name)
        keys = ", ".join(table.partitioning.columns) if table.partitioning else ""
        fixed = {"VisibleVersion": "1", "State": "NORMAL", "PartitionKey": keys, "Buckets": str(table.buckets),
                 "DistributionKey": ", ".join(table.bucket_columns) or "RANDOM", "StorageMedium": "HDD",
                 "ReplicationNum": table.properties.get("replication_num", "3"), "IsMutable": "true"}
        rows = [{**fixed, "PartitionId": str(i), "PartitionName": n, "Range": self.bounds_text(table, b)}
                for i, (n, b) in enumerate(self.engine.partitions(table))]
        return dict_result(PARTITION_TITLES, matching(r, rows, "PartitionName"))

    @staticmethod
    def bounds_text(table, bounds):
        """[types: [DATEV2]; keys: [2024-01-01]; ..types: [DATEV2]; keys: [2024-02-01]; )"""
        if not bounds:
            return ""
        kinds = ", ".join({"DATE": "DATEV2", "DATETIME": "DATETIMEV2"}.get(k, k) for k in
                          (table.column(c).type.name for c in table.partitioning.columns))
        shown = ["types: [%s]; keys: [%s]; " % (kinds, ", ".join("MAXVALUE" if v is None else str(v) for v in row))
                 for row in bounds["values"]]
        if bounds["kind"] == "in":
            return "".join(shown).strip()
        return "[%s..%s)" % (shown[0] if bounds["kind"] == "fixed" else "", shown[-1])

    def alter(self, session, r):
        if not r.accept("COLUMN"):
            return Result(ALTER_TITLES, [])
        db = self.database(session, r)
        rows = []
        for job in self.engine.alters.jobs(db):
            running = job["State"] == "RUNNING"
            whole = self.engine.settings.heavy_seconds or 1
            done = min(99, max(0, int(100 * (1 - (job["due"] - time.time()) / whole))))
            rows.append({**{k: job.get(k) for k in ALTER_TITLES}, "IndexName": job["TableName"], "IndexId": job["JobId"] + 1,
                         "OriginIndexId": job["table"], "Progress": "%d/100" % done if running else None,
                         "Timeout": 2592000})
        return dict_result(ALTER_TITLES, matching(r, rows, "TableName"))

    # -- loads
    def routine_load(self, session, r, all_):
        loads = self.engine.loads
        if r.accept("FOR"):
            db, name = loads.place(session, r.qualified())
            jobs = loads.visible(db, name, all_)
            if not jobs:
                # src: nereids/trees/plans/commands/ShowRoutineLoadCommand.java
                raise DorisError("There is no job named %s in db %s. Include history? %s"
                                 % (name, db, "true" if all_ else "false"))
        else:
            db = self.engine.need_database(session.database)
            jobs = loads.visible(db, None, all_)
        rows = matching(r, [j.show(loads.log_url) for j in jobs], "Name")
        return dict_result(Job.TITLES, rows)

    def tasks(self, session, r):
        db = self.database(session, r)
        rows = []
        for job in self.engine.loads.visible(db):
            parts = sorted(job.progress, key=int)
            count = job.task_number()
            for i in range(count):
                mine = {p: job.progress[p] for p in parts[i::count]}
                rows.append({"JobName": job.name, "TaskId": "%08x-%04x" % (job.id, i), "TxnId": "-1", "TxnStatus": "UNKNOWN",
                             "JobId": str(job.id), "CreateTime": job.created, "ExecuteStartTime": job.created,
                             "Timeout": str(int(job.setting("max_batch_interval")) * 10), "BeId": "10000",
                             "DataSourceProperties": json.dumps(mine)})
        if r.now.kind == "end":
            # doc: SHOW-ROUTINE-LOAD-TASK.md: the job must be named
            raise DorisError("please designate a jobName in where expr such as JobName=\"ILoveDoris\"")
        return dict_result(TASK_TITLES, matching(r, rows, "JobName"))

    def create_routine_load(self, session, r, all_):
        r.take("FOR")
        db, name = self.engine.loads.place(session, r.qualified())
        jobs = self.engine.loads.visible(db, name, all_)
        if not jobs:
            raise DorisError("There is no job named %s in db %s. Include history? %s"
                             % (name, db, "true" if all_ else "false"))
        return Result(["JobId", "JobName", "CreateStmt"], [[j.id, j.name, j.sql] for j in jobs])

    def transactions(self, session, r):
        """doc: SHOW-TRANSACTION.md: one by id or label."""
        self.database(session, r)
        rows = [{"TransactionId": number, "Label": label, "Coordinator": "FE: 127.0.0.1", "TransactionStatus": state,
                 "LoadJobSourceType": "ROUTINE_LOAD_TASK", "PrepareTime": at, "CommitTime": at, "FinishTime": at,
                 "Reason": "", "ErrorReplicasCount": 0, "ListenerId": job, "TimeoutMs": 600000, "Id": number}
                for number, label, job, _, state, at in self.engine.sql.execute("SELECT * FROM transactions ORDER BY id")]
        if not r.at("WHERE"):
            raise DorisError("should supply condition like: ID=$transaction_id, or label=$label, or status=$status")
        titles = ("TransactionId Label Coordinator TransactionStatus LoadJobSourceType PrepareTime CommitTime FinishTime Reason "
                  "ErrorReplicasCount ListenerId TimeoutMs").split()
        return dict_result(titles, matching(r, rows))

    def load_warnings(self, url):
        content = self.engine.loads.log_text(url.rpartition("file=")[2])
        if content is None:
            raise DorisError("Failed to get error log: %s" % url)
        return Result(["JobId", "Label", "ErrorMsgDetail"], [["-1", None, line] for line in content.splitlines() if line])

