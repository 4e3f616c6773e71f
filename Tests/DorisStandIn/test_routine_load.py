"""ROUTINE LOAD: refusals, offsets, states, error rows (../shared/doris-check/RULES.md, sections 5 and 6)."""

import datetime
import sqlite3
import urllib.request

import pytest
from conftest import REAL, eventually, only_stand_in

TABLE = ('CREATE TABLE t (k VARCHAR(8) NOT NULL, v VARCHAR(4) NULL, n INT NULL) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 '
         'PROPERTIES ("replication_num" = "1")')
BEGINNING = '"property.kafka_default_offsets" = "OFFSET_BEGINNING"'


def create(name="j", columns="COLUMNS (k, v, n)", properties='"format" = "json"', source="", kafka="127.0.0.1:9092",
           topic="x", table="t", merge=""):
    return ('CREATE ROUTINE LOAD %s ON %s %s %s PROPERTIES (%s) FROM KAFKA ("kafka_broker_list" = "%s", "kafka_topic" = "%s"%s)'
            % (name, table, merge, columns, properties, kafka, topic, ", " + source if source else ""))


@pytest.fixture
def db(doris):
    doris.execute(TABLE)
    return doris


class Load:
    """A job on a table t and its topic."""

    def __init__(self, db, kafka, partitions=1, **more):
        self.db, self.kafka = db, kafka
        self.topic = kafka.topic(partitions)
        more.setdefault("source", BEGINNING)
        self.create = create(kafka=kafka.brokers, topic=self.topic, **more)

    def start(self):
        self.db.execute(self.create)
        return self

    def send(self, *messages, partition=0):
        self.kafka.send(self.topic, *messages, partition=partition)
        return self

    def rows(self, total):
        return self.db.await_rows("j", total)

    def keys(self):
        return [r["k"] for r in self.db.execute("SELECT k FROM t ORDER BY k")]


JSON = '"format" = "json", '
REFUSED = [
    (dict(table="nix"), "nix"),
    (dict(name="`1j`"), "Maybe routine load job name is longer than 64 or contains illegal characters"),
    (dict(table="d.t"), ""),
    (dict(properties='"aa" = "bb"'), "aa is invalid property"),
    (dict(properties=JSON + '"desired_concurrent_number" = "0"'), "desired_concurrent_number must be greater than 0"),
    (dict(properties=JSON + '"max_error_number" = "-1"'), "max_error_number should >= 0"),
    (dict(properties=JSON + '"max_filter_ratio" = "1.5"'), "max_filter_ratio should between 0 and 1"),
    (dict(properties=JSON + '"max_batch_interval" = "0"'), "max_batch_interval should >= 1"),
    (dict(properties=JSON + '"max_batch_rows" = "199999"'), "max_batch_rows should > 200000"),
    (dict(properties=JSON + '"max_batch_size" = "104857599"'), "max_batch_size should between 100MB and 10GB"),
    (dict(kafka=""), "kafka_broker_list is a required property"),
    (dict(topic=""), "kafka_topic is a required property"),
    (dict(kafka="nowhere"), "not match pattern"),
    (dict(source='"group.id" = "x"'), "group.id is invalid kafka property or can not be set"),
    (dict(source='"kafka_partitions" = "0,1", "kafka_offsets" = "5"'), "Partitions number should be equals to offsets number"),
    (dict(source='"kafka_partitions" = "0", "kafka_offsets" = "x"'), "kafka_offsets must be an integer or a date time"),
    (dict(source='"kafka_partitions" = "0,1", "kafka_offsets" = "5,2024-01-01 00:00:00"'),
     "The offset of the partition cannot be specified by the timestamp and the offset at the same time"),
    (dict(source='"property.kafka_default_offsets" = "OFFSET_MIDDLE"'), "kafka_default_offsets can only be"),
    (dict(merge="WITH MERGE"), "Excepted DELETE ON clause when merge type is MERGE."),
    (dict(columns="COLUMNS (k, v), DELETE ON v = 'x'"), "not support DELETE ON clause when merge type is not MERGE."),
]


