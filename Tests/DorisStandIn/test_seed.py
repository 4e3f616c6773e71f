"""The original's own scripts (../shared/seed) on the rules of Doris: taken as Doris takes them, losses and all.

The numbers are those of the list of drift and defects in the seed's README.
"""

import re

import pytest
from conftest import SHARED, needs_seed

pytestmark = needs_seed

OBJECT = {
    "trace_id": "t1", "worker_node_id": "w", "tenant_id": "1234567890", "patient_id": "P", "study_uid": "1.2",
    "series_uid": "1.2.3", "sop_uid": "1.2.3.4", "file_size": 526000, "file_path": "/a/b.dcm",
    "transfer_syntax_uid": "1.2.840.10008.1.2.1", "number_of_frames": 1, "created_time": "2024-01-02 03:04:05",
    "series_uid_hash": "01988685042348123509", "study_uid_hash": "01988685042348123509", "accession_number": "A",
    "target_ts": "1.2.840.10008.1.2.1", "study_date": "2024-01-02", "transfer_status": "NoNeedTransfer",
    "source_ip": "10.0.0.1", "source_ae": "CT1"}
STATE = {
    "tenant_id": "1234567890", "patient_id": "P", "study_uid": "1.2", "series_uid": "1.2.3", "study_uid_hash": "0",
    "series_uid_hash": "0", "study_date_origin": "20240102", "patient_name": "DOE^JANE", "study_date": "2024-01-02",
    "accession_number": "A", "series_number": 3, "series_related_instances": 250, "created_time": "2024-01-02 03:04:05",
    "updated_time": "2001-01-01 00:00:00"}
IMAGE = {
    "tenant_id": "1234567890", "patient_id": "P", "study_uid": "1.2", "series_uid": "1.2.3", "sop_uid": "1.2.3.4",
    "study_uid_hash": "0", "series_uid_hash": "0", "study_date_origin": "20240102", "width": 512, "columns": 256,
    "rescale_slope": 1.5, "transfer_syntax_uid": "1.2.840.10008.1.2.1", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"}


@pytest.fixture
def tables(doris):
    for statement in (SHARED / "seed" / "doris.sql").read_text().split(";"):
        if re.search("[a-z]", statement):
            doris.execute(statement)
    return doris


def load(doris, kafka, name):
    """Runs one of the original's load statements with this broker and a new topic; the topic."""
    text = (SHARED / "seed" / "routine-load.sql").read_text()
    statement = re.search(r"CREATE ROUTINE LOAD %s .*?;" % name, text, re.S)[0]
    topic = kafka.topic()
    statement = re.sub(r'"kafka_topic" = "[^"]*"', '"kafka_topic" = "%s"' % topic, statement)
    doris.execute(statement.replace("127.0.0.1:9092", kafka.brokers))
    return topic


def test_taken_as_written(tables):
    """4: the comma after the last column of dicom_image_meta is taken; 9: `columns` is not reserved."""
    assert {"dicom_object_meta", "dicom_state_meta", "dicom_image_meta"} == \
        {list(r.values())[0] for r in tables.execute("SHOW TABLES")}
    assert tables.columns("dicom_image_meta")["columns"] == ("int(11)", "YES")


def test_1_a_field_without_a_column_is_lost_without_a_word(tables, kafka):
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, STATE)
    job = tables.await_rows("medical_state_load", 1)
    assert (job["State"], job["Statistic"]["errorRows"], job["ReasonOfStateChanged"]) == ("RUNNING", 0, "")
    assert "`series_related_instances`" in job["JobProperties"]["columnToColumnExpr"]
    row = tables.execute("SELECT * FROM dicom_state_meta")[0]
    assert "series_related_instances" not in row and 250 not in row.values()
    assert "series_related_instances" in tables.refused("SELECT series_related_instances FROM dicom_state_meta")


def test_12_updated_time_is_the_time_of_the_load(tables, kafka):
    """The message's own updated_time is not used."""
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, STATE)
    tables.await_rows("medical_state_load", 1)
    assert tables.value("SELECT updated_time FROM dicom_state_meta").year > 2020
    assert str(tables.value("SELECT created_time FROM dicom_state_meta")) == "2024-01-02 03:04:05"


def test_2_one_column_of_two_types(tables):
    assert tables.columns("dicom_state_meta")["study_date_origin"] == ("varchar(8)", "NO")
    assert tables.columns("dicom_image_meta")["study_date_origin"] == ("date", "NO")


