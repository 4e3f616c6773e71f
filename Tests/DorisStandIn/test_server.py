"""The server: clients, passwords, several statements, SELECT, information_schema, restart, and being killed."""

import ctypes
import ctypes.util
import os
import signal
import threading

import pymysql
import pytest
from conftest import Client, REAL, StandIn, eventually, only_stand_in
from test_routine_load import BEGINNING, JSON, TABLE, create


@only_stand_in
def test_it_says_what_it_is(doris):
    assert "STAND-IN" in doris.value("SELECT @@version_comment")
    assert "NOT Apache Doris" in doris.execute("SHOW FRONTENDS")[0]["Version"]
    assert "NOT Apache Doris" in doris.execute("SHOW BACKENDS")[0]["Version"]


def test_start_up_statements(doris):
    doris.execute("SET NAMES utf8mb4")
    doris.execute("SET autocommit = 1, time_zone = '+08:00'")
    assert doris.value("SELECT @@time_zone") == "+08:00"
    assert doris.value("SELECT DATABASE()") == doris.database
    assert doris.value("SELECT 1 + 2") == 3
    assert "Unknown system variable" in doris.refused("SELECT @@nix")
    assert doris.execute("SHOW VARIABLES LIKE 'version_comment'")[0]["Variable_name"] == "version_comment"


def test_databases(doris):
    assert doris.database in [r["Database"] for r in doris.execute("SHOW DATABASES")]
    assert "Unknown database 'nix'" in doris.refused("USE nix")
    with pytest.raises(pymysql.Error) as caught:
        Client(doris.connection.port, "nix")
    assert caught.value.args[0] == 1049
    doris.execute("CREATE DATABASE IF NOT EXISTS " + doris.database)
    assert "database exists" in doris.refused("CREATE DATABASE " + doris.database)
    bare = Client(doris.connection.port)
    assert "No database selected" in bare.refused("CREATE TABLE t (k INT)")


