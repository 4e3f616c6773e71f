"""A routine load job: its definition, state, progress and statistics (doc: routine-load-manual.md, SHOW-ROUTINE-LOAD)."""

import json
from dataclasses import asdict, dataclass, field

from .errors import DorisError
from .load_properties import DEFAULTS

FINAL = ("STOPPED", "CANCELLED")
# src: common/InternalErrorCode.java
IMPOSSIBLE, INTERNAL, PARTITIONS, DATABASE, TABLE, META = 1, 2, 4, 5, 6, 7
MANUAL_PAUSE, MANUAL_STOP, TOO_MANY_ERRORS, CREATE_TASK, TASK_ABORTED, CANNOT_RESUME, TIMEOUT = range(100, 107)
NO_RESUME = (MANUAL_PAUSE, MANUAL_STOP, TOO_MANY_ERRORS, CANNOT_RESUME, TABLE, DATABASE)
# which states may follow (src: load/routineload/RoutineLoadJob.java, checkStateTransform)
FORBIDDEN = {"NEED_SCHEDULE": FINAL, "RUNNING": FINAL + ("PAUSED",), "PAUSED": FINAL + ("PAUSED",),
             "STOPPED": FINAL, "CANCELLED": FINAL}


@dataclass
class Job:
    id: int
    name: str
    db: str
    table_id: int
    table: str
    columns: list = field(default_factory=list)         # [name, expression text or None]
    preceding: str = ""
    where: str = ""
    partitions_clause: bool = False
    merge: dict = field(default_factory=lambda: {"type": "APPEND", "delete_on": ""})
    properties: dict = field(default_factory=dict)      # as written
    session_zone: str = "UTC"
    brokers: str = ""
    topic: str = ""
    partitions: list | None = None                      # pinned, or all
    custom: dict = field(default_factory=dict)          # property.* without its prefix
    comment: str = ""
    sql: str = ""
    user: str = "root"
    state: str = "NEED_SCHEDULE"
    reason: list | None = None                          # [code, text]
    created: str = ""
    paused: str | None = None
    ended: str | None = None
    progress: dict = field(default_factory=dict)        # partition (text) -> next offset
    latest: dict = field(default_factory=dict)          # partition (text) -> end of the partition
    logs: list = field(default_factory=list)
    other: str = ""
    window_rows: int = 0
    window_errors: int = 0
    total: int = 0
    errors: int = 0
    errors_after_resume: int = 0
    unselected: int = 0
    bytes: int = 0
    milliseconds: int = 0
    committed: int = 0
    aborted: int = 0
    generation: int = 0                                 # changes with everything that a running task must notice

    def to_json(self):
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text):
        return cls(**json.loads(text))

    # -- properties
    def setting(self, key):
        return self.properties.get(key, DEFAULTS.get(key, ""))

    def flag(self, key):
        return self.setting(key).lower() == "true"

    @property
    def time_zone(self):
        return self.properties.get("timezone", self.session_zone)

    @property
    def default_offset(self):
        """Only the prefixed key counts; without it the end (src: KafkaDataSourceProperties.java)."""
        word = self.custom.get("kafka_default_offsets", "OFFSET_END")
        return word.upper() if word.upper().startswith("OFFSET_") else word

    # -- states
    def change(self, state, now, reason=None):
        if self.state in FORBIDDEN[state]:
            # final states stay; PAUSED is not paused again
            raise DorisError("Could not transform %s to %s" % (self.state, state))
        self.state = state
        self.generation += 1
        if state == "PAUSED":
            self.paused, self.reason = now, reason
        elif state in FINAL:
            self.ended, self.reason = now, reason
        elif state == "NEED_SCHEDULE":
            self.reason, self.paused = None, None

    def count(self, rows, errors):
        """True when the error rows are too many; then the counters start again (src: RoutineLoadJob.java,
        updateNumOfData). Pausing and resuming leaves them alone (executePause, executeNeedSchedule)."""
        self.window_rows += rows
        self.window_errors += errors
        self.errors_after_resume = self.window_errors
        too_many = self.window_errors > int(self.setting("max_error_number")) or \
            self.window_rows and self.window_errors / self.window_rows > float(self.setting("max_filter_ratio"))
        if too_many or self.window_rows > int(self.setting("max_batch_rows")) * 10:
            self.window_rows = self.window_errors = 0
        return bool(too_many)

    # -- SHOW
    TITLES = ("Id Name CreateTime PauseTime EndTime DbName TableName IsMultiTable State DataSourceType CurrentTaskNum "
              "JobProperties DataSourceProperties CustomProperties Statistic Progress Lag ReasonOfStateChanged ErrorLogUrls "
              "OtherMsg User Comment").split()

    def show(self, log_url):
        told = self.reason and self.state in ("PAUSED", "CANCELLED")      # src: RoutineLoadJob.java, getStateReason
        return {
            "Id": str(self.id), "Name": self.name, "CreateTime": self.created, "PauseTime": self.paused or None,
            "EndTime": self.ended, "DbName": self.db, "TableName": self.table, "IsMultiTable": "false",
            "State": self.state, "DataSourceType": "KAFKA", "CurrentTaskNum": str(self.task_number()),
            "JobProperties": json.dumps(self.show_properties(), ensure_ascii=False),
            "DataSourceProperties": json.dumps({
                "topic": self.topic, "currentKafkaPartitions": ",".join(sorted(self.progress, key=int)),
                "brokerList": self.brokers}),
            "CustomProperties": json.dumps(self.show_custom()),
            "Statistic": json.dumps(self.statistic()), "Progress": json.dumps(self.show_progress()),
            "Lag": json.dumps({p: self.latest.get(p, -1) - n if self.latest.get(p, -1) >= n else
                               -1 if p not in self.latest else 0 for p, n in self.progress.items()}),
            "ReasonOfStateChanged": "ErrorReason{code=errCode = %d, msg='%s'}" % tuple(self.reason) if told else "",
            "ErrorLogUrls": ", ".join(log_url(name) for name in self.logs), "OtherMsg": self.other, "User": self.user,
            "Comment": self.comment}

    def task_number(self):
        if self.state != "RUNNING":
            return 0
        return min(int(self.setting("desired_concurrent_number")), max(len(self.progress), 1))

    def show_custom(self):
        """Doris shows the custom properties with the group that it chose; secrets as stars."""
        shown = {"group.id": self.group}
        for key, value in self.custom.items():
            shown[key] = "******" if "password" in key or "secret" in key else value
        return shown

    @property
    def group(self):
        return self.custom.get("group.id") or "%s_%032x" % (self.name, self.id)

    def show_properties(self):
        out = {k: self.setting(k) for k in DEFAULTS if k not in ("exec_mem_limit", "send_batch_parallelism")}
        columns = ",".join("`%s`" % n if e is None else "`%s`=%s" % (n, e) for n, e in self.columns)
        out.update(timezone=self.time_zone, columnToColumnExpr=columns or "*", precedingFilter=self.preceding or "*",
                   whereExpr=self.where or "*", partitions="*", merge_type=self.merge["type"],
                   delete=self.merge["delete_on"] or "*", current_concurrent_number=str(self.task_number()),
                   column_separator="','", line_delimiter="\n", sequence_col="*")
        return {k: str(v) for k, v in out.items()}

    def statistic(self):
        seconds = self.milliseconds / 1000 or 1
        loaded = self.total - self.errors - self.unselected
        return {"receivedBytes": self.bytes, "runningTxns": [], "errorRows": self.errors, "committedTaskNum": self.committed,
                "loadedRows": loaded, "loadRowsRate": int(loaded / seconds), "abortedTaskNum": self.aborted,
                "errorRowsAfterResumed": self.errors_after_resume, "totalRows": self.total,
                "unselectedRows": self.unselected, "receivedBytesRate": int(self.bytes / seconds),
                "taskExecuteTimeMs": self.milliseconds}

    def show_progress(self):
        """The last offset consumed; before the first: OFFSET_ZERO (src: KafkaProgress.java)."""
        return {p: str(n - 1) if n > 0 else "OFFSET_ZERO" for p, n in self.progress.items()}
