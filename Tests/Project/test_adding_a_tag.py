"""docs/adding-a-tag.md, done: one line more in the spec, and everything else follows."""

import json
import shutil
import struct
import subprocess
import urllib.parse
import urllib.request

import pytest
from conftest import PROGRAMS, clients, fixtures, timed
from pydicom import Dataset, Sequence
from pynetdicom.dsutils import encode

LINE = "      - {name: manufacturer_model_name, tag: ManufacturerModelName, level: series, search: true, since: %d}\n"
# Others, of all kinds: of a private element, and of one in the items of a private sequence.
MORE = """      - {name: scan_mode, tag: '(0029,"ACME 1.2",08)', vr: CS, level: series, search: true, since: %d}
      - {name: coil, tag: '(0029,"ACME 1.2",20)[*].(0029,"OTHER",01)', vr: LO, level: series, search: true, since: %d}
      - {name: operators_name, tag: OperatorsName, values: all, level: series, search: true, since: %d}
"""
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


def get(archive, path):
    """The objects of an answer, and its warning."""
    with urllib.request.urlopen(archive.web + path, timeout=30) as answer:
        return json.loads(answer.read() or "[]"), answer.headers.get("Warning")


def found(archive, model):
    """Series that QIDO-RS finds by the model, with what it says of the answer."""
    return get(archive, f"/series?ManufacturerModelName={urllib.parse.quote(model)}")


def send(archive, series):
    archive.dcmtk("storescu", "-xe", *series.files)
    clients.eventually(
        lambda: get(archive, f"/studies/{series.study}/series")[0][0]["00201209"]["Value"] == [len(series.files)], 60)


def psql(archive, sql):
    done = subprocess.run(
        ["psql", archive.endpoints["database"], "-XAtc", sql], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def private_series(ct_series, mode, coils, *before, unknown=False):
    """A series whose private blocks lie behind those of others, with a sequence that may be written as bytes."""
    series = ct_series(1, OperatorsName=["Tester^Tom", f"Nurse^{mode}"])
    item = series.instances[0]
    for other in before:
        item.private_block(0x0029, other, create=True).add_new(0x08, "CS", "WRONG")
    block = item.private_block(0x0029, "ACME 1.2", create=True)
    block.add_new(0x08, "UN" if unknown else "CS", mode.encode() if unknown else mode)
    inner = []
    for number, coil in enumerate(coils):
        inner.append(Dataset())
        for other in ["FIRST"] * (number % 2):
            inner[-1].private_block(0x0029, other, create=True).add_new(0x01, "LO", "WRONG")
        inner[-1].private_block(0x0029, "OTHER", create=True).add_new(0x01, "LO", coil)
    value = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data
        for data in (encode(one, True, True) for one in inner)) if unknown else Sequence(inner)
    block.add_new(0x20, "UN" if unknown else "SQ", value)
    item.save_as(series.files[0], enforce_file_format=True)
    return series


def of_all_kinds(archive, ct_series):
    """C-STORE to QIDO-RS: private elements wherever their blocks lie, arrays, and attributes of all items."""
    plain = private_series(ct_series, "FAST", ["HEAD", "NECK"])
    hidden = private_series(ct_series, "SLOW", ["BODY", "HEAD"], "FIRST", "SECOND", unknown=True)
    for series in (plain, hidden):
        send(archive, series)

    def search(query):
        return {one["0020000E"]["Value"][0]: one for one in get(archive, f"/series?{query}")[0]}

    creator = "00290010=ACME%201.2"
    for query, expected in [
            ("00291008=FAST", {plain.series}), ("00291008=SLOW", {hidden.series}), ("00291008=WRONG", set()),
            ("00291008=SLOW&" + creator, {hidden.series}), ("00297708=SLOW&00290077=ACME%201.2", {hidden.series}),
            ("00291020.00291101=HEAD", {plain.series, hidden.series}), ("00291020.00291101=BODY", {hidden.series}),
            ("00291020.00291101=WRONG", set()), ("OperatorsName=nurse^slow", {hidden.series}),
            ("OperatorsName=Tester^Tom", {plain.series, hidden.series})]:
        assert search(query).keys() == expected, query
    # What is asked for comes with the element that says whose it is (PS3.18 10.6.3.3).
    answers = search(f"StudyInstanceUID={hidden.study}&includefield=00291008,00291020,00081070&{creator}")
    answer = answers[hidden.series]
    assert answer["00290010"] == {"vr": "LO", "Value": ["ACME 1.2"]}
    assert answer["00291008"] == {"vr": "CS", "Value": ["SLOW"]}
    assert [item["00291101"]["Value"] for item in answer["00291020"]["Value"]] == [["BODY"], ["HEAD"]]
    assert all(item["00290011"]["Value"] == ["OTHER"] for item in answer["00291020"]["Value"])
    assert [name["Alphabetic"] for name in answer["00081070"]["Value"]] == ["Tester^Tom", "Nurse^SLOW"]
    # Of each instance, too, though the file has another block for it.
    instance = get(archive, f"/studies/{hidden.study}/instances?includefield=00291008")[0][0]
    assert instance["00290010"]["Value"] == ["ACME 1.2"] and "00291008" in instance
    assert psql(archive, "SELECT scan_mode || ' ' || coil::text || ' ' || operators_name::text FROM dicom_state_meta"
                f" WHERE series_uid = '{hidden.series}'") == 'SLOW {BODY,HEAD} {Tester^Tom,Nurse^SLOW}'


