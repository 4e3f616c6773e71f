"""From messages to rows: reading JSON, casts, leniencies without strict mode, keys and sequence (RULES.md, section 5)."""

import datetime
import math

import pytest
from test_routine_load import JSON, Load

WIDE = ('CREATE TABLE t (k VARCHAR(8) NOT NULL, i INT NULL, b BIGINT NULL, d DOUBLE NULL, day DATE NULL, at DATETIME(3) NULL, '
        'f BOOLEAN NULL, x DECIMAL(9, 2) NULL, s STRING NULL, c CHAR(4) NULL, a ARRAY<STRING> NULL, z INT NOT NULL DEFAULT '
        '"7") UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ("replication_num" = "1")')
ALL = "COLUMNS (k, i, b, d, day, at, f, x, s, c, a)"
UTC = JSON + '"max_error_number" = "1000", "timezone" = "UTC"'


def loaded(doris, kafka, messages, columns=ALL, properties=UTC, table=WIDE, errors=0, count=None, **more):
    doris.execute(table)
    load = Load(doris, kafka, columns=columns, properties=properties, **more).send(*messages).start()
    job = load.rows(count or len(messages))
    assert job["Statistic"]["errorRows"] == errors, job
    return {r["k"]: r for r in doris.execute("SELECT * FROM t")}


def at(*parts):
    return datetime.datetime(*parts)


CASTS = [
    ("i", "12", 12), ("i", 12.9, 12), ("i", "1e3", None), ("i", "twelve", None), ("i", "", None), ("i", " 5 ", 5),
    ("i", 2 ** 31, None), ("i", True, 1), ("b", -2 ** 63, -2 ** 63), ("b", 2 ** 63, None),
    ("d", "0.1", 0.1), ("d", 1e308, 1e308), ("d", "x", None), ("d", 5e-324, 5e-324),
    ("day", "2024-02-29", datetime.date(2024, 2, 29)), ("day", "2023-02-29", None), ("day", "20240229", datetime.date(2024, 2, 29)),
    ("day", "0001-01-01", datetime.date(1, 1, 1)), ("day", "9999-12-31", datetime.date(9999, 12, 31)), ("day", "", None),
    ("day", "2024-02-29 10:11:12", datetime.date(2024, 2, 29)), ("day", "soon", None),
    ("at", "2024-01-02 03:04:05", at(2024, 1, 2, 3, 4, 5)), ("at", "2024-01-02T03:04:05.6785", at(2024, 1, 2, 3, 4, 5, 679000)),
    ("at", "2024-01-02 03:04:05+08:00", at(2024, 1, 1, 19, 4, 5)), ("at", "2024-01-02 25:00:00", None),
    ("at", "2024-01-02", at(2024, 1, 2)),
    ("f", True, 1), ("f", "false", 0), ("x", "1.005", "1.01"), ("x", "99999999", None),
    ("s", 1.50, "1.5"), ("s", {"a": [1, None]}, '{"a":[1,null]}'), ("s", "x" * 70000, "x" * 70000),
    ("c", "王", "王"), ("a", ["p", "王", None], '["p", "王", null]'), ("a", [], "[]"), ("a", "no list", None),
]


def test_casts(doris, kafka):
    """What cannot be cast is NULL without strict mode."""
    rows = loaded(doris, kafka, [{"k": str(n), column: sent} for n, (column, sent, _) in enumerate(CASTS)])
    for n, (column, sent, expected) in enumerate(CASTS):
        found = rows[str(n)][column]
        assert (str(found) if column == "x" and found is not None else found) == expected, (column, sent)


def test_strict_mode_refuses_them(doris, kafka):
    bad = [(c, s) for c, s, expected in CASTS if expected is None and not (c == "a")]
    messages = [{"k": str(n), c: s} for n, (c, s) in enumerate(bad)] + [{"k": "good", "i": None}]
    rows = loaded(doris, kafka, messages, properties=UTC + ', "strict_mode" = "true"', errors=len(bad))
    assert list(rows) == ["good"]


def test_infinity(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "a", "d": "Infinity"}, {"k": "b", "d": "-inf"}, '{"k": "c", "d": NaN}'], errors=1)
    assert (rows["a"]["d"], rows["b"]["d"], "c" in rows) == (math.inf, -math.inf, False)


