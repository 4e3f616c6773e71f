"""generated-sql/doris: every statement is taken, and what goes into the topics comes back equal."""

import datetime
import json
import re

import pytest
from conftest import GENERATED
from stand_in.reader import Reader, split

TABLES = sorted(p.stem for p in GENERATED.glob("*.sql"))
TEXT = "王小东=Ω\\\"'`\n\t%s"


def load_statement(name):
    return (GENERATED / "routine-load" / (name + ".sql")).read_text()


def definition(name):
    r = Reader(split((GENERATED / (name + ".sql")).read_text())[0])
    r.take("CREATE")
    r.take("TABLE")
    r.if_not_exists()
    return r.table(r.qualified()[1])


def value(column, i):
    """A message's value that fills the column, and what a client must read back."""
    kind = column.type.name
    if kind == "DATE":
        day = [datetime.date(1, 1, 1), datetime.date(1899, 12, 31), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)][i % 4]
        return day.isoformat(), day
    if kind == "DATETIME":
        at = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999) + datetime.timedelta(days=i)
        return at.strftime("%Y-%m-%d %H:%M:%S.%f"), at
    if kind == "DOUBLE":
        number = [0.1, -1.5e-300, 1e22, 123456789.0, 2.0 ** 53 + 2][i % 5]
        return number, number
    if kind == "INT":
        number = [-2 ** 31, 2 ** 31 - 1, 0][i % 3]
        return number, number
    if kind == "BIGINT":
        number = [-2 ** 63, 2 ** 63 - 1, 0][i % 3]
        return number, number
    if kind == "ARRAY":     # of texts; Doris prints them so
        return ["王^%d" % i, None, ""], '["王^%d", null, ""]' % i
    text = (TEXT % i if column.type.length >= 32 else str(i))
    if i % 2:
        while len(text.encode()) < column.type.length:      # full to the last byte
            text += "界" if column.type.length - len(text.encode()) >= 3 else "x"
    return text, text


def message(table, i):
    sent, expected = {}, {}
    for n, column in enumerate(table.columns):
        if column.nullable and (i + n) % 5 == 0:
            sent[column.name], expected[column.name] = None, None
        else:
            sent[column.name], expected[column.name] = value(column, i)
    first = table.keys[0]
    sent[first] = expected[first] = "%04d" % i + sent[first][4:]        # a key of its own for each
    return sent, expected


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_lost(doris, kafka, name):
    table = definition(name)
    doris.execute((GENERATED / (name + ".sql")).read_text())
    topic = kafka.topic(3)
    pairs = [message(table, i) for i in range(60)]
    for i, (sent, _) in enumerate(pairs):
        kafka.send(topic, sent, partition=i % 3)
    statement = re.sub(r'"kafka_topic" = "[^"]*"', '"kafka_topic" = "%s"' % topic, load_statement(name))
    statement = re.sub(r'"kafka_broker_list" = "[^"]*"', '"kafka_broker_list" = "%s"' % kafka.brokers, statement)
    doris.execute(statement)
    job_name = re.search(r"ROUTINE LOAD (\S+)", statement)[1]
    job = doris.await_rows(job_name, 60)
    assert (job["Statistic"]["errorRows"], job["Statistic"]["loadedRows"], job["State"]) == (0, 60, "RUNNING"), job
    assert job["Progress"] == {"0": "19", "1": "19", "2": "19"}
    rows = doris.execute("SELECT * FROM %s ORDER BY %s" % (name, table.keys[0]))
    assert rows == [expected for _, expected in pairs]
    # the same messages again: a replay changes nothing
    for i, (sent, _) in enumerate(pairs):
        kafka.send(topic, sent, partition=i % 3)
    doris.await_rows(job_name, 120)
    assert doris.execute("SELECT * FROM %s ORDER BY %s" % (name, table.keys[0])) == rows


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_those_of_the_load(doris, name):
    """No field is read and dropped, no column left behind, and the paths name the columns."""
    table = definition(name)
    body = load_statement(name)
    listed = [c.strip(" `") for c in re.search(r"COLUMNS \((.*?)\n\)", body, re.S)[1].replace("\n", "").split(",")]
    assert [c.name for c in table.columns] == listed
    paths = json.loads(re.search(r'"jsonpaths" = "(.*)"', body)[1].replace('\\"', '"'))
    assert paths == ["$." + c for c in listed]


def test_create_again_from_what_it_shows(doris):
    for name in TABLES:
        doris.execute((GENERATED / (name + ".sql")).read_text())
        before, columns = doris.create_table(name), doris.columns(name)
        doris.execute("DROP TABLE " + name)
        doris.execute(before)
        assert (doris.create_table(name), doris.columns(name)) == (before, columns)
