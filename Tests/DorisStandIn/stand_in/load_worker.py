"""One thread a job: schedules it, consumes, and commits each batch together with its offsets."""

import threading
import time
import uuid

from . import load_job, storage
from .errors import DorisError
from .kafka_source import BadSetting, OffsetAhead, OffsetGone, Source, SourceError
from .load_plan import BadPaths, BadRow, Plan

# src: load/routineload/RoutineLoadJob.java (executeTaskOnTxnStatusChanged)
ABORTED = "be 10000 abort task, task id: %s job id: %d with reason: %s %s"
OFFSET_GONE = ("the offset used by job does not exist in kafka, please check the offset, using the Alter ROUTINE LOAD "
               "command to modify it, and resume the job")
# src: load/routineload/KafkaRoutineLoadJob.java (updateKafkaPartitions, hasMoreDataToConsume), common/util/KafkaUtil.java
NO_PARTITIONS = ("errCode = 2, detailMessage = Failed to get all partitions of kafka topic: %s error: %s may be Kafka "
                 "properties set in job is error or no partition in this topic that should check Kafka")
NO_LATEST = ("failed to get latest partition offset. {}errCode = 2, detailMessage = Failed to get latest offsets of kafka "
             "topic: %s. error: %s")
TOO_MANY = "current error rows is more than max_error_number or the max_filter_ratio is more than the value set"