def test_too_long_is_an_error_row_and_not_cut(doris, kafka):
    """In bytes of UTF-8; also without strict mode."""
    rows = loaded(doris, kafka, [{"k": "a", "c": "王x"}, {"k": "b", "c": "王王"}, {"k": "王王王"}, {"k": "x" * 8},
                                 {"k": "s", "s": "x" * (1024 * 1024 + 1)}], errors=3)
    assert sorted(rows) == ["a", "xxxxxxxx"] and rows["a"]["c"] == "王x"


def test_unknown_names_are_read_and_dropped(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "a", "i": 1, "more": 5}, {"k": "b", "i": 2}], "COLUMNS (k, i, more, other = more + 1)")
    assert (rows["a"]["i"], rows["b"]["i"]) == (1, 2)


def test_column_left_out_gets_its_default(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "a", "i": 1, "z": 99}], "COLUMNS (k, i)")
    assert (rows["a"]["z"], rows["a"]["s"]) == (7, None)


def test_all_columns_by_name_without_columns(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "a", "z": 9}, {"k": "b", "z": None}, {"K": "c", "z": 1}], "", errors=2)
    assert rows["a"]["z"] == 9      # names of fields are compared with case


def test_derived_columns(doris, kafka):
    rows = loaded(
        doris, kafka, [{"k": "a", "i": 20, "n": " Abc "}, {"k": "b", "i": None, "n": None}],
        "COLUMNS (k, i, n, f = b > 40, b = i * 2 + 1, s = CONCAT('<', UPPER(TRIM(n)), '>'), at = NOW(), d = CAST(i AS DOUBLE) / 8, "
        "c = IF(i > 10, 'big', IFNULL(n, 'none')))")
    a, b = rows["a"], rows["b"]
    assert (a["f"], a["b"], a["s"], a["d"], a["c"]) == (1, 41, "<ABC>", 2.5, "big")
    assert (b["b"], b["s"], b["d"], b["c"]) == (None, None, None, "none")
    assert a["at"].year > 2020


def test_where_and_preceding_filter(doris, kafka):
    doris.execute(WIDE)
    load = Load(doris, kafka, columns="COLUMNS (k, i, hint), PRECEDING FILTER hint != 'no', WHERE i >= 2", properties=UTC)
    load.send({"k": "a", "i": 1, "hint": "y"}, {"k": "b", "i": 2, "hint": "y"}, {"k": "c", "i": 3, "hint": "no"}).start()
    job = load.rows(3)
    assert (load.keys(), job["Statistic"]["unselectedRows"], job["Statistic"]["errorRows"]) == (["b"], 2, 0)


def test_jsonpaths_feed_by_position(doris, kafka):
    rows = loaded(
        doris, kafka, [{"id": "a", "n": {"v": [10, 11]}, "i": 5}, {"id": "b"}, {"k": "c"}], "COLUMNS (k, i)",
        UTC + r', "jsonpaths" = "[\"$.id\", \"$.n.v[1]\"]"', errors=1)
    assert {k: r["i"] for k, r in rows.items()} == {"a": 11, "b": None}


def test_strip_outer_array(doris, kafka):
    rows = loaded(doris, kafka, [[{"k": "a"}, {"k": "b"}], {"k": "c"}], "COLUMNS (k)",
                  UTC + ', "strip_outer_array" = "true"', errors=1, count=3)
    assert sorted(rows) == ["a", "b"]


def test_rows_that_cannot_be_read(doris, kafka):
    messages = ["no JSON", "5", "[]", [{"k": "x"}], {"other": 1}, b'{"k": "\xff"}', '{"k": "a"', {"k": "good"}]
    rows = loaded(doris, kafka, messages, "COLUMNS (k)", errors=7)
    assert list(rows) == ["good"]


def test_an_empty_message_is_passed_over(doris, kafka):
    doris.execute(WIDE)
    load = Load(doris, kafka, columns="COLUMNS (k)", properties=UTC).send(b"", {"k": "a"}, b"").start()
    job = load.rows(1)
    assert (job["Progress"], job["Statistic"]["errorRows"]) == ({"0": "2"}, 0)


SEQUENCE = WIDE[:-1] + ', "function_column.sequence_col" = "i")'