def test_statements_one_by_one(doris):
    """The first error ends them; those before it are done."""
    connection = pymysql.connect(host=doris.connection.host, port=doris.connection.port, user=doris.connection.user.decode(),
                                 password=os.environ.get("DORIS_PASSWORD", ""), database=doris.database,
                                 client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(TABLE + "; INSERT INTO t VALUES ('a', 'b;c', 1); SELECT v FROM t; SELECT COUNT(*) FROM t")
        found = []
        while True:
            if cursor.description:
                found.append(cursor.fetchall())
            if not cursor.nextset():
                break
        assert found == [(("b;c",),), ((1,),)]
        with pytest.raises(pymysql.Error):
            cursor.execute("INSERT INTO t VALUES ('x', 'y', 2); SELECT nix FROM t; INSERT INTO t VALUES ('z', 'y', 3)")
            while cursor.nextset():
                pass
    connection.close()
    assert [r["k"] for r in doris.execute("SELECT k FROM t ORDER BY k")] == ["a", "x"]


def test_errors_look_like_doris(doris):
    text = doris.refused("SELECT * FROM nix")
    assert text == "errCode = 2, detailMessage = Table [nix] does not exist in database [%s]." % doris.database or \
        REAL and "Table [nix] does not exist in database [%s]." % doris.database in text
    assert "errCode = 2, detailMessage = " in doris.refused("SELEC 1")
    assert "Unknown column 'nix' in 'table list'" in (doris.execute(TABLE), doris.refused("SELECT nix FROM t"))[1]


@only_stand_in
def test_what_it_cannot_it_says(doris):
    """No statement is passed over in silence."""
    doris.execute(TABLE)
    for sql in ("SELECT * FROM t a, t b", "DELETE FROM t WHERE k = 'a'", "GRANT SELECT_PRIV ON *.* TO x", "SHOW TABLET 5",
                "CREATE VIEW v AS SELECT 1", "ALTER TABLE t ADD ROLLUP r (k)", "EXPLAIN SELECT 1", "SELECT * FROM (SELECT 1) x",
                "CREATE TABLE u AS SELECT * FROM t", create(properties='"format" = "csv"'), create(columns='COLUMNS TERMINATED BY ","')):
        assert "the stand-in does not do this" in doris.refused(sql), sql


def test_select(doris):
    doris.execute(TABLE)
    doris.execute("INSERT INTO t VALUES ('a', 'x', 1), ('b', 'y', 2), ('c', NULL, 3), ('王', 'X', NULL)")

    def keys(where):
        return [r["k"] for r in doris.execute("SELECT k FROM t WHERE %s ORDER BY k" % where)]
    assert keys("k = 'a'") == ["a"]
    assert keys("n IN (1, 3) AND k != 'a'") == ["c"]
    assert keys("v IS NULL") == ["c"]
    assert keys("v LIKE 'x%'") == ["a"]                    # with case
    assert keys("n BETWEEN 2 AND 3") == ["b", "c"]
    assert keys("LENGTH(k) = 3 AND CHAR_LENGTH(k) = 1") == ["王"]
    assert keys("n <=> NULL") == ["王"]
    assert keys("v = 'it''s' OR v = \"y\"") == ["b"]
    assert doris.execute("SELECT COUNT(*) AS c, MAX(n) m FROM t") == [{"c": 4, "m": 3}]
    assert [r["k"] for r in doris.execute("SELECT t.k FROM t ORDER BY t.k DESC LIMIT 2")] == ["王", "c"]
    assert doris.execute("SELECT v, COUNT(*) AS c FROM t WHERE v IS NOT NULL GROUP BY v ORDER BY v") == \
        [{"v": "X", "c": 1}, {"v": "x", "c": 1}, {"v": "y", "c": 1}]
    assert doris.value("SELECT COUNT(*) FROM %s.t" % doris.database) == 4


@pytest.mark.parametrize("expression, value", [
    ("RIGHT('Hello doris', 5)", "doris"), ("RIGHT('Hello doris', -7)", "doris"), ("LEFT('Hello doris', -5)", ""),
    ("SUBSTRING('abc1', -2)", "c1"), ("SUBSTRING('abc1', 0)", ""), ("SUBSTRING('abc1def', 2, 2)", "bc"),
    ("TRIM('ababccaab', 'ab')", "cca"), ("LTRIM('ababccaab', 'ab')", "ccaab"), ("RTRIM('ababccaab', 'ab')", "ababcca"),
    ("LENGTH('中国')", 6), ("CHAR_LENGTH('中国')", 2), ("NULLIF(1, 1)", None), ("CONCAT('a', NULL, 'c')", None),
    ("DATE_TRUNC('2010-12-02 19:28:30', 'second')", "2010-12-02 19:28:30"),
    ("DATE_TRUNC('2010-12-02 19:28:30', 'minute')", "2010-12-02 19:28:00"),
    ("DATE_TRUNC('hour', '2010-12-02 19:28:30')", "2010-12-02 19:00:00"),
    ("DATE_TRUNC('2023-4-05 19:28:30', 'week')", "2023-04-03 00:00:00"),
    ("DATE_TRUNC('2010-12-02 19:28:30', 'quarter')", "2010-10-01 00:00:00"),
    # `!` binds strongest, NOT weaker than a comparison
    ("!1 = 0", 1), ("NOT 1 = 0", 1), ("!0 + 1", 2), ("NULL <=> NULL", 1), ("TRUE OR NULL", 1), ("FALSE AND NULL", 0),
    ("NULL = NULL", None), ("7 DIV 2", 3), ("1 / 0", None), ("7 % 0", None)])
def test_expressions(doris, expression, value):
    """Most are the examples of Doris' manual."""
    assert doris.value("SELECT %s AS x" % expression) in (value, str(value) if REAL else value)


def test_units_and_columns_that_are_not_there(doris):
    assert "date_trunc function time unit param only support argument is year|quarter" in \
        doris.refused("SELECT DATE_TRUNC('2010-12-02 19:28:30', 'quar')")
    doris.execute(TABLE)
    assert "Unknown column 'nix' in target table." in doris.refused("INSERT INTO t (k, nix) VALUES ('a', 1)")
    assert "Insert has filtered data in strict mode" in doris.refused("INSERT INTO t VALUES (NULL, 'x', 1)") or REAL


def test_like(doris):
    doris.execute(TABLE)
    doris.execute("CREATE TABLE u LIKE t")
    assert doris.create_table("u") == doris.create_table("t").replace("`t`", "`u`")
    doris.execute("INSERT INTO u VALUES ('a', 'b', 1)")
    assert (doris.value("SELECT COUNT(*) FROM u"), doris.value("SELECT COUNT(*) FROM t")) == (1, 0)


def test_broken_queries_are_refused(doris):
    doris.execute(TABLE)
    for sql in ("SELECT", "SELECT 1,", "SELECT k FROM", "SELECT , k FROM t", "SELECT k FROM t WHERE", "SET x =", "SHOW PARTITIONS t",
                "SELECT IF(1, 2", "INSERT INTO t VALUES", "INSERT INTO t VALUES (1", "SELECT k k k FROM t", "DESC"):
        assert "the stand-in failed" not in doris.refused(sql), sql


def test_information_schema(doris):
    doris.execute(TABLE[:-1] + ")")
    rows = doris.execute("SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, COLUMN_KEY FROM information_schema.columns "
                         "WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = 't' ORDER BY ORDINAL_POSITION" % doris.database)
    assert [tuple(r.values()) for r in rows] == [("k", "varchar", 8, "UNI"), ("v", "varchar", 4, ""), ("n", "int", None, "")]
    assert doris.value("SELECT COUNT(*) FROM information_schema.tables WHERE TABLE_SCHEMA = '%s'" % doris.database) == 1
    assert [r["Field"] for r in doris.execute("DESC t")] == ["k", "v", "n"]
    assert doris.execute("SHOW FULL COLUMNS FROM t LIKE 'v'")[0]["Type"] == "varchar(4)"


def test_a_large_statement_and_answer(doris):
    """One row in more than one packet of 16 MB."""
    columns = ["v%d" % i for i in range(17)]
    doris.execute("CREATE TABLE t (k INT, %s) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES "
                  "('replication_num' = '1')" % ", ".join(c + " STRING" for c in columns))
    doris.execute("INSERT INTO t VALUES (1, %s)" % ", ".join("'%s'" % (c * 250000) for c in columns))
    row = doris.execute("SELECT * FROM t")[0]
    assert [row[c] == c * 250000 for c in columns] == [True] * 17


def test_many_clients(doris):
    doris.execute(TABLE)
    failures = []

    def work(number):
        try:
            client = Client(doris.connection.port, doris.database)
            for i in range(20):
                client.execute("INSERT INTO t VALUES ('%d-%d', 'x', 1)" % (number, i))
                client.execute("SELECT COUNT(*) FROM t")
            client.close()
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == [] and doris.value("SELECT COUNT(*) FROM t") == 160


@only_stand_in
def test_password(tmp_path):
    server = StandIn(tmp_path / "data", "--user", "wado", "--password", "sec:ret").start()
    try:
        assert Client(server.port, user="wado", password="sec:ret").value("SELECT 1") == 1
        for user, password in (("wado", "wrong"), ("wado", ""), ("root", "sec:ret")):
            with pytest.raises(pymysql.Error) as caught:
                Client(server.port, user=user, password=password)
            assert caught.value.args[0] == 1045
    finally:
        assert server.stop() == 0


def libmariadb():
    name = os.environ.get("LIBMARIADB") or ctypes.util.find_library("mariadb")
    try:
        return ctypes.CDLL(name) if name else None
    except OSError:
        return None


@pytest.mark.skipif(libmariadb() is None, reason="no libmariadb here (Debian: libmariadb3); LIBMARIADB may name it")
@only_stand_in
def test_libmariadb(stand_in, doris):
    """The client library that the archive uses: connect, several statements, rows, errors, ping, select_db."""
    lib = libmariadb()
    for f in ("mysql_init", "mysql_real_connect", "mysql_store_result", "mysql_fetch_row", "mysql_fetch_lengths"):
        getattr(lib, f).restype = ctypes.c_void_p
    lib.mysql_error.restype = ctypes.c_char_p
    handle = ctypes.c_void_p(lib.mysql_init(None))
    database = doris.database.encode()
    assert lib.mysql_real_connect(handle, b"127.0.0.1", b"root", b"", database, stand_in.port, None, ctypes.c_ulong(1 << 16))
    statement = ("CREATE TABLE l (k INT, v STRING) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES "
                 "('replication_num' = '1'); INSERT INTO l VALUES (1, '王'), (2, NULL)").encode()
    assert lib.mysql_real_query(handle, statement, ctypes.c_ulong(len(statement))) == 0, lib.mysql_error(handle)
    assert lib.mysql_next_result(handle) == 0 and lib.mysql_affected_rows(handle) == 2
    assert lib.mysql_next_result(handle) == -1
    query = b"SELECT k, v FROM l ORDER BY k"
    assert lib.mysql_real_query(handle, query, ctypes.c_ulong(len(query))) == 0
    result = ctypes.c_void_p(lib.mysql_store_result(handle))
    rows = []
    while pointer := lib.mysql_fetch_row(result):
        rows.append(tuple(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_char_p))[i] for i in range(2)))
    lib.mysql_free_result(result)
    assert rows == [(b"1", "王".encode()), (b"2", None)]
    bad = b"SELECT nix FROM l"
    assert lib.mysql_real_query(handle, bad, ctypes.c_ulong(len(bad))) == 1
    assert lib.mysql_errno(handle) == 1105 and b"errCode = 2, detailMessage = Unknown column" in lib.mysql_error(handle)
    assert lib.mysql_ping(handle) == 0
    assert lib.mysql_select_db(handle, b"nix") == 1 and lib.mysql_errno(handle) == 1049
    lib.mysql_close(handle)