class Worker(threading.Thread):
    def __init__(self, manager, job):
        super().__init__(name="routine load " + job.name, daemon=True)
        self.manager, self.engine, self.job = manager, manager.engine, job
        self.source = None
        self.stopping = False
        self.resume_at = None
        self.failures = 0
        self.looked = 0.0

    @property
    def pace(self):
        return self.engine.settings.pace

    def run(self):
        try:
            while not self.stopping and self.job.state not in load_job.FINAL:
                self.step()
        except Exception:  # noqa: BLE001 - a defect of the stand-in: said on stderr and in the job
            import traceback
            traceback.print_exc()
            self.pause(load_job.CANNOT_RESUME, "the stand-in failed: " + traceback.format_exc(limit=-1))
        finally:
            self.close()

    def step(self):
        job = self.job
        if job.state == "NEED_SCHEDULE":
            self.schedule()
        elif job.state == "RUNNING":
            self.task()
        else:
            self.close()
            self.maybe_resume()

    def close(self):
        if self.source is not None:
            self.source.close()
            self.source = None

    def maybe_resume(self):
        """doc: routine-load-manual.md: automatic, but not after a pause by hand, error rows or code 105."""
        with self.manager.changed:
            job = self.job
            if job.state == "PAUSED" and job.reason and job.reason[0] not in load_job.NO_RESUME:
                if self.resume_at is None:
                    self.failures += 1
                    self.resume_at = time.monotonic() + max(0.2, 10 * self.pace) * min(2 ** (self.failures - 1), 8)
                if time.monotonic() >= self.resume_at:
                    self.resume_at = None
                    reason = job.reason
                    job.change("NEED_SCHEDULE", self.engine.now_text())
                    job.other = "auto resumed after: " + reason[1]
                    self.manager.save(job)
                    return
            else:
                self.resume_at = None
            if not self.stopping and job.state == "PAUSED":
                self.manager.changed.wait(0.1 if self.resume_at else 1)

    def pause(self, code, message):
        with self.engine.lock:
            if self.job.state in ("NEED_SCHEDULE", "RUNNING"):
                self.job.change("PAUSED", self.engine.now_text(), [code, message])
                self.manager.save(self.job)

    def target(self):
        """The table; without it the job is cancelled (src: RoutineLoadManager)."""
        table = self.engine.table(self.job.db, self.job.table)
        if table is None or table.id != self.job.table_id:
            table = self.engine.table_by_id(self.job.table_id)
        if table is None:
            with self.engine.lock:
                if self.job.state not in load_job.FINAL:
                    self.job.change("CANCELLED", self.engine.now_text(), [load_job.TABLE, "table does not exist"])
                    self.manager.save(self.job)
        return table

    def plan(self, table):
        """The plan, or None after the job was paused because Doris could not make a task."""
        try:
            with self.engine.lock:
                return Plan(self.job, table)
        except BadPaths as error:
            self.aborted(error.message, "please check the jsonpaths")
        except DorisError as error:
            self.pause(load_job.CREATE_TASK, "failed to create task: " + error.wire)
        return None

    def aborted(self, reason, advice):
        self.pause(load_job.CANNOT_RESUME, ABORTED % (uuid.uuid4(), self.job.id, reason, advice))

    def schedule(self):
        job = self.job
        generation = job.generation
        table = self.target()
        if table is None:
            return
        self.close()
        try:
            self.source = Source(job)
            self.find_partitions(generation)
            if self.plan(table) is None:
                return
            self.source.seek(job.progress)
        except BadSetting as error:
            return self.pause(load_job.CANNOT_RESUME, "failed to create task: " + str(error))
        except SourceError as error:
            return self.away(error)
        except OffsetGone:
            return self.aborted("Offset out of range", OFFSET_GONE)
        except OffsetAhead as error:
            return self.pause(load_job.INTERNAL, "errCode = 2, detailMessage = " + str(error))
        with self.manager.changed:
            if job.state == "NEED_SCHEDULE" and job.generation == generation:
                job.change("RUNNING", self.engine.now_text())
                self.generation = job.generation
                self.failures = 0
                self.manager.save(job)
                self.manager.changed.notify_all()
        return None

    def away(self, error):
        text = NO_PARTITIONS if self.job.state == "NEED_SCHEDULE" else NO_LATEST
        return self.pause(load_job.PARTITIONS, text % (self.job.topic, error))

    def find_partitions(self, generation):
        """Offsets of partitions that the job has none of (src: KafkaRoutineLoadJob.java, updateNewPartitionProgress)."""
        job = self.job
        there = self.source.partitions()
        self.looked = time.monotonic()
        wanted = job.partitions if job.partitions is not None else there
        new = {}
        for p in wanted:
            if str(p) not in job.progress:
                new[str(p)] = self.source.resolve(p, job.default_offset)
        if new:
            with self.engine.lock:
                if job.generation == generation:
                    job.progress.update(new)
                    self.manager.save(job)
        return bool(new)

    # -- a task
    def task(self):
        job, generation = self.job, self.generation
        table = self.target()
        if table is None:
            return
        if job.generation != generation:
            with self.engine.lock:
                if job.state == "RUNNING":      # stopped and started again in between
                    job.state = "NEED_SCHEDULE"
            return
        begin = time.monotonic()
        try:
            if self.source.down or begin - self.looked > max(1.0, 10 * self.pace):
                if self.find_partitions(generation):
                    self.source.seek(job.progress)
            messages = self.collect(begin)
        except SourceError as error:
            return self.away(error)
        except OffsetGone:
            return self.aborted("Offset out of range", OFFSET_GONE)
        except OffsetAhead as error:
            return self.pause(load_job.INTERNAL, "errCode = 2, detailMessage = " + str(error))
        if not messages:
            self.note_ends()
            return None
        plan = self.plan(table)
        if plan is None:
            return None
        committed = self.commit(plan, messages, generation, begin)
        if not committed and job.state == "RUNNING":
            job.state = "NEED_SCHEDULE"
        return None

    def collect(self, begin):
        """Messages of one batch: until the interval, the rows, the bytes or the end of all partitions is reached."""
        job = self.job
        until = begin + max(0.05, int(job.setting("max_batch_interval")) * self.pace)
        rows, size = int(job.setting("max_batch_rows")), int(job.setting("max_batch_size"))
        messages, total = [], 0
        while len(messages) < rows and total < size and not self.stopping:
            left = until - time.monotonic()
            if left <= 0:
                break
            got = self.source.poll(min(1000, rows - len(messages)), min(left, 0.05))
            total += sum(len(m[2]) for m in got)
            messages.extend(got)
            if not got and len(self.source.ends) >= len(job.progress):
                break
        return messages

    def note_ends(self):
        job = self.job
        with self.engine.lock:
            for p in list(job.progress):
                end = self.source.latest(int(p))
                if end is not None:
                    job.latest[p] = end
                # behind the last message may stand what is no message: the end of a transaction
                at = self.source.ends.get(int(p))
                if at is not None and at > job.progress[p] and job.state == "RUNNING" and job.generation == self.generation:
                    job.progress[p] = at
                    self.manager.save(job)

    def commit(self, plan, messages, generation, begin):
        """Rows, offsets and statistics in one transaction (src: KafkaRoutineLoadJob.java, checkCommitInfo)."""
        job = self.job
        try:
            batch = plan.rows(messages)
        except DorisError as error:
            job.aborted += 1
            self.pause(load_job.TASK_ABORTED, "task aborted: " + error.wire)
            return False
        with self.manager.changed:
            same = self.engine.table_by_id(plan.table.id) is plan.table and plan.table.version == plan.version
            if job.state != "RUNNING" or job.generation != generation or not same:
                job.aborted += 1
                return False
            saved = job.to_json()
            try:
                with self.engine.transaction() as sql:
                    self.load(sql, plan, messages, batch, begin)
            except BaseException:
                job.__dict__.update(load_job.Job.from_json(saved).__dict__)
                raise
            self.manager.changed.notify_all()
            return job.state == "RUNNING" and job.generation == generation

    def load(self, sql, plan, messages, batch, begin):
        job = self.job
        rows, reasons, unselected = batch
        partitioner, placed = storage.Partitioner(self.engine, plan.table), []
        for row in rows:
            reason = partitioner.place(row)
            if reason:
                reasons.append(BadRow(reason))
            else:
                placed.append(row)
        total = len(placed) + len(reasons) + unselected
        for partition, offset, raw in messages:
            job.progress[str(partition)] = offset + 1
            job.bytes += len(raw)
        storage.write(sql, plan.table, placed, plan.given if plan.partial else None)
        number = self.engine.new_id()
        label = "%s-%d-%s-%d" % (job.name, job.id, uuid.uuid4(), number)
        sql.execute("INSERT INTO transactions VALUES (?, ?, ?, ?, 'VISIBLE', ?)",
                    (number, label, job.id, len(placed), self.engine.now_text()))
        for p in job.progress:
            end = self.source.latest(int(p))
            if end is not None:
                job.latest[p] = max(end, job.progress[p])
        job.total += total
        job.errors += len(reasons)
        job.unselected += unselected
        job.committed += 1
        job.milliseconds += int((time.monotonic() - begin) * 1000)
        if reasons:
            self.log(sql, reasons)
        if job.count(total, len(reasons)):
            job.change("PAUSED", self.engine.now_text(), [load_job.TOO_MANY_ERRORS, TOO_MANY])
        self.manager.save(job)

    def log(self, sql, reasons):
        """The error log of a task; the three newest are kept."""
        job = self.job
        name = "__shard_0/error_log_insert_stmt_%s" % uuid.uuid4().hex
        content = "".join("Reason: %s. src line [%s]; \n" % (b.reason, b.line) for b in reasons[:1000])
        sql.execute("INSERT INTO error_logs VALUES (?, ?, ?)", (name, job.id, content))
        job.logs = (job.logs + [name])[-3:]
        sql.execute("DELETE FROM error_logs WHERE job_id = ? AND name NOT IN (%s)" % ",".join("?" * len(job.logs)),
                    [job.id] + job.logs)
