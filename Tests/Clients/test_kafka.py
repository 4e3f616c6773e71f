"""The archive with Kafka as its event bus: a real broker, whose services and broker are killed while images come in."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from conftest import PROGRAMS, SHARED, Archive, eventually, number, stored
from dicomweb_client.api import DICOMwebClient

TOOLS = SHARED / "kafka" if SHARED else None
pytestmark = [
    pytest.mark.skipif(
        TOOLS is None or not (TOOLS / "kafka-start").exists(), reason="no Apache Kafka in a folder shared beside the project"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
    pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")]


class Broker:
    """An Apache Kafka of these tests, stopped by its own pid."""

    def __init__(self, folder):
        self.folder = folder
        self.address = self.tool("kafka-start", folder)

    def tool(self, name, *arguments):
        result = subprocess.run(
            [TOOLS / name, *map(str, arguments)], check=True, capture_output=True, text=True, timeout=180,
            stdin=subprocess.DEVNULL)
        return result.stdout.strip()

    def start(self):
        assert self.tool("kafka-start", self.folder) == self.address

    def stop(self, *arguments):
        self.tool("kafka-stop", self.folder, *arguments)

    def rows(self, topic):
        """All messages of a topic, as they are."""
        found = self.tool(
            "kafka-tool", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", self.address, "--topic",
            topic, "--from-beginning", "--timeout-ms", "3000")
        return [json.loads(line) for line in found.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def archive(broker, tmp_path_factory):
    running = Archive(
        tmp_path_factory.mktemp("archive-kafka") / "data", "--bus", "kafka", "--kafka-brokers", broker.address, "--logs",
        "doris", "--kafka-partitions", "4", "--kafka-session-seconds", "2", "--kafka-delivery-seconds", "5").start()
    yield running
    assert running.stop() == 0


def latest(rows):
    """What Doris keeps of each series: the row of the greatest updated_time."""
    series = {}
    for row in rows:
        key = row["tenant_id"], row["study_uid"], row["series_uid"]
        if key not in series or row["updated_time"] >= series[key]["updated_time"]:
            series[key] = row
    return series


def kill_consumer(archive):
    def running():
        # Not there while the one killed before is being replaced.
        return json.loads((archive.data / "endpoints.json").read_text())["processes"].get("wado-consumer")

    os.kill(eventually(running), signal.SIGKILL)


def test_nothing_is_lost_when_the_consumer_is_killed(archive, broker, web, ct_series):
    series = ct_series(60)
    for part in range(6):
        archive.dcmtk("storescu", *series.files[part * 10:part * 10 + 10])
        if part in (1, 3):
            kill_consumer(archive)
    stored(web, series.study, 60)
    assert len(web.retrieve_series_metadata(series.study, series.series)) == 60
    found = web.retrieve_series(series.study, series.series)
    pixels = {instance.SOPInstanceUID: instance.PixelData for instance in found}
    assert pixels == {sent.SOPInstanceUID: sent.PixelData for sent in series.instances}

    # What Doris loads: each instance at least once, and the series as the index has it.
    sent = {str(instance.SOPInstanceUID) for instance in series.instances}
    for topic in ("log_queue", "dicom_image_queue"):
        assert {row["sop_uid"] for row in broker.rows(topic) if row["study_uid"] == series.study} == sent

    def agrees():
        rows = latest(broker.rows("dicom_state_queue"))
        row = next(row for (_, study, _), row in rows.items() if study == series.study)
        return row["series_related_instances"] == 60 and row["representative_sop_uid"] == min(sent) and row

    assert eventually(agrees)["patient_name"] == "Doe^Jane"
    assert eventually(lambda: [
        row for row in broker.rows("webapi_access_queue")
        if row["study_uid"] == series.study and row["operation"] == "metadata-series" and row["status"] == 200])


def test_a_broker_that_is_away_costs_no_instance(archive, broker, web, ct_series):
    series = ct_series(20)
    archive.dcmtk("storescu", *series.files[:5])
    broker.stop("--kill")
    try:
        archive.dcmtk("storescu", *series.files[5:])
    finally:
        broker.start()
    found = eventually(lambda: stored(web, series.study, 20), 60)
    assert number(found, "00201208") == 20


def test_status_and_doctor_know_the_bus(archive, broker):
    for command, text in (("status", f"Kafka at {broker.address}"), ("doctor", "1 brokers, 6 of 6 topics")):
        result = subprocess.run(
            [PROGRAMS / "wado", command, "--data", archive.data], capture_output=True, text=True, timeout=60)
        assert text in result.stdout, result.stdout + result.stderr
    result = subprocess.run(
        [PROGRAMS / "wado", "replay", "all", "--data", archive.data], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "0 messages" in result.stdout, result.stdout + result.stderr


def test_topics_that_may_not_be_made_are_named(tmp_path):
    empty = Broker(tmp_path / "kafka")
    try:
        result = subprocess.run(
            [PROGRAMS / "wado", "up", "--data", tmp_path / "data", "--dicom-port", "0", "--http-port", "0", "--bus", "kafka",
             "--kafka-brokers", empty.address, "--kafka-create-topics=false"],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    finally:
        empty.stop()
    assert result.returncode == 1
    assert f"rpk topic create storage_queue --brokers {empty.address} -p 8 -r 1" in result.stderr
    assert f"kafka-topics.sh --bootstrap-server {empty.address} --create --if-not-exists --topic log_queue" in result.stderr


@pytest.fixture
def web(archive):
    return DICOMwebClient(archive.web)