@only_stand_in
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_loads_each_message_once_over_restarts(tmp_path, kafka, number):
    """Rows and offsets are committed together: a DUPLICATE table, which would show a row twice, shows each once."""
    server = StandIn(tmp_path / "data", "--pace", "0.001").start()
    client = Client(server.port)
    client.execute("CREATE DATABASE d")
    client.execute("USE d")
    client.execute(TABLE.replace("UNIQUE", "DUPLICATE"))
    topic = kafka.topic(2)
    client.execute(create(properties=JSON + '"max_batch_interval" = "1"', source=BEGINNING, kafka=kafka.brokers, topic=topic))
    total = 0
    for turn in range(3):
        for i in range(4000):
            kafka.producer.produce(topic, '{"k": "%d", "v": "%d", "n": %d}' % (total, turn, total), partition=total % 2)
            total += 1
        kafka.producer.flush(20)
        eventually(lambda: client.job("j")["Statistic"]["totalRows"] > total - 4000)
        assert server.stop(number) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        server.start()
        client = Client(server.port, "d")
    job = eventually(lambda: client.job("j")["Statistic"]["totalRows"] >= total and client.job("j"))
    assert (job["Statistic"]["totalRows"], job["Statistic"]["errorRows"]) == (total, 0)
    assert job["Progress"] == {"0": str(total // 2 - 1), "1": str(total // 2 - 1)}
    assert client.value("SELECT COUNT(*) FROM t") == total
    assert client.value("SELECT COUNT(DISTINCT n) FROM t") == total
    client.await_state("j", "RUNNING")
    client.close()
    server.stop()


@only_stand_in
def test_a_schema_change_outlives_a_kill(tmp_path):
    server = StandIn(tmp_path / "data", "--heavy-seconds", "1").start()
    client = Client(server.port)
    client.execute("CREATE DATABASE d")
    client.execute("USE d")
    client.execute(TABLE)
    client.execute("INSERT INTO t VALUES ('a', '12', 1)")
    client.execute("ALTER TABLE t MODIFY COLUMN v INT NULL")
    server.stop(signal.SIGKILL)
    server.start()
    client = Client(server.port, "d")
    eventually(lambda: client.execute("SHOW ALTER TABLE COLUMN")[0]["State"] == "FINISHED")
    assert client.execute("SELECT * FROM t") == [{"k": "a", "v": 12, "n": 1}]
    assert server.stop() == 0
