"""CREATE TABLE: what Doris takes and refuses (../shared/doris-check/RULES.md, sections 1 to 3), with its texts."""

import pytest
from conftest import REAL

LAYOUT = 'DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ("replication_num" = "1")'
UNIQUE = "UNIQUE KEY(k) " + LAYOUT
VALUES = "(k INT NOT NULL, v INT) "


def table(body, rest=UNIQUE):
    return "CREATE TABLE t (%s) %s" % (body, rest)


REFUSED = [
    # words and names
    (table("k INT, order INT"), "order"),
    (table("k INT, mv_a INT"), "column name can't start with 'mv_'/'mva_'"),
    (table("k INT, __DORIS_x INT"), "Disable to create table column with name start with __DORIS_: "),
    (table("k INT, a INT, A INT"), "Duplicate column name"),
    ("CREATE TABLE `1t` " + VALUES + UNIQUE, "able name"),
    ("CREATE TABLE " + "t" * 65 + " " + VALUES + UNIQUE, "able name"),
    # order of a column's parts and of clauses
    (table("k INT DEFAULT '1' NOT NULL"), "NOT"),
    (table("k INT", "PROPERTIES ('replication_num' = '1') UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1"), "UNIQUE"),
    # keys
    (table("a INT, k INT", "UNIQUE KEY(a, b) " + LAYOUT), "Key column[b] doesn't exist."),
    (table("k INT, a INT, b INT", "UNIQUE KEY(k, b) " + LAYOUT),
     "Key columns should be a ordered prefix of the schema. KeyColumns[1] (starts from zero) is b, but corresponding column "
     "is a in the previous columns declaration."),
    (table("k INT", "UNIQUE KEY(k, b) " + LAYOUT), "The number of key columns should be less than the number of columns."),
    (table("f DOUBLE, k INT", "UNIQUE KEY(f, k) " + LAYOUT), "Float or double can not used as a key, use decimal instead."),
    (table("s STRING, k INT", "UNIQUE KEY(s, k) " + LAYOUT), "String Type should not be used in key column[s]"),
    (table("s ARRAY<INT>, k INT", "UNIQUE KEY(s, k) " + LAYOUT), "can only be used in the non-key column"),
    (table("s JSON, k INT", "UNIQUE KEY(s, k) " + LAYOUT), "JsonType type should not be used in key column[s]."),
    (table("s VARIANT, k INT", "UNIQUE KEY(s, k) " + LAYOUT), "Variant type should not be used in key column[s]."),
    (table("f DOUBLE, k INT", LAYOUT), "The olap table first column could not be float, double, string or array"),
    (table("k INT, v INT SUM"), "UNIQUE_KEYS table should not specify aggregate type for non-key column[v]"),
    (table("k INT, v TIME"), "Time type is not supported for olap table"),
    # lengths and defaults
    (table("k INT, v VARCHAR(0)"), "VARCHAR size must be > 0: 0"),
    (table("k INT, v VARCHAR(65534)"), "VARCHAR size must be <= 65533: 65534"),
    (table("k INT, v CHAR(256)"), "CHAR size must be <= 255: 256"),
    (table("k INT, v INT NOT NULL DEFAULT NULL"), "Can not set null default value to non nullable column: v"),
    (table("k INT, v JSON DEFAULT '{}'"), "Json or Variant type column default value just support null"),
    (table("k INT, v VARCHAR(3) DEFAULT 'abcd'"), "Default value is too long: abcd"),
    (table("k INT, v DATE DEFAULT '2024-02-30'"), "date literal [2024-02-30] is invalid"),
    (table("k INT, v INT DEFAULT 'x'"), ""),
    (table("k INT, v INT DEFAULT TRUE"), ""),
    (table("k INT, v DATETIME ON UPDATE CURRENT_TIMESTAMP"),
     "You must set the default value of the column[v] to CURRENT_TIMESTAMP when using 'ON UPDATE CURRENT_TIMESTAMP'."),
    (table("k INT, v BITMAP"), "complex type column must be not nullable, column:v"),
    (table("k INT, v " + "ARRAY<" * 10 + "INT" + ">" * 10), "Type exceeds the maximum nesting depth of 9"),
    # partitions
    (table("k INT, d DATE NOT NULL", "UNIQUE KEY(k) AUTO PARTITION BY RANGE (date_trunc(d, 'month')) () " + LAYOUT),
     "Merge-on-Write table's partition column must be KEY column"),
    (table("k INT, d DATE NULL", "UNIQUE KEY(k, d) AUTO PARTITION BY RANGE (date_trunc(d, 'month')) () " + LAYOUT),
     "AUTO RANGE PARTITION doesn't support NULL column"),
    (table("k INT, d DATE NOT NULL", "UNIQUE KEY(k, d) AUTO PARTITION BY RANGE (d) () " + LAYOUT),
     "Auto Range Partition need function expression"),
    (table("k INT, d DATE NOT NULL", "UNIQUE KEY(k, d) AUTO PARTITION BY RANGE (date_trunc(d, 'epoch')) () " + LAYOUT),
     "is illegal!"),
    (table("k INT, d DATE NOT NULL", "UNIQUE KEY(k, d) AUTO PARTITION BY RANGE (date_trunc(d, 'month')) " + LAYOUT), "'('"
     if not REAL else ""),
    (table("k INT, d INT", "DUPLICATE KEY(k) PARTITION BY RANGE (e) () " + LAYOUT), "partition key e is not exists"),
    (table("k INT, d DOUBLE", "DUPLICATE KEY(k) PARTITION BY RANGE (d) () " + LAYOUT),
     "Floating point type column can not be partition column"),
    (table("k INT, d STRING NOT NULL", "DUPLICATE KEY(k) PARTITION BY LIST (d) () " + LAYOUT),
     "String Type should not be used in partition column[d]."),
    (table("k INT, d INT", "DUPLICATE KEY(k) PARTITION BY LIST (d) (PARTITION p VALUES LESS THAN ('5')) " + LAYOUT),
     "partitions types is invalid, expected FIXED or LESS in range partitions and IN in list partitions"),
    # buckets
    (table("k INT, v INT", 'UNIQUE KEY(k) DISTRIBUTED BY HASH(v) BUCKETS 1 PROPERTIES ("replication_num" = "1")'),
     "Distribution column[v] is not key column"),
    (table("k INT, v INT", 'UNIQUE KEY(k) DISTRIBUTED BY RANDOM PROPERTIES ("replication_num" = "1")'),
     "Create unique keys table should not contain random distribution desc"),
    (table("k INT, v INT", 'UNIQUE KEY(k) PROPERTIES ("replication_num" = "1")'),
     "Create unique keys table should not contain random distribution desc"),
    (table("k INT, v DOUBLE", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(v) BUCKETS 1 PROPERTIES ("replication_num" = "1")'),
     "Floating point type should not be used in distribution column"),
    (table("k INT", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(k, k) BUCKETS 1 PROPERTIES ("replication_num" = "1")'),
     "Duplicate key in distribution desc is not allowed"),
    (table("k INT", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(x) BUCKETS 1 PROPERTIES ("replication_num" = "1")'),
     "column x is not found in distribution desc"),
    (table("k INT", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 0 PROPERTIES ("replication_num" = "1")'),
     "Number of hash distribution should be"),
    # properties
    (table("k INT", 'UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ("replication_num" = "1", "aa" = "bb")'),
     "Unknown properties: {aa=bb}"),
    (table("k INT", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ("replication_num" = "1", '
                    '"enable_unique_key_merge_on_write" = "true")'),
     "enable_unique_key_merge_on_write property only support unique key table"),
    (table("k INT", UNIQUE[:-1] + ', "function_column.sequence_col" = "v3")'), "The specified sequence column[v3] not exists"),
    (table("k INT, v DOUBLE", UNIQUE[:-1] + ', "function_column.sequence_col" = "v")'),
     "Sequence type only support integer types and date types"),
    (table("k INT, v INT", UNIQUE[:-1] + ', "function_column.sequence_col" = "v", "function_column.sequence_type" = "int")'),
     "The sequence_col and sequence_type cannot be set at the same time"),
]
if not REAL:    # a real one may have three backends
    REFUSED.append((table("k INT", "UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1"),
                    "replication num should be less than the number of available backends. replication num is 3, available "
                    "backend num is 1"))


@pytest.mark.parametrize("sql, text", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_refused(doris, sql, text):
    assert text in doris.refused(sql)
    assert doris.execute("SHOW TABLES") == []


TAKEN = [
    table("k INT, v INT,"),                                                   # the comma, since 2.1
    table("k INT, columns INT, date DATE, comment STRING, `order` INT"),
    table("k INT, v INT NOT NULL DEFAULT \"0\" COMMENT 'it''s'"),
    table("k INT, d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
    table("k LARGEINT, d DATE, v ARRAY<STRING>", "DUPLICATE KEY(k, d) " + LAYOUT),
    table("k INT, v DOUBLE", LAYOUT),
    table("k INT, v INT", 'DUPLICATE KEY(k) DISTRIBUTED BY HASH(v) PROPERTIES ("replication_num" = "1")'),
    table("k INT, v INT", 'DUPLICATE KEY(k) DISTRIBUTED BY RANDOM BUCKETS AUTO PROPERTIES ("replication_num" = "1")'),
    table("k INT, d DATE NOT NULL", "UNIQUE KEY(k, d) AUTO PARTITION BY RANGE (date_trunc(d, 'month')) () " + LAYOUT),
    table("k INT, d DATE NOT NULL", "UNIQUE KEY(k, d) PARTITION BY RANGE (date_trunc(d, 'month')) () " + LAYOUT),
    table("k INT, c VARCHAR(9)", "DUPLICATE KEY(k) AUTO PARTITION BY LIST (c) () " + LAYOUT),
    table("k INT NOT NULL", "UNIQUE KEY(k) PARTITION BY RANGE (k) (PARTITION a VALUES LESS THAN ('5'), "
          "PARTITION b VALUES [('5'), ('10')), PARTITION c VALUES LESS THAN MAXVALUE) " + LAYOUT),
]


@pytest.mark.parametrize("sql", TAKEN, ids=[str(i) for i in range(len(TAKEN))])
def test_taken_and_shown_as_it_is(doris, sql):
    doris.execute(sql)
    shown = doris.create_table("t")
    doris.execute("DROP TABLE t")
    doris.execute(shown)
    assert doris.create_table("t") == shown


def test_exists(doris):
    """IF NOT EXISTS compares nothing and changes nothing."""
    doris.execute(table("k INT, v INT"))
    assert "Table 't' already exists" in doris.refused(table("k INT"))
    doris.execute("CREATE TABLE IF NOT EXISTS t (k INT, other STRING) " + UNIQUE)
    assert list(doris.columns("t")) == ["k", "v"]


def test_types_as_shown(doris):
    """information_schema writes types as MySQL does, DESC and SHOW CREATE TABLE as Doris."""
    doris.execute(table("k INT, a VARCHAR, b CHAR, c DECIMAL(10, 2), d DATETIME, e DATETIME(3), f STRING, g INTEGER, h BIGINT, "
                        "i BOOLEAN, j ARRAY<INT>"))
    assert {k: v[0] for k, v in doris.columns("t").items()} == {
        "k": "int(11)", "a": "varchar(65533)", "b": "char(1)", "c": "decimalv3(10, 2)", "d": "datetime", "e": "datetime(3)",
        "f": "string", "g": "int(11)", "h": "bigint(20)", "i": "tinyint(1)", "j": "array<int(11)>"}
    shown = {r["Field"]: r["Type"] for r in doris.execute("DESC t")}
    assert (shown["k"], shown["e"], shown["f"], shown["h"], shown["j"]) == ("int", "datetime(3)", "text", "bigint", "array<int>")


def test_partition_of_a_row(doris):
    doris.execute("CREATE TABLE t (k INT, d DATE NOT NULL) DUPLICATE KEY(k) AUTO PARTITION BY RANGE (date_trunc(d, 'month')) "
                  "() " + LAYOUT)
    doris.execute("INSERT INTO t VALUES (1, '2024-01-31'), (2, '2024-02-01'), (3, '2024-02-29')")
    assert sorted(r["PartitionName"] for r in doris.execute("SHOW PARTITIONS FROM t")) == \
        ["p20240101000000", "p20240201000000"]
    assert "VALUES [('2024-02-01" in doris.create_table("t")
    doris.execute("CREATE TABLE u (k INT) DUPLICATE KEY(k) PARTITION BY RANGE (k) (PARTITION a VALUES LESS THAN ('5')) " + LAYOUT)
    doris.execute("INSERT INTO u VALUES (4)")
    doris.refused("INSERT INTO u VALUES (5)")
    assert doris.value("SELECT COUNT(*) FROM u") == 1