@pytest.mark.parametrize("more, text", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_refused(db, more, text):
    assert text in db.refused(create(**more))
    assert db.execute("SHOW ROUTINE LOAD") == []


def test_refused_for_a_duplicate_table(doris):
    doris.execute(TABLE.replace("UNIQUE", "DUPLICATE"))
    assert "load by PARTIAL_COLUMNS is only supported in unique table MoW" in \
        doris.refused(create(properties=JSON + '"partial_columns" = "true"'))
    assert "load by MERGE or DELETE is only supported in unique tables." in doris.refused(create(merge="WITH DELETE"))


def test_one_name_one_job(db):
    db.execute(create())
    assert "Name j already used in db " in db.refused(create())
    db.execute("STOP ROUTINE LOAD FOR j")
    assert db.execute("SHOW ROUTINE LOAD") == []
    db.refused("SHOW ROUTINE LOAD FOR j")
    db.execute(create())
    assert [r["State"] for r in db.execute("SHOW ALL ROUTINE LOAD FOR j")][0] == "STOPPED"
    for verb in ("PAUSE", "RESUME", "STOP"):
        assert "There is not operable routine load job with name nix" in db.refused(verb + " ROUTINE LOAD FOR nix")


def test_kafka_away_pauses_and_tries_again(db):
    db.execute(create(kafka="127.0.0.1:1"))
    job = db.await_state("j", "PAUSED")
    assert job["ReasonOfStateChanged"].startswith("ErrorReason{code=errCode = 4, msg='") or REAL
    eventually(lambda: db.job("j")["OtherMsg"].startswith("auto resumed") or REAL)


# -- offsets
def test_the_default_is_the_end(db, kafka):
    """Messages from before the job are skipped; also with kafka_default_offsets without `property.`."""
    load = Load(db, kafka, source='"kafka_default_offsets" = "OFFSET_BEGINNING"').send({"k": "before"}).start()
    db.await_state("j", "RUNNING")
    load.send({"k": "after"})
    load.rows(1)
    assert load.keys() == ["after"]


def test_beginning_and_progress(db, kafka):
    load = Load(db, kafka, 2).send({"k": "a"}, {"k": "b"}).start()
    job = load.rows(2)
    assert (job["Progress"], job["DataSourceProperties"]["topic"]) == ({"0": "1", "1": "OFFSET_ZERO"}, load.topic)
    assert eventually(lambda: db.job("j")["Lag"] == {"0": 0, "1": 0})
    load.send({"k": "c"}, partition=1)
    assert load.rows(3)["Progress"] == {"0": "1", "1": "0"}
    tasks = db.execute("SHOW ROUTINE LOAD TASK WHERE JobName = 'j'")
    assert {t["JobId"] for t in tasks} == {job["Id"]} or REAL and tasks == []


def test_offsets_by_partition(db, kafka):
    load = Load(db, kafka, 3, source='"kafka_partitions" = "0,2", "kafka_offsets" = "2,OFFSET_BEGINNING"')
    for p in range(3):
        load.send(*[{"k": "%d%d" % (p, i)} for i in range(3)], partition=p)
    load.start()
    job = load.rows(4)
    assert load.keys() == ["02", "20", "21", "22"]
    assert job["Progress"] == {"0": "2", "2": "2"}


def test_pinned_partitions_are_looked_up_at_once(db, kafka):
    load = Load(db, kafka, source='"kafka_partitions" = "9", "kafka_offsets" = "0"')
    assert "there is a custom kafka partition 9 which is invalid for topic " + load.topic in db.refused(load.create)
    assert "of kafka topic" in db.refused(create(kafka="127.0.0.1:1", source='"kafka_partitions" = "0", ' + BEGINNING))


def test_offset_behind_the_end(db, kafka):
    Load(db, kafka, source='"kafka_partitions" = "0", "kafka_offsets" = "77"').start()
    job = db.await_state("j", "PAUSED")
    assert "offset set in job: 77 is greater than kafka latest offset: 0 partition id: 0" in job["ReasonOfStateChanged"]


def test_offset_that_is_gone(db, kafka):
    from confluent_kafka import TopicPartition
    load = Load(db, kafka, source='"kafka_partitions" = "0", "kafka_offsets" = "0"').send({"k": "a"}, {"k": "b"}, {"k": "c"})
    for future in kafka.admin.delete_records([TopicPartition(load.topic, 0, 2)]).values():
        future.result(20)
    load.start()
    job = db.await_state("j", "PAUSED")
    assert "the offset used by job does not exist in kafka, please check the offset" in job["ReasonOfStateChanged"]
    assert "code=errCode = 105" in job["ReasonOfStateChanged"]
    db.execute('ALTER ROUTINE LOAD FOR j FROM KAFKA ("kafka_partitions" = "0", "kafka_offsets" = "OFFSET_BEGINNING")')
    assert db.job("j")["Progress"] == {"0": "1"}
    db.execute("RESUME ROUTINE LOAD FOR j")
    load.rows(1)
    assert load.keys() == ["c"]


def test_offset_by_time(db, kafka):
    load = Load(db, kafka, source='"kafka_partitions" = "0", "kafka_offsets" = "2024-05-06 07:08:09"',
                properties=JSON + '"timezone" = "+08:00"')
    for i, hour in enumerate((22, 23, 24)):
        at = datetime.datetime(2024, 5, 5, 0, 8, 9, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=hour)
        kafka.producer.produce(load.topic, '{"k": "%d"}' % i, partition=0, timestamp=int(at.timestamp() * 1000))
        kafka.producer.flush(20)
    load.start().rows(2)
    assert load.keys() == ["1", "2"]


def test_new_partitions_are_read(db, kafka):
    from confluent_kafka.admin import NewPartitions
    load = Load(db, kafka).send({"k": "a"}).start()
    load.rows(1)
    for future in kafka.admin.create_partitions([NewPartitions(load.topic, 2)]).values():
        future.result(20)
    eventually(lambda: "1" in db.job("j")["Progress"])
    type(kafka)(kafka.brokers).send(load.topic, {"k": "b"}, partition=1)     # a producer that knows the new partition
    load.rows(2)


def test_new_job_goes_on_where_the_old_one_stopped(db, kafka):
    """As a change of the column list has to be done: Progress plus one."""
    load = Load(db, kafka, 2).send({"k": "a"}, {"k": "b"}).send({"k": "c"}, partition=1).start()
    load.rows(3)
    db.execute("STOP ROUTINE LOAD FOR j")
    progress = db.job("j", True)["Progress"]
    load.send({"k": "d"}).send({"k": "e"}, partition=1)
    db.execute("ALTER TABLE t ADD COLUMN x INT NULL")
    again = ",".join(str(int(progress[p]) + 1) for p in ("0", "1"))
    db.execute(create("j", "COLUMNS (k, v, n, x)", source='"kafka_partitions" = "0,1", "kafka_offsets" = "%s"' % again,
                      kafka=kafka.brokers, topic=load.topic))
    job = load.rows(2)
    assert load.keys() == ["a", "b", "c", "d", "e"]
    assert job["Progress"] == {"0": "2", "1": "1"}


@only_stand_in
def test_a_committed_task_is_a_transaction_with_a_label(db, kafka, stand_in):
    load = Load(db, kafka).send({"k": "a"}).start()
    job = load.rows(1)
    file = sqlite3.connect("file:%s/doris-stand-in.sqlite?mode=ro" % stand_in.data, uri=True)
    label, rows = file.execute("SELECT label, rows FROM transactions WHERE job_id = ?", (job["Id"],)).fetchone()
    file.close()
    assert label.startswith("j-%s-" % job["Id"]) and rows == 1
    assert db.execute("SHOW TRANSACTION WHERE label = '%s'" % label)[0]["TransactionStatus"] == "VISIBLE"


# -- states
def test_pause_alter_resume(db, kafka):
    load = Load(db, kafka).send({"k": "a"}).start()
    load.rows(1)
    assert "Only supports modification of PAUSED jobs" in \
        db.refused('ALTER ROUTINE LOAD FOR j PROPERTIES ("max_error_number" = "5")')
    db.execute("PAUSE ROUTINE LOAD FOR j")
    job = db.await_state("j", "PAUSED")
    assert "code=errCode = 100" in job["ReasonOfStateChanged"] and "pauses routine load job" in job["ReasonOfStateChanged"]
    assert "Could not transform PAUSED to PAUSED" in db.refused("PAUSE ROUTINE LOAD FOR j")
    assert "format is invalid property" in db.refused('ALTER ROUTINE LOAD FOR j PROPERTIES ("format" = "json")')
    assert "The specified partition 9 is not in the consumed partitions" in \
        db.refused('ALTER ROUTINE LOAD FOR j FROM KAFKA ("kafka_partitions" = "9", "kafka_offsets" = "1")')
    assert "Must set offset or default offset with partition property" in \
        db.refused('ALTER ROUTINE LOAD FOR j FROM KAFKA ("kafka_partitions" = "0")')
    db.execute('ALTER ROUTINE LOAD FOR j PROPERTIES ("max_error_number" = "5", "strict_mode" = "true")')
    assert db.job("j")["JobProperties"]["max_error_number"] == "5"
    load.send({"k": "b"}, {"k": "c"})
    db.execute('ALTER ROUTINE LOAD FOR j FROM KAFKA ("kafka_partitions" = "0", "kafka_offsets" = "2")')
    assert load.keys() == ["a"]
    db.execute("RESUME ROUTINE LOAD FOR j")
    load.rows(2)
    assert load.keys() == ["a", "c"]


def test_stopped_is_final(db, kafka):
    load = Load(db, kafka).send({"k": "a"}).start()
    load.rows(1)
    db.execute("STOP ROUTINE LOAD FOR j")
    job = db.job("j", True)
    assert (job["State"], job["ReasonOfStateChanged"]) == ("STOPPED", "")
    assert "There is not operable routine load job with name j" in db.refused("RESUME ROUTINE LOAD FOR j")


def test_all(db):
    db.execute(create("a"))
    db.execute(create("b"))
    db.execute("PAUSE ALL ROUTINE LOAD")
    assert {r["State"] for r in db.execute("SHOW ROUTINE LOAD")} == {"PAUSED"}


def test_schema_changes_while_it_loads(db, kafka):
    """Nothing is lost or doubled by light and heavy changes under a running job."""
    load = Load(db, kafka, properties=JSON + '"max_batch_interval" = "1"').start()
    sent = 0
    for change in ("ADD COLUMN x INT NULL DEFAULT '5'", "MODIFY COLUMN n BIGINT NULL", "RENAME COLUMN v w", "DROP COLUMN x"):
        for _ in range(5):
            load.send(*[{"k": str(sent + i), "n": sent + i} for i in range(100)])
            sent += 100
        if change.startswith("RENAME"):
            db.execute("PAUSE ROUTINE LOAD FOR j")
        db.execute("ALTER TABLE t " + change)
        eventually(lambda: {j["State"] for j in db.execute("SHOW ALTER TABLE COLUMN")} <= {"FINISHED"})
        if change.startswith("RENAME"):
            db.execute("RESUME ROUTINE LOAD FOR j")
    job = load.rows(sent)
    assert (job["State"], job["Statistic"]["errorRows"]) == ("RUNNING", 0)
    assert db.execute("SELECT COUNT(*) AS c, COUNT(DISTINCT k) AS d, SUM(n) AS s FROM t") == \
        [{"c": sent, "d": sent, "s": sent * (sent - 1) // 2}]


def test_dropped_table_cancels(db, kafka):
    Load(db, kafka).start()
    db.await_state("j", "RUNNING")
    db.execute("DROP TABLE t FORCE")
    job = db.await_state("j", "CANCELLED")
    assert "table does not exist" in job["ReasonOfStateChanged"]


# -- error rows
def test_too_many_error_rows_pause(db, kafka):
    """The batch is committed, the offsets move on, then the job pauses; it does not resume by itself."""
    load = Load(db, kafka, properties=JSON + '"max_error_number" = "1"')
    load.send({"k": "a"}, {"k": None}, {"k": "b", "v": "12345"}, {"k": "c"}).start()
    job = db.await_state("j", "PAUSED")
    assert job["ReasonOfStateChanged"] == (
        "ErrorReason{code=errCode = 102, msg='current error rows is more than max_error_number or the max_filter_ratio is "
        "more than the value set'}")
    assert (job["Statistic"]["errorRows"], job["Statistic"]["loadedRows"], job["Progress"]) == (2, 2, {"0": "3"})
    assert load.keys() == ["a", "c"]
    log = urllib.request.urlopen(job["ErrorLogUrls"].split(",")[0].strip()).read().decode()
    assert "column(k) values is null while columns is not nullable" in log
    assert "the length of input is too long than schema. first 32 bytes of input str: [12345] schema length: 4; actual " \
           "length: 5; " in log
    db.execute("RESUME ROUTINE LOAD FOR j")
    load.send({"k": "d"})
    job = load.rows(5)
    assert (job["State"], job["Statistic"]["errorRowsAfterResumed"], job["ReasonOfStateChanged"]) == ("RUNNING", 0, "")


def test_error_rows_count_beyond_a_pause(db, kafka):
    """The window of max_error_number is not begun anew when somebody pauses and resumes the job."""
    load = Load(db, kafka, properties=JSON + '"max_error_number" = "1"').send({"k": None}).start()
    load.rows(1)
    db.execute("PAUSE ROUTINE LOAD FOR j")
    db.execute("RESUME ROUTINE LOAD FOR j")
    load.send({"k": "a"})
    assert load.rows(2)["Statistic"]["errorRowsAfterResumed"] == 1
    load.send({"k": None})
    assert "code=errCode = 102" in db.await_state("j", "PAUSED")["ReasonOfStateChanged"]


def test_no_error_row_is_allowed_by_default(db, kafka):
    Load(db, kafka).send("this is no JSON").start()
    assert "code=errCode = 102" in db.await_state("j", "PAUSED")["ReasonOfStateChanged"]


def test_filter_ratio(db, kafka):
    load = Load(db, kafka, properties=JSON + '"max_error_number" = "100", "max_filter_ratio" = "0.4"')
    load.send({"k": "a"}, {"k": None}).start()
    db.await_state("j", "PAUSED")


def test_error_log_in_sql(db, kafka):
    Load(db, kafka).send({"k": None, "v": "x"}).start()
    job = db.await_state("j", "PAUSED")
    rows = db.execute('SHOW LOAD WARNINGS ON "%s"' % job["ErrorLogUrls"].split(",")[0].strip())
    assert "column(k) values is null" in rows[0]["ErrorMsgDetail"]


# -- a task that cannot be made
@pytest.mark.parametrize("columns, text", [
    ("COLUMNS (v, n)", "Column has no default value, column=k"),
    ("COLUMNS (k, v = nix + 1)", "unknown reference column, column=v, reference=nix"),
    ("COLUMNS (k, v = n + 1)", "unknown reference column, column=v, reference=n"),
    ("COLUMNS (k, v = no_such_function(k))", "no_such_function"),
])
def test_columns_are_checked_when_a_task_is_made(db, kafka, columns, text):
    Load(db, kafka, columns=columns).send({"k": "a"}).start()
    job = db.await_state("j", "PAUSED")
    assert "failed to create task: " in job["ReasonOfStateChanged"] and text in job["ReasonOfStateChanged"]


def test_sequence_column_must_be_loaded(doris, kafka):
    doris.execute(TABLE[:-1] + ', "function_column.sequence_col" = "n")')
    Load(doris, kafka, columns="COLUMNS (k, v)").send({"k": "a"}).start()
    job = doris.await_state("j", "PAUSED")
    assert "Table t has sequence column, need to specify the sequence column" in job["ReasonOfStateChanged"]


def test_wrong_jsonpaths(db, kafka):
    Load(db, kafka, properties=JSON + r'"jsonpaths" = "[\"$.k\", \"$.[\"]"').send({"k": "a"}).start()
    job = db.await_state("j", "PAUSED")
    assert "code=errCode = 105" in job["ReasonOfStateChanged"] and "jsonpaths" in job["ReasonOfStateChanged"]


def test_secrets_are_not_shown(db):
    db.execute(create(source='"property.sasl.password" = "hunter2", "property.group.id" = "g"'))
    job = db.job("j")
    assert "hunter2" not in str(job) and job["CustomProperties"]["group.id"] == "g"
