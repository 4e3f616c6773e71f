"""ALTER TABLE: light changes at once, heavy ones as jobs, refusals (../shared/doris-check/RULES.md, section 4)."""

import pytest
from conftest import eventually, only_stand_in

TAIL = ' DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ("replication_num" = "1"%s)'


@pytest.fixture
def t(doris):
    """UNIQUE by k and k2 with values s (sequence), v, w, n."""
    doris.execute("CREATE TABLE t (k INT NOT NULL, k2 VARCHAR(8) NOT NULL, s INT NULL, v VARCHAR(100) NULL, w INT NULL DEFAULT "
                  "'7', n INT NOT NULL DEFAULT '0', d DATETIME NULL) UNIQUE KEY(k, k2)" +
                  TAIL % ', "function_column.sequence_col" = "s"')
    doris.execute("INSERT INTO t VALUES (1, 'a', 1, '12', 5, 0, '2024-01-02 03:04:05')")
    return doris


def jobs(doris):
    return doris.execute("SHOW ALTER TABLE COLUMN WHERE TableName = 't'")


def finished(doris):
    return eventually(lambda: all(j["State"] in ("FINISHED", "CANCELLED") for j in jobs(doris)) and jobs(doris))


REFUSED = [
    ("ADD COLUMN v INT", "Can not add column which already exists in base table: v"),
    ("ADD COLUMN x TIME", "Time type is not supported for olap table"),
    ("ADD COLUMN x INT AFTER nix", "Column[nix] does not found"),
    ("ADD COLUMN x BIGINT AUTO_INCREMENT", "Can not add auto-increment column x"),
    ("ADD COLUMN x INT NOT NULL", "Field 'x' is not null but doesn't have a default value"),
    ("ADD COLUMN x INT FIRST", "Can't add value column x as First column"),
    ("ADD COLUMN x INT AFTER k", "can't add value column x before key column k2"),
    ("ADD COLUMN x INT KEY AFTER v", "can't add key column x after value column v"),
    ("DROP COLUMN k2", "Can not drop key column in Unique data model table"),
    ("DROP COLUMN s", "Can not drop sequence mapping column[s] in Unique data model table[t]"),
    ("MODIFY COLUMN v VARCHAR(20)", "Shorten type length is prohibited, srcType=varchar(100), dstType=varchar(20)"),
    ("MODIFY COLUMN d VARCHAR(40)", "Can not change DATETIME to VARCHAR"),
    ("MODIFY COLUMN w SMALLINT DEFAULT '7'", "Can not change"),
    ("MODIFY COLUMN w VARCHAR(10) DEFAULT '7'", "Can not change from wider type int to narrower type varchar(10)"),
    ("MODIFY COLUMN w BIGINT", "Can not change default value"),
    ("MODIFY COLUMN v VARCHAR(200) NOT NULL", "Can not change from nullable to non-nullable"),
    ("MODIFY COLUMN s BIGINT", "Can not alter sequence column[s]"),
    ("MODIFY COLUMN k BIGINT NOT NULL", "Can not modify distribution column[k]. index[t]"),
    ("MODIFY COLUMN v VARCHAR(100) NULL", "Nothing is changed. please check your alter stmt."),
    ("MODIFY COLUMN s INT COMMENT 'new'", "Can not alter sequence column[s]"),
    ("MODIFY COLUMN nix INT", "Column[nix] does not exists"),
    ("ORDER BY (k, k2, s, v, w, n, k)", "Reduplicative column[k]"),
    ("ORDER BY (s, k, k2, v, w, n, d)", "Invalid column order. value should be after key. index[t]"),
    ("ORDER BY (k, k2, s)", "Reorder stmt should contains all columns"),
]


@pytest.mark.parametrize("clause, text", REFUSED, ids=[c for c, _ in REFUSED])
def test_refused(t, clause, text):
    before = t.columns("t")
    assert text in t.refused("ALTER TABLE t " + clause)
    assert t.columns("t") == before


def test_there_is_no_if_not_exists(t):
    t.refused("ALTER TABLE t ADD COLUMN IF NOT EXISTS x INT")


def test_add_column_is_light(t):
    t.execute("ALTER TABLE t ADD COLUMN x VARCHAR(16) NULL COMMENT 'new'")
    t.execute("ALTER TABLE t ADD COLUMN y INT NOT NULL DEFAULT '3' AFTER s")
    t.execute("ALTER TABLE t ADD COLUMN (a INT NULL, b ARRAY<INT> NULL)")
    assert list(t.columns("t")) == ["k", "k2", "s", "y", "v", "w", "n", "d", "x", "a", "b"]
    assert t.execute("SELECT x, y, a FROM t") == [{"x": None, "y": 3, "a": None}]
    assert all(j["State"] == "FINISHED" for j in jobs(t)) and len(jobs(t)) == 3


