"""CREATE, ALTER, PAUSE, RESUME, STOP ROUTINE LOAD, and what the jobs' threads need.

src: load/routineload/RoutineLoadManager.java, nereids/trees/plans/commands/info/CreateRoutineLoadInfo.java,
nereids/trees/plans/commands/AlterRoutineLoadCommand.java
"""

import threading
from contextlib import closing

from . import load_job, load_properties, rules
from .errors import DorisError, StandInGap, no_database
from .kafka_source import BadSetting, Source, SourceError
from .load_worker import Worker

MAXIMUM_JOBS = 100      # max_routine_load_job_num


class LoadManager:
    def __init__(self, engine):
        self.engine = engine
        self.changed = threading.Condition(engine.lock)
        self.jobs = {}
        self.workers = {}
        for (body,) in engine.sql.execute("SELECT body FROM load_jobs ORDER BY id"):
            job = load_job.Job.from_json(body)
            self.jobs[job.id] = job
            if job.state == "RUNNING":
                job.state = "NEED_SCHEDULE"
        self.running = False

    def start(self):
        self.running = True
        for job in self.jobs.values():
            if job.state not in load_job.FINAL:
                self.work(job)

    def work(self, job):
        worker = Worker(self, job)
        self.workers[job.id] = worker
        worker.start()

    def stop(self):
        with self.changed:
            self.running = False
            for worker in self.workers.values():
                worker.stopping = True
            self.changed.notify_all()
        for worker in self.workers.values():
            worker.join()

    def save(self, job):
        with self.engine.transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO load_jobs VALUES (?, ?)", (job.id, job.to_json()))

    def log_url(self, name):
        return "http://127.0.0.1:%d/api/_load_error_log?file=%s" % (self.engine.settings.http_port, name)

    def log_text(self, name):
        with self.engine.lock:
            row = self.engine.sql.execute("SELECT content FROM error_logs WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    # -- finding
    def place(self, session, qualified):
        db = qualified[0] or session.database
        if not db:
            raise no_database()
        return self.engine.need_database(db), qualified[1]

    def operable(self, session, r):
        db, name = self.place(session, r.qualified())
        for job in self.jobs.values():
            if job.db == db and job.name == name and job.state not in load_job.FINAL:
                return job
        raise DorisError("There is not operable routine load job with name %s" % name)

    def visible(self, db, name=None, all_=False):
        """Final jobs only with ALL (doc: SHOW-ROUTINE-LOAD.md)."""
        return [j for j in sorted(self.jobs.values(), key=lambda j: j.id)
                if j.db == db and (name is None or j.name == name) and (all_ or j.state not in load_job.FINAL)]

    # -- statements
    def clauses(self, r, job):
        """COLUMNS, WHERE and the others; True when there was one."""
        found = False
        while r.at_load_property():
            found = True
            if r.accept("COLUMNS"):
                if r.at("TERMINATED"):
                    raise StandInGap("COLUMNS TERMINATED BY (csv)")
                r.take("(")
                job.columns = []
                while not r.accept_op(")"):
                    inner = r.accept_op("(")
                    name = r.name()
                    job.columns.append([name, self.source_of(r) if r.accept_op("=") else None])
                    if inner:
                        r.take(")")
                    r.accept_op(",")
            elif r.accept("WHERE"):
                job.where = self.source_of(r)
            elif r.accept("PRECEDING"):
                r.take("FILTER")
                job.preceding = self.source_of(r)
            elif r.accept("DELETE"):
                r.take("ON")
                job.merge["delete_on"] = self.source_of(r)
            elif r.accept("ORDER"):
                raise StandInGap("ORDER BY in a routine load (name the sequence column in the table)")
            else:
                job.partitions_clause = True
                r.partitions()
            r.accept_op(",")
        return found

    @staticmethod
    def source_of(r):
        """The text of the expression that the reader stands at."""
        start = r.i
        r.expression()
        return r.source[r.t[start].at:r.t[r.i].at].strip()

    def create(self, session, r):
        db, name = self.place(session, r.qualified())
        if not rules.COMMON_NAME.fullmatch(name):
            raise DorisError("Incorrect name '%s'. Maybe routine load job name is longer than 64 or contains illegal "
                             "characters" % name)
        if not r.accept("ON"):
            raise StandInGap("a routine load for several tables")
        table_name = r.name()
        job = load_job.Job(id=0, name=name, db=db, table_id=0, table=table_name, session_zone=session.time_zone)
        if r.accept("WITH"):
            job.merge["type"] = r.take().word
        self.clauses(r, job)
        if r.accept("PROPERTIES"):
            job.properties = load_properties.job(r.property_map())
        r.take("FROM")
        kind = r.name()
        if kind.upper() != "KAFKA":
            raise DorisError("could not support data source type " + kind)
        source = load_properties.kafka(r.property_map())
        job.comment = r.comment_text()
        table = self.engine.table(db, table_name)
        if table is None:
            raise DorisError("Unknown table '%s'" % table_name, 1051, "42S02")
        load_properties.table(job.merge, job.properties, table)
        if job.setting("format").lower() != "json":
            raise StandInGap("csv (the default of \"format\"): only json is loaded here")
        if self.visible(db, name):
            raise DorisError("Name %s already used in db %s" % (name, db))
        if len([j for j in self.jobs.values() if j.state not in load_job.FINAL]) >= MAXIMUM_JOBS:
            raise DorisError("There are more than %d routine load jobs are running. exceed limit." % MAXIMUM_JOBS)
        job.table_id, job.id, job.created = table.id, self.engine.new_id(), self.engine.now_text()
        job.sql = r.source[r.t[0].at:r.t[-1].at].strip()
        job.user = self.engine.settings.user
        job.brokers, job.topic, job.custom = source["brokers"], source["topic"], source["custom"]
        if source["partitions"] is not None:
            job.partitions = source["partitions"]
            job.progress = self.real_offsets(job, source, job.default_offset)
            self.check_partitions(job)
        with self.changed:
            self.jobs[job.id] = job
            self.save(job)
            if self.running:
                self.work(job)

    @staticmethod
    def real_offsets(job, source, default):
        """Words and times become offsets when the statement runs (src: KafkaRoutineLoadJob.java, KafkaUtil.java)."""
        wanted = source["offsets"] or [default] * len(source["partitions"])
        out = dict(zip(map(str, source["partitions"]), wanted))
        if all(isinstance(w, int) for w in wanted):
            return out
        with closing(LoadManager.open(job)) as kafka:
            try:
                return {p: kafka.resolve(int(p), w) for p, w in out.items()}
            except SourceError as error:
                raise DorisError("Failed to get real offsets of kafka topic: %s. error: %s" % (job.topic, error)) from None

    @staticmethod
    def check_partitions(job):
        with closing(LoadManager.open(job)) as kafka:
            try:
                there = kafka.partitions()
            except SourceError as error:
                raise DorisError("Failed to get all partitions of kafka topic: %s error: %s" % (job.topic, error)) from None
        for p in job.partitions:
            if p not in there:
                raise DorisError("there is a custom kafka partition %d which is invalid for topic %s" % (p, job.topic))

    @staticmethod
    def open(job):
        try:
            return Source(job)
        except BadSetting as error:
            raise DorisError("Failed to get info of kafka topic: %s error: %s" % (job.topic, error)) from None

    def change(self, job, state, reason=None):
        with self.changed:
            job.change(state, self.engine.now_text(), reason)
            self.save(job)
            self.changed.notify_all()

    def many(self, session):
        if not session.database:
            raise no_database()
        return self.visible(session.database)

    def pause(self, session, r, all_):
        reason = [load_job.MANUAL_PAUSE, "User %s pauses routine load job" % self.engine.settings.user]
        if all_:
            for job in self.many(session):
                if job.state != "PAUSED":
                    self.change(job, "PAUSED", reason)
            return
        self.change(self.operable(session, r), "PAUSED", reason)

    def resume(self, session, r, all_):
        for job in self.many(session) if all_ else [self.operable(session, r)]:
            if job.state != "PAUSED":
                continue            # of a job that runs: nothing happens
            job.errors_after_resume = 0         # by hand only (src: RoutineLoadManager.java, resumeRoutineLoadJob)
            self.change(job, "NEED_SCHEDULE")

    def stop_job(self, session, r):
        reason = [load_job.MANUAL_STOP, "User %s stop routine load job" % self.engine.settings.user]
        self.change(self.operable(session, r), "STOPPED", reason)

    def alter(self, session, r):
        """Only of a PAUSED job; no COLUMNS (doc: ALTER-ROUTINE-LOAD.md)."""
        job = self.operable(session, r)
        probe = load_job.Job.from_json(job.to_json())
        if self.clauses(r, probe):
            raise StandInGap("ALTER ROUTINE LOAD of COLUMNS or filters: the manual of 3.x lets it change none; stop the job "
                             "and create it anew from the offsets of Progress plus one")
        properties = r.property_map() if r.accept("PROPERTIES") else {}
        source = None
        if r.accept("FROM"):
            r.name()
            source = load_properties.kafka(r.property_map(), new=False)
        if not properties and source is None:
            raise DorisError("No properties are specified")
        load_properties.job(properties, load_properties.ALTERABLE)
        with self.changed:
            if job.state != "PAUSED":
                raise DorisError("Only supports modification of PAUSED jobs")
            if source is not None:
                self.alter_source(job, source)
            job.properties.update(properties)
            job.generation += 1
            self.save(job)

    def alter_source(self, job, source):
        """src: KafkaRoutineLoadJob.java (modifyPropertiesInternal): a new topic forgets the progress."""
        probe = load_job.Job.from_json(job.to_json())
        probe.custom.update(source["custom"])
        offsets = self.real_offsets(probe, source, probe.default_offset) if source["partitions"] else {}
        for p in offsets:
            if p not in job.progress:
                raise DorisError("The specified partition %s is not in the consumed partitions" % p)
        job.custom = probe.custom
        if source["topic"]:
            job.topic, job.progress, job.latest = source["topic"], {}, {}
        job.progress.update(offsets)
        job.brokers = source["brokers"] or job.brokers