@pytest.fixture
def start(load, tmp_path):
    """Starts the archive with the programs of a folder; it is stopped in any case."""
    started = []

    def begin(programs, which):
        archive = clients.Archive(tmp_path / "data", *load[0], programs=programs)
        started.append(archive)
        with timed(f"start of the archive, {which}"):
            return archive.start()

    yield begin
    for archive in started:
        if archive.process.poll() is None:
            archive.stop()


def test_one_line(project, load, start, ct_series, tmp_path):
    flags, doris = load
    with timed("first build of the copy"):
        project.build()
    assert "0 changed" in project.generate_sql()
    programs, before = project.program("wado").parent, tmp_path / "before"
    before.mkdir()
    for name in PROGRAMS:
        shutil.copy2(programs / name, before)

    archive = start(before, "as it was")
    old = ct_series(3, ManufacturerModelName="Aquilion Old")
    send(archive, old)
    series, warning = found(archive, "Aquilion*")
    assert len(series) == 1 and "ManufacturerModelName" in warning      # asked for, not known, and said so
    assert archive.stop() == 0

    spec = project.spec.read_text()
    version = int(spec.split("\nversion: ")[1].split()[0]) + 1
    spec = spec.replace(f"\nversion: {version - 1}\n", f"\nversion: {version}\n")
    assert spec.count(BEHIND) == 1
    project.spec.write_text(spec.replace(BEHIND, LINE % version + MORE % ((version,) * 3) + BEHIND))
    with timed("build after the change of the spec"):
        project.build()

    with timed("generate-sql"):
        said = project.generate_sql()
    for file in ["postgres/dicom_state_meta.sql", "doris/dicom_state_meta.sql", "doris/routine-load/dicom_state_meta.sql"]:
        assert file in said
        assert "manufacturer_model_name" in (project.folder / "generated-sql" / file).read_text()
    assert "ManufacturerModelName" in (project.folder / "docs" / "search-keys.md").read_text()

    archive = start(programs, "with the new column")
    # The running archive's databases, also without a word of where they are.
    plan = subprocess.run([programs / "wado", "schema", "plan", "--data", archive.data], capture_output=True, text=True, timeout=300)
    assert plan.returncode == 0 and ("Doris" in plan.stdout) == bool(doris), plan.stdout + plan.stderr
    assert psql(archive, "SELECT count(*) FROM dicom_state_meta") == "1"
    assert psql(archive, "SELECT count(*) FROM dicom_state_meta WHERE manufacturer_model_name IS NULL") == "1"
    new = ct_series(2, ManufacturerModelName="Aquilion New")
    with timed("from sending to being counted"):
        send(archive, new)
    series, warning = found(archive, "Aquilion*")
    # The old one, too, may have been met by the compaction of its metadata, which knows of all searched values.
    assert {s["0020000E"]["Value"][0]: s for s in series}[new.series][TAG]["Value"] == ["Aquilion New"]
    assert "manufacturer_model_name" in warning or "ManufacturerModelName" in warning      # old rows lack it still
    assert archive.stop() == 0

    late = by_older_services(start, ct_series, programs, before, tmp_path / "mixed")

    archive = start(programs, "all new again")
    with timed("reindex --columns"):
        done = subprocess.run(
            [programs / "wado", "reindex", "--columns", "manufacturer_model_name", "--data", archive.data, *flags],
            capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    models = {old.series: "Aquilion Old", late.series: "Aquilion Late", new.series: "Aquilion New"}

    def complete():
        series, warning = found(archive, "Aquilion*")
        return {s["0020000E"]["Value"][0]: s[TAG]["Value"][0] for s in series} == models and not warning

    clients.eventually(complete)
    of_all_kinds(archive, ct_series)
    if doris:
        client = doris()
        with timed("until Doris has it all"):
            fixtures.eventually(lambda: models.items() <= {(r["series_uid"], r["manufacturer_model_name"]) for r in client.execute(
                "SELECT series_uid, manufacturer_model_name FROM dicom_state_meta")})
        client.close()
    assert archive.stop() == 0


def by_older_services(start, ct_series, programs, before, mixed):
    """A series that was received, indexed and counted by services of before, though the database has gone on."""
    older = ["wado-storescp", "wado-consumer", "wado-webworker"]
    mixed.mkdir()
    shutil.copy2(programs / "wado", mixed)      # which starts the services of the folder that it lies in
    for name in PROGRAMS[1:]:
        (mixed / name).symlink_to((before if name in older else programs) / name)
    archive = start(mixed, "with older services beside")
    assert "the database has a newer schema" in (archive.data / "log" / "wado-consumer.log").read_text()
    late = ct_series(2, ManufacturerModelName="Aquilion Late")
    send(archive, late)
    series, warning = found(archive, "Aquilion Late")
    assert not series and "ManufacturerModelName" in warning
    assert psql(archive, "SELECT count(*) FROM dicom_state_meta WHERE manufacturer_model_name IS NULL"
                f" AND series_uid = '{late.series}'") == "1"
    assert archive.stop() == 0
    return late