def test_drop_and_rename_are_light(t):
    t.execute("ALTER TABLE t DROP COLUMN w")
    t.execute("ALTER TABLE t RENAME COLUMN v value_1")
    t.execute("ALTER TABLE t RENAME COLUMN s seq")
    assert t.execute("SELECT k, value_1, seq FROM t") == [{"k": 1, "value_1": "12", "seq": 1}]
    assert '"function_column.sequence_col" = "seq"' in t.create_table("t")
    t.refused("ALTER TABLE t RENAME COLUMN n d")
    t.execute("ALTER TABLE t ADD COLUMN w VARCHAR(4) NULL")
    assert t.value("SELECT w FROM t") is None       # not the dropped one's value


def test_longer_varchar_is_light(t):
    t.execute("ALTER TABLE t MODIFY COLUMN v VARCHAR(200) NULL")
    assert t.columns("t")["v"] == ("varchar(200)", "YES")
    assert jobs(t)[-1]["State"] == "FINISHED"


def test_a_comment(t):
    """By itself metadata; in a MODIFY COLUMN of anything but VARCHAR a heavy change, and left out it is gone."""
    t.execute("ALTER TABLE t MODIFY COLUMN d COMMENT 'one'")
    assert jobs(t)[-1:] == [] or jobs(t)[-1]["State"] == "FINISHED"
    assert "COMMENT \"one\"" in t.create_table("t").replace("'one'", "\"one\"")
    t.execute("ALTER TABLE t MODIFY COLUMN d DATETIME NULL COMMENT 'two'")
    finished(t)
    t.execute("ALTER TABLE t MODIFY COLUMN v VARCHAR(100) NULL COMMENT 'three'")
    assert jobs(t)[-1]["State"] == "FINISHED"
    t.execute("ALTER TABLE t MODIFY COLUMN v VARCHAR(101) NULL")
    assert "two" in t.create_table("t") and "three" not in t.create_table("t")


@only_stand_in
def test_heavy_change_is_a_job(t):
    """The statement returns at once, the old definition counts until the job is done, a second ALTER must wait."""
    t.execute("ALTER TABLE t MODIFY COLUMN v BIGINT NULL")
    assert jobs(t)[-1]["State"] in ("PENDING", "WAITING_TXN", "RUNNING")
    assert t.columns("t")["v"][0] == "varchar(100)"
    assert "Table[t]'s state(SCHEMA_CHANGE) is not NORMAL. Do not allow doing ALTER ops" in \
        t.refused("ALTER TABLE t ADD COLUMN x INT")
    assert finished(t)[-1]["State"] == "FINISHED"
    assert t.execute("SELECT v FROM t WHERE v = 12") == [{"v": 12}]
    t.execute("ALTER TABLE t ADD COLUMN x INT")


def test_heavy_changes_keep_the_rows(t):
    for clause in ("MODIFY COLUMN n BIGINT NOT NULL DEFAULT '0'", "ORDER BY (k, k2, d, s, v, w, n)",
                   "ADD COLUMN k3 INT KEY NOT NULL DEFAULT '9' AFTER k2", "MODIFY COLUMN d DATE NULL",
                   "MODIFY COLUMN n BIGINT NULL DEFAULT '0'"):
        t.execute("ALTER TABLE t " + clause)
        assert finished(t)[-1]["State"] == "FINISHED", clause
    assert list(t.columns("t")) == ["k", "k2", "k3", "d", "s", "v", "w", "n"]
    row = t.execute("SELECT * FROM t")[0]
    assert (row["k3"], str(row["d"]), row["v"], row["n"]) == (9, "2024-01-02", "12", 0)
    t.execute("INSERT INTO t (k, k2, k3, s, v) VALUES (1, 'a', 9, 2, 'later')")
    assert t.execute("SELECT v FROM t") == [{"v": "later"}]


def test_heavy_change_that_cannot_convert_is_cancelled(t):
    t.execute("INSERT INTO t (k, k2, s, v) VALUES (2, 'b', 1, 'no number')")
    t.execute("ALTER TABLE t MODIFY COLUMN v INT NULL")
    job = finished(t)[-1]
    assert job["State"] == "CANCELLED" and job["Msg"]
    assert t.columns("t")["v"][0] == "varchar(100)"
    assert t.value("SELECT COUNT(*) FROM t WHERE v IN ('12', 'no number')") == 2