def test_the_larger_sequence_wins(doris, kafka):
    rows = loaded(doris, kafka, [
        {"k": "a", "i": 5, "s": "five"}, {"k": "a", "i": 4, "s": "four"}, {"k": "b", "i": 1, "s": "one"},
        {"k": "b", "i": 1, "s": "again"}, {"k": "c", "i": None, "s": "none"}, {"k": "c", "i": -5, "s": "some"}], table=SEQUENCE)
    assert {k: r["s"] for k, r in rows.items()} == {"a": "five", "b": "again", "c": "some"}


def test_sequence_over_batches(doris, kafka):
    doris.execute(SEQUENCE)
    load = Load(doris, kafka, columns=ALL, properties=UTC).send({"k": "a", "i": 5, "s": "five"}).start()
    load.rows(1)
    load.send({"k": "a", "i": 4, "s": "four"}).rows(2)
    assert doris.value("SELECT s FROM t") == "five"
    load.send({"k": "a", "i": 6}).rows(3)
    assert doris.execute("SELECT i, s FROM t") == [{"i": 6, "s": None}]      # whole rows are replaced


def test_without_sequence_the_last_wins(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "a", "i": 5}, {"k": "a", "i": 4}])
    assert rows["a"]["i"] == 4


def test_partial_columns(doris, kafka):
    doris.execute(WIDE)
    doris.execute("INSERT INTO t (k, i, s) VALUES ('a', 1, 'kept')")
    load = Load(doris, kafka, columns="COLUMNS (k, i)", properties=UTC + ', "partial_columns" = "true"')
    load.send({"k": "a", "i": 2}, {"k": "b", "i": 3}).start().rows(2)
    assert doris.execute("SELECT k, i, s, z FROM t ORDER BY k") == [
        {"k": "a", "i": 2, "s": "kept", "z": 7}, {"k": "b", "i": 3, "s": None, "z": 7}]


def test_null_is_a_key_too(doris, kafka):
    rows = loaded(doris, kafka, [{"k": "x", "n": None}, {"k": "y", "n": None}], "COLUMNS (k, n)",
                  table=WIDE.replace("(k VARCHAR(8) NOT NULL", "(n INT NULL, k VARCHAR(8) NOT NULL").replace(
                      "UNIQUE KEY(k)", "UNIQUE KEY(n)").replace("HASH(k)", "HASH(n)"))
    assert list(rows) == ["y"]


def test_merge_deletes(doris, kafka):
    doris.execute(WIDE)
    doris.execute("INSERT INTO t (k, i) VALUES ('a', 1), ('b', 1)")
    load = Load(doris, kafka, merge="WITH MERGE", columns="COLUMNS (k, i, gone), DELETE ON gone = 'yes'", properties=UTC)
    load.send({"k": "a", "i": 2, "gone": "yes"}, {"k": "c", "i": 3, "gone": "no"}).start().rows(2)
    assert load.keys() == ["b", "c"]


def test_duplicate_table_appends(doris, kafka):
    table = WIDE.replace("UNIQUE KEY(k)", "DUPLICATE KEY(k)")
    doris.execute(table)
    Load(doris, kafka, columns=ALL, properties=UTC).send({"k": "a"}, {"k": "a"}).start().rows(2)
    assert doris.value("SELECT COUNT(*) FROM t") == 2


def test_auto_partitions_of_a_load(doris, kafka):
    table = WIDE.replace("day DATE NULL, ", "").replace("(k VARCHAR(8) NOT NULL", "(k VARCHAR(8) NOT NULL, day DATE NOT NULL") \
        .replace("UNIQUE KEY(k)", "UNIQUE KEY(k, day) AUTO PARTITION BY RANGE (date_trunc(day, 'month')) ()")
    loaded(doris, kafka, [{"k": "a", "day": "2024-02-03"}, {"k": "b", "day": "0001-01-01"}, {"k": "c", "day": None}],
           "COLUMNS (k, day)", table=table, errors=1)
    assert sorted(r["PartitionName"] for r in doris.execute("SHOW PARTITIONS FROM t")) == \
        ["p00010101000000", "p20240201000000"]


@pytest.mark.parametrize("zone, hour", [("UTC", 19), ("+08:00", 3), ("Asia/Shanghai", 3)])
def test_offsets_turn_to_the_zone_of_the_job(doris, kafka, zone, hour):
    rows = loaded(doris, kafka, [{"k": "a", "at": "2024-01-02 03:04:05+08:00"}], properties=JSON + '"timezone" = "%s"' % zone)
    assert rows["a"]["at"].hour == hour
