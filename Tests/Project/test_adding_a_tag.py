"""docs/adding-a-tag.md, done: one line more in the spec, and everything else follows."""

import json
import subprocess
import urllib.parse
import urllib.request

import pytest
from conftest import clients, fixtures

LINE = "      - {name: manufacturer_model_name, tag: ManufacturerModelName, level: series, search: true, since: %d}\n"
BEHIND = "      - {name: series_description, "
TAG = "00081090"


@pytest.fixture(scope="module")
def load(request, tmp_path_factory):
    """Flags of `wado up` for Kafka with Doris behind it, and a client of that Doris; neither where no Kafka is."""
    try:
        kafka = request.getfixturevalue("kafka")
    except pytest.skip.Exception as missing:
        print(f"\nwithout Doris: {missing}")
        return [], None
    port = request.getfixturevalue("stand_in").port if not fixtures.REAL else 9030
    # Not the archive's default database, which other tests may have filled.
    flags = [
        "--bus", "kafka", "--kafka-brokers", kafka.brokers, "--logs", "doris",
        "--doris-host", "127.0.0.1", "--doris-port", str(port), "--doris-database", "adding_a_tag"]
    return flags, lambda: fixtures.Client(port, "adding_a_tag")


def found(archive, model):
    """Series that QIDO-RS finds by the model, with what it says of the answer."""
    url = f"{archive.web}/series?ManufacturerModelName={urllib.parse.quote(model)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = answer.read()
        return json.loads(body) if body else [], answer.headers.get("Warning")


def send(archive, series):
    archive.dcmtk("storescu", "-xe", *series.files)
    clients.eventually(lambda: all(
        json.load(urllib.request.urlopen(f"{archive.web}/studies/{series.study}/series"))[0]["00201209"]["Value"] == [len(series.files)]
        for _ in [0]), 60)


def psql(archive, sql):
    done = subprocess.run(
        ["psql", archive.endpoints["database"], "-XAtc", sql], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def start(project, load, tmp_path):
    """Starts the archive with the programs of the copy; it is stopped in any case."""
    started = []

    def begin():
        archive = clients.Archive(tmp_path / "data", *load[0], programs=project.program("wado").parent)
        started.append(archive)
        return archive.start()

    yield begin
    for archive in started:
        if archive.process.poll() is None:
            archive.stop()


def test_one_line(project, load, start, ct_series):
    flags, doris = load
    print(f"\nthe copy was built in {project.build():.0f} s")
    assert "0 changed" in project.generate_sql()

    archive = start()
    old = ct_series(3, ManufacturerModelName="Aquilion Old")
    send(archive, old)
    series, warning = found(archive, "Aquilion*")
    assert len(series) == 1 and "ManufacturerModelName" in warning      # asked for, not known, and said so
    assert archive.stop() == 0

    spec = project.spec.read_text()
    version = int(spec.split("\nversion: ")[1].split()[0]) + 1
    spec = spec.replace(f"\nversion: {version - 1}\n", f"\nversion: {version}\n")
    assert spec.count(BEHIND) == 1
    project.spec.write_text(spec.replace(BEHIND, LINE % version + BEHIND))
    print(f"after the change it was built in {project.build():.0f} s")

    said = project.generate_sql()
    for file in ["postgres/dicom_state_meta.sql", "doris/dicom_state_meta.sql", "doris/routine-load/dicom_state_meta.sql"]:
        assert file in said
        assert "manufacturer_model_name" in (project.folder / "generated-sql" / file).read_text()
    assert "ManufacturerModelName" in (project.folder / "docs" / "search-keys.md").read_text()

    archive = start()
    assert psql(archive, "SELECT count(*) FROM dicom_state_meta") == "1"
    assert psql(archive, "SELECT count(*) FROM dicom_state_meta WHERE manufacturer_model_name IS NULL") == "1"
    new = ct_series(2, ManufacturerModelName="Aquilion New")
    send(archive, new)
    series, warning = found(archive, "Aquilion*")
    # The old one, too, may have been met by the compaction of its metadata, which knows of all searched values.
    assert {s["0020000E"]["Value"][0]: s for s in series}[new.series][TAG]["Value"] == ["Aquilion New"]
    assert "manufacturer_model_name" in warning or "ManufacturerModelName" in warning      # old rows lack it still

    done = subprocess.run(
        [project.program("wado"), "reindex", "--columns", "manufacturer_model_name", "--data", archive.data, *flags],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    def complete():
        series, warning = found(archive, "Aquilion*")
        return {s[TAG]["Value"][0] for s in series} == {"Aquilion Old", "Aquilion New"} and not warning

    clients.eventually(complete)
    if doris:
        client = doris()
        fixtures.eventually(lambda: {(r["series_uid"], r["manufacturer_model_name"]) for r in client.execute(
            "SELECT series_uid, manufacturer_model_name FROM dicom_state_meta")}
            == {(old.series, "Aquilion Old"), (new.series, "Aquilion New")})
        client.close()
    assert archive.stop() == 0