@only_stand_in
def test_cancel(t):
    t.execute("ALTER TABLE t MODIFY COLUMN v BIGINT NULL")
    t.execute("CANCEL ALTER TABLE COLUMN FROM t")
    assert jobs(t)[-1]["State"] == "CANCELLED"
    t.execute("ALTER TABLE t ADD COLUMN x INT")
    assert t.columns("t")["v"][0] == "varchar(100)"


def test_key_column_must_say_key(doris):
    doris.execute("CREATE TABLE t (k INT NOT NULL, k2 VARCHAR(8) NOT NULL, k3 VARCHAR(8) NOT NULL, v INT) "
                  "UNIQUE KEY(k, k2, k3)" + TAIL % "")
    assert "Can not change aggregation type" in doris.refused("ALTER TABLE t MODIFY COLUMN k3 VARCHAR(16) NOT NULL")
    assert "Invalid column order. value should be after key. index[t]" in \
        doris.refused("ALTER TABLE t MODIFY COLUMN k2 VARCHAR(16) NOT NULL")
    doris.execute("ALTER TABLE t MODIFY COLUMN k2 VARCHAR(16) KEY NOT NULL")
    finished(doris)
    assert doris.columns("t")["k2"] == ("varchar(16)", "NO")


def test_partition_column_stays(doris):
    doris.execute("CREATE TABLE t (k INT NOT NULL, d DATE NOT NULL, v INT) UNIQUE KEY(k, d) AUTO PARTITION BY RANGE "
                  "(date_trunc(d, 'month')) ()" + TAIL % "")
    assert "Can not modify partition column[d]. index[t]" in \
        doris.refused("ALTER TABLE t MODIFY COLUMN d DATETIME KEY NOT NULL")


def test_merge_on_write_cannot_be_changed(t):
    t.refused('ALTER TABLE t SET ("enable_unique_key_merge_on_write" = "false")')


def test_a_new_table_takes_the_place(t):
    """The way for a change of key, model, partitions or buckets (doc: CREATE-TABLE.md)."""
    t.execute("CREATE TABLE t2 (k INT NOT NULL, other INT) DUPLICATE KEY(k)" + TAIL % "")
    t.execute("ALTER TABLE t REPLACE WITH TABLE t2 PROPERTIES ('swap' = 'true')")
    assert (list(t.columns("t")), "v" in t.columns("t2")) == (["k", "other"], True)
    t.execute("ALTER TABLE t RENAME t3")
    assert list(t.columns("t3")) == ["k", "other"] and t.value("SELECT COUNT(*) FROM t2") == 1
    t.execute("TRUNCATE TABLE t2")
    assert t.value("SELECT COUNT(*) FROM t2") == 0


def test_drop_and_add_partition(doris):
    """How old months of a log go."""
    doris.execute("CREATE TABLE t (k INT NOT NULL, d DATETIME(6) NOT NULL, v INT) UNIQUE KEY(k, d) AUTO PARTITION BY RANGE "
                  "(date_trunc(d, 'month')) ()" + TAIL % "")
    doris.execute("INSERT INTO t VALUES (1, '2024-01-31 23:59:59.999999', 1), (2, '2024-02-01', 2), (3, '2024-03-01', 3)")
    parts = doris.execute("SHOW PARTITIONS FROM t")
    assert "keys: [2024-02-01" in next(p["Range"] for p in parts if p["PartitionName"] == "p20240101000000")
    doris.execute("ALTER TABLE t DROP PARTITION p20240201000000 FORCE")
    doris.execute("ALTER TABLE t DROP PARTITION IF EXISTS p20240201000000")
    doris.refused("ALTER TABLE t DROP PARTITION p20240201000000")
    assert [r["k"] for r in doris.execute("SELECT k FROM t ORDER BY k")] == [1, 3]
    doris.execute("INSERT INTO t VALUES (4, '2024-02-29', 4)")
    assert len(doris.execute("SHOW PARTITIONS FROM t")) == 3
    shown = doris.create_table("t")
    doris.execute("DROP TABLE t")
    doris.execute(shown)
    doris.execute("INSERT INTO t VALUES (5, '2024-03-31', 4)")
    assert len(doris.execute("SHOW PARTITIONS FROM t")) == 3
    doris.execute("CREATE TABLE u (k INT NOT NULL) DUPLICATE KEY(k) PARTITION BY RANGE (k) (PARTITION a VALUES LESS THAN ('5'))" +
                  TAIL % "")
    doris.execute("ALTER TABLE u ADD PARTITION b VALUES [('5'), ('10'))")
    doris.refused("ALTER TABLE u ADD PARTITION c VALUES [('7'), ('12'))")
    doris.execute("INSERT INTO u VALUES (4), (9)")
    doris.refused("INSERT INTO u VALUES (10)")
