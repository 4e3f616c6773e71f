"""A client's session: which statement goes where."""

from . import COMMENT, reader, values
from .ddl import DDL
from .doris_check import SyntaxProblem
from .errors import DorisError, StandInGap
from .insert import insert
from .protocol import Done
from .query import run as select
from .show import Show

VARIABLES = {
    "version_comment": COMMENT, "version": "5.7.99", "autocommit": 1, "auto_increment_increment": 1,
    "character_set_client": "utf8mb4", "character_set_connection": "utf8mb4", "character_set_results": "utf8mb4",
    "character_set_server": "utf8mb4", "collation_server": "utf8mb4_0900_bin", "collation_connection": "utf8mb4_0900_bin",
    "init_connect": "", "interactive_timeout": 3600, "license": "Apache License, Version 2.0", "lower_case_table_names": 0,
    "max_allowed_packet": 16777216, "net_write_timeout": 600, "performance_schema": 0, "query_cache_size": 1048576,
    "query_cache_type": 0, "sql_mode": "ONLY_FULL_GROUP_BY", "system_time_zone": "UTC", "time_zone": "UTC",
    "transaction_isolation": "REPEATABLE-READ", "tx_isolation": "REPEATABLE-READ", "tx_read_only": 0, "wait_timeout": 28800,
    "enable_insert_strict": 1, "query_timeout": 900, "sql_select_limit": 9223372036854775807,
}


class Session:
    def __init__(self, engine, connection):
        self.engine = engine
        self.number = connection.number
        self.user = engine.settings.user
        self.database = None
        self.variables = dict(VARIABLES, time_zone=engine.settings.time_zone)
        self.ddl = DDL(engine)
        self.show = Show(engine, self.ddl)

    @property
    def time_zone(self):
        return self.variables["time_zone"]

    def variable(self, name):
        try:
            return self.variables[name.lower()]
        except KeyError:
            # src: common/ErrorCode.java
            raise DorisError("Unknown system variable '%s'" % name, 1193) from None

    def use(self, name):
        with self.engine.lock:
            self.ddl.use(self, name)

    def split(self, text):
        self.source = text
        return reader.split(text)

    def execute(self, tokens):
        reader.check(tokens)
        r = reader.Reader(tokens)
        r.source = self.source
        with self.engine.lock:
            try:
                return self.dispatch(r, tokens) or Done()
            except SyntaxProblem as problem:        # in a statement that the checker does not check in full
                raise reader.syntax_error(problem) from None

    def dispatch(self, r, tokens):
        loads, ddl = self.engine.loads, self.ddl
        if r.at("SELECT"):
            return select(self, tokens)
        if r.accept("SHOW"):
            return self.show.run(self, r)
        if r.accept("DESC") or r.accept("DESCRIBE"):
            r.accept("TABLE")
            return self.show.columns(self, r.qualified())
        if r.accept("INSERT"):
            return insert(self, r)
        if r.accept("USE"):
            return self.ddl.use(self, r.qualified()[1])
        if r.accept("SET"):
            return self.set(r)
        if r.at("BEGIN") or r.at("START"):
            raise StandInGap("transactions")
        if r.at("COMMIT") or r.at("ROLLBACK"):
            return Done()
        if r.accept("CREATE", "ROUTINE", "LOAD"):
            return loads.create(self, r)
        if r.accept("ALTER", "ROUTINE", "LOAD"):
            r.take("FOR")
            return loads.alter(self, r)
        for word, action in (("PAUSE", loads.pause), ("RESUME", loads.resume)):
            if r.accept(word):
                all_ = r.accept("ALL")
                r.take("ROUTINE")
                r.take("LOAD")
                if not all_:
                    r.take("FOR")
                return action(self, r, all_)
        if r.accept("STOP", "ROUTINE", "LOAD"):
            r.take("FOR")
            return loads.stop_job(self, r)
        for words, action in (
                (("CREATE", "DATABASE"), ddl.create_database), (("CREATE", "SCHEMA"), ddl.create_database),
                (("DROP", "DATABASE"), ddl.drop_database), (("DROP", "SCHEMA"), ddl.drop_database),
                (("CREATE", "TABLE"), ddl.create_table), (("DROP", "TABLE"), ddl.drop_table),
                (("TRUNCATE", "TABLE"), ddl.truncate)):
            if r.accept(*words):
                return action(self, r)
        if r.accept("ALTER", "TABLE"):
            return self.engine.alters.alter(self, r, ddl)
        if r.accept("CANCEL", "ALTER", "TABLE"):
            if not r.accept("COLUMN"):
                raise StandInGap("CANCEL ALTER TABLE " + r.now.text)
            r.take("FROM")
            db, name = ddl.place(self, r.qualified())
            return self.engine.alters.cancel(db, self.engine.need_table(db, name))
        raise StandInGap(" ".join(t.text for t in tokens[:3] if t.kind != "end"))

    def set(self, r):
        """Variables are kept; names that Doris may know and we do not are kept as well."""
        if r.accept("NAMES") or r.accept("CHARACTER", "SET"):
            return None
        if r.at("PASSWORD") or r.at("PROPERTY"):
            raise StandInGap("SET " + r.now.text)
        while r.now.kind != "end":
            if r.now.text in ("@@", "@"):
                r.i += 1
            for scope in ("SESSION", "GLOBAL", "LOCAL"):
                if r.accept(scope):
                    r.accept_op(".")
            if r.accept("TRANSACTION"):
                return None
            name = r.name().lower()
            if not r.accept_op("="):
                r.accept_op(":")
                r.accept_op("=")
            start = r.i
            r.expression() if not r.at("ON") else r.take()
            words = r.t[start:r.i]
            value = reader.unquote(words[0].text) if words[0].kind == "string" else "".join(t.text for t in words)
            if name == "time_zone":
                try:
                    values.zone(value)
                except ValueError:
                    raise DorisError("Unknown or incorrect time zone: '%s'" % value, 1298) from None
            self.variables[name] = int(value) if value.lstrip("-").isdigit() else value
            r.accept_op(",")
        return None


def make(engine):
    return lambda connection: Session(engine, connection)


