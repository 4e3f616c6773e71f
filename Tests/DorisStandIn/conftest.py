"""A stand-in for Doris (or the real one at DORIS_HOST), and a real Kafka where there is one."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import uuid

import pymysql
import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

REAL = os.environ.get("DORIS_HOST")     # host or host:port; DORIS_USER, DORIS_PASSWORD


def shared_folder():
    for parent in ROOT.parents:
        if (parent / "shared" / "seed").is_dir():
            return parent / "shared"
    return None


SHARED = shared_folder()
GENERATED = ROOT / "generated-sql" / "doris"
only_stand_in = pytest.mark.skipif(bool(REAL), reason="looks into the stand-in itself; DORIS_HOST is set")
needs_seed = pytest.mark.skipif(SHARED is None, reason="no ../shared/seed beside the project")


def eventually(check, seconds=None):
    """Calls `check` until it returns something true; its last error, or a failure, when the time is over."""
    deadline = time.monotonic() + (seconds or (180 if REAL else 20))
    while True:
        try:
            value, error = check(), None
            if value:
                return value
        except (AssertionError, pymysql.Error) as caught:
            value, error = None, caught
        if time.monotonic() > deadline:
            raise AssertionError("did not become true in time; last: %r" % (error or value,)) from error
        time.sleep(0.05)


class StandIn:
    """The server as a process of its own."""

    def __init__(self, data, *arguments):
        self.data, self.arguments, self.port = data, list(arguments), 0
        self.process = None

    def start(self):
        command = [sys.executable, str(HERE / "doris_stand_in.py"), "--port", str(self.port), "--data", str(self.data)]
        self.errors = open(str(self.data) + ".err", "ab")
        self.process = subprocess.Popen(command + self.arguments, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        assert re.fullmatch(r"127\.0\.0\.1:\d+\n", line), "the stand-in did not start; see %s.err" % self.data
        self.port = int(line.strip().rpartition(":")[2])
        return self

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.errors.close()
        return code


class Client:
    """A connection; execute() gives rows as dicts, refused() gives the text of the error."""

    def __init__(self, port, database=None, **more):
        host, _, real_port = (REAL or "127.0.0.1").partition(":")
        arguments = {"user": os.environ.get("DORIS_USER", "root"), "password": os.environ.get("DORIS_PASSWORD", ""), **more}
        self.connection = pymysql.connect(
            host=host, port=int(real_port or 9030) if REAL else port, database=database, autocommit=True, ssl_disabled=True,
            cursorclass=pymysql.cursors.DictCursor, **arguments)
        self.database = database

    def execute(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def value(self, sql):
        return list(self.execute(sql)[0].values())[0]

    def refused(self, sql):
        with pytest.raises(pymysql.Error) as caught:
            self.execute(sql)
        return caught.value.args[1]

    def create_table(self, name):
        return self.value_of(self.execute("SHOW CREATE TABLE " + name)[0], "Create Table")

    @staticmethod
    def value_of(row, title):
        return row[title]

    def columns(self, table):
        rows = self.execute("SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE FROM information_schema.columns WHERE "
                            "TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s' ORDER BY ORDINAL_POSITION" % (self.database, table))
        return {list(r.values())[0]: tuple(list(r.values())[1:]) for r in rows}

    # -- loads
    def job(self, name, all_=False):
        row = self.execute("SHOW %sROUTINE LOAD FOR %s" % ("ALL " if all_ else "", name))[-1]
        for key in ("JobProperties", "DataSourceProperties", "CustomProperties", "Statistic", "Progress", "Lag"):
            row[key] = json.loads(row[key]) if row[key] else {}
        return row

    def await_rows(self, name, total):
        """The job's row, as soon as it has counted so many rows; at once when it paused."""
        def check():
            job = self.job(name)
            return job if job["Statistic"].get("totalRows") == total or job["State"] == "PAUSED" else None
        job = eventually(check)
        assert job["Statistic"]["totalRows"] == total, job
        return job

    def await_state(self, name, state):
        def check():
            job = self.job(name, True)
            assert job["State"] == state, job
            return job
        return eventually(check)

    def close(self):
        self.connection.close()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """One for all tests; each test has its own database."""
    if REAL:
        yield None
        return
    server = StandIn(tmp_path_factory.mktemp("doris") / "data").start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def doris(stand_in):
    """A client in a database of its own."""
    port = stand_in.port if stand_in else 0
    name = "t_" + uuid.uuid4().hex[:12]
    first = Client(port)
    first.execute("CREATE DATABASE " + name)
    client = Client(port, name)
    yield client
    client.close()
    for job in Client(port, name).execute("SHOW ROUTINE LOAD"):
        first.execute("STOP ROUTINE LOAD FOR %s.%s" % (name, job["Name"]))
    first.execute("DROP DATABASE %s FORCE" % name)
    first.close()


class Kafka:
    """A real broker: of ../shared/kafka, or the one at KAFKA_BROKERS."""

    def __init__(self, brokers):
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient
        self.brokers = brokers
        self.admin = AdminClient({"bootstrap.servers": brokers})
        self.producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "message.max.bytes": 4000000, "log_level": 0})

    def topic(self, partitions=1, name=None):
        from confluent_kafka.admin import NewTopic
        name = name or "t-" + uuid.uuid4().hex[:12]
        for future in self.admin.create_topics([NewTopic(name, partitions, 1, config={"max.message.bytes": "4000000"})]).values():
            future.result(20)
        return name

    def send(self, topic, *messages, partition=0):
        """Objects as JSON, text and bytes as they are."""
        for m in messages:
            raw = m if isinstance(m, (bytes, str)) else json.dumps(m, ensure_ascii=False)
            self.producer.produce(topic, raw, partition=partition)
        assert self.producer.flush(20) == 0


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    if os.environ.get("KAFKA_BROKERS"):
        yield Kafka(os.environ["KAFKA_BROKERS"])
        return
    if REAL:
        pytest.skip("DORIS_HOST is set but not KAFKA_BROKERS, which that Doris must reach")
    tool = SHARED and SHARED / "kafka" / "kafka-start"
    if not tool or not tool.exists():
        pytest.skip("no ../shared/kafka and no KAFKA_BROKERS: nothing to load from")
    data = tmp_path_factory.mktemp("kafka") / "broker"
    started = subprocess.run([str(tool), str(data)], capture_output=True, text=True)
    if started.returncode:
        pytest.skip("Kafka does not start: " + started.stderr[-500:])
    yield Kafka(started.stdout.strip())
    subprocess.run([str(SHARED / "kafka" / "kafka-stop"), str(data), "--kill"], check=True)