def test_3_and_13_an_empty_accession_number_or_date_loses_the_row(tables, kafka):
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, dict(STATE, accession_number=None), dict(STATE, study_date=None, series_uid="2"),
               dict(STATE, accession_number="12345678901234567", series_uid="3"), dict(STATE, series_uid="4"))
    job = tables.await_rows("medical_state_load", 4)
    # max_error_number of 1000: three rows are gone and the job runs on
    assert (job["State"], job["Statistic"]["errorRows"], job["Statistic"]["loadedRows"]) == ("RUNNING", 3, 1)
    assert job["Progress"] == {"0": "3"}
    assert [r["series_uid"] for r in tables.execute("SELECT series_uid FROM dicom_state_meta")] == ["4"]
    assert job["ErrorLogUrls"].startswith("http://")


def test_13_a_date_that_the_message_no_longer_carries_loses_the_image(tables, kafka):
    topic = load(tables, kafka, "medical_image_load")
    old, new = dict(IMAGE), dict(IMAGE, sop_uid="2")
    del new["study_date_origin"]
    kafka.send(topic, old, new)
    job = tables.await_rows("medical_image_load", 2)
    assert job["Statistic"]["errorRows"] == 1
    assert tables.value("SELECT COUNT(*) FROM dicom_image_meta") == 1


def test_5_duplicate_key_counts_a_replay_twice(tables, kafka):
    topic = load(tables, kafka, "medical_object_load")
    kafka.send(topic, OBJECT, OBJECT)
    tables.await_rows("medical_object_load", 2)
    assert tables.value("SELECT COUNT(*) FROM dicom_object_meta") == 2


def test_6_a_chinese_name_of_64_characters_does_not_fit(tables, kafka):
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, dict(STATE, patient_name="王" * 64), dict(STATE, patient_name="王" * 21, series_uid="2"))
    job = tables.await_rows("medical_state_load", 2)
    assert job["Statistic"]["errorRows"] == 1
    assert [r["patient_name"] for r in tables.execute("SELECT patient_name FROM dicom_state_meta")] == ["王" * 21]


def test_7_any_text_is_a_time(tables, kafka):
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, dict(STATE, study_time="10:11:12"), dict(STATE, study_time="101112.5", series_uid="2"),
               dict(STATE, study_time="noon", series_uid="3"))
    assert tables.await_rows("medical_state_load", 3)["Statistic"]["errorRows"] == 0
    assert {r["study_time"] for r in tables.execute("SELECT study_time FROM dicom_state_meta")} == \
        {"10:11:12", "101112.5", "noon"}


def test_11_one_bucket(tables):
    for name in ("dicom_object_meta", "dicom_state_meta", "dicom_image_meta"):
        assert "DISTRIBUTED BY HASH(`tenant_id`) BUCKETS 1\n" in tables.create_table(name)


def test_17_an_ipv6_address_or_a_long_path_loses_the_row(tables, kafka):
    topic = load(tables, kafka, "medical_object_load")
    kafka.send(topic, dict(OBJECT, source_ip="2001:0db8:85a3:0000:0000:8a2e:0370:7334"), dict(OBJECT, file_path="x" * 513))
    job = tables.await_rows("medical_object_load", 2)
    assert job["Statistic"]["errorRows"] == 2
    assert tables.value("SELECT COUNT(*) FROM dicom_object_meta") == 0


def test_19_a_zone_is_not_kept(tables, kafka):
    """A time with an offset is turned to the job's zone; one without is taken as it is: they cannot be told apart."""
    topic = load(tables, kafka, "medical_object_load")
    kafka.send(topic, dict(OBJECT, created_time="2024-01-02 03:04:05+08:00"), dict(OBJECT, created_time="2024-01-01 19:04:05"))
    tables.await_rows("medical_object_load", 2)
    zone = tables.job("medical_object_load")["JobProperties"]["timezone"]
    times = {str(r["created_time"]) for r in tables.execute("SELECT created_time FROM dicom_object_meta")}
    assert times == {"2024-01-01 19:04:05"} or zone != "UTC" and "2024-01-01 19:04:05" in times


def test_a_resent_state_is_one_row_but_by_patient(tables, kafka):
    """The key holds the patient's ID: a corrected one makes a second row of the same series."""
    topic = load(tables, kafka, "medical_state_load")
    kafka.send(topic, STATE, STATE, dict(STATE, patient_id="Q"))
    tables.await_rows("medical_state_load", 3)
    assert tables.value("SELECT COUNT(*) FROM dicom_state_meta") == 2
