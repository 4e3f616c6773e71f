"""An operator lost database and metadata: both come back from the files, also when that is killed on its way."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request

import pytest

from conftest import PROGRAMS, PYDICOM_DATA, Archive, Series, eventually, generate_uid


def get(archive, path):
    request = urllib.request.Request(archive.web + path, headers={"Accept": "application/dicom+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        # Where the server is reached changes from start to start.
        text = answer.read().decode().replace(archive.web, "")
        return json.loads(text or "[]"), answer.headers


def by(items, tag):
    return sorted(items, key=lambda item: item[tag]["Value"][0])


def everything(archive):
    """All answers of the archive: studies, series, instances and metadata."""
    studies = by(get(archive, "/studies?includefield=all")[0], "0020000D")
    answers = {"studies": studies, "series": by(get(archive, "/series?includefield=all")[0], "0020000E")}
    for study in studies:
        uid = study["0020000D"]["Value"][0]
        for path in (f"/studies/{uid}/instances", f"/studies/{uid}/metadata"):
            answers[path] = by(get(archive, path)[0], "00080018")
    return answers


def instances(archive):
    return sum(series["00201209"]["Value"][0] for series in get(archive, "/series")[0])


@pytest.fixture
def own_archive(tmp_path):
    if not (PROGRAMS / "wado").exists():
        pytest.fail(f"{PROGRAMS / 'wado'} is not there: build first (make test does)")
    archive = Archive(tmp_path / "data").start()
    yield archive
    assert archive.stop() == 0


def command(archive, *arguments):
    return [str(PROGRAMS / "wado"), *arguments, "--data", str(archive.data)]


def wado(archive, *arguments):
    return subprocess.run(command(archive, *arguments), capture_output=True, text=True, timeout=300)


def test_everything_comes_back_from_the_files(own_archive, tmp_path):
    archive = own_archive
    series = [Series(tmp_path / str(number), 3, StudyInstanceUID=generate_uid()) for number in range(6)]
    archive.dcmtk("storescu", *[file for one in series for file in one.files])
    assert wado(archive, "import", str(PYDICOM_DATA / "charset_files"), str(PYDICOM_DATA / "test_files")).stdout
    eventually(lambda: "waiting   0 instances to be indexed, 0 to be filed" in wado(archive, "status").stdout)
    count = instances(archive)
    assert count > 60
    before = everything(archive)
    assert wado(archive, "reconcile").returncode == 0

    assert archive.stop() == 0
    shutil.rmtree(archive.data / "postgres")
    for folder in (archive.data / "json").iterdir():
        shutil.rmtree(folder)
    archive.start()
    assert get(archive, "/studies")[0] == []
    assert wado(archive, "reconcile").returncode == 2

    # Slow, and killed when some of it is done.
    running = subprocess.Popen(
        command(archive, "reindex", "--from-files", "--rate", "8"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    eventually(lambda: 10 <= instances(archive) < count)
    eventually(lambda: "index is being made anew" in (get(archive, "/studies")[1]["Warning"] or ""))
    some = instances(archive)
    eventually(lambda: instances(archive) > some)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert instances(archive) < count

    result = wado(archive, "reindex", "--from-files")
    assert result.returncode == 0, result.stderr
    assert "an earlier run was taken up" in result.stdout
    assert f"{count} instances looked at" in result.stdout
    assert everything(archive) == before
    eventually(lambda: get(archive, "/studies")[1]["Warning"] is None)
    assert wado(archive, "reconcile", "--verify").returncode == 0

    # A byte of one file turns, another file loses its end: the first can be found by reading alone.
    files = sorted(next((archive.data / "store").rglob(str(series[0].series))).iterdir())
    with open(files[0], "r+b") as file:
        file.seek(-10, 2)
        byte = file.read(1)
        file.seek(-10, 2)
        file.write(bytes([byte[0] ^ 1]))
    os.truncate(files[1], files[1].stat().st_size - 2)
    assert wado(archive, "reconcile").returncode == 0
    result = wado(archive, "reconcile", "--verify")
    assert result.returncode == 2 and "2 files that are not as they were received" in result.stdout, result.stdout
    assert wado(archive, "reconcile", "--verify", "--repair").returncode == 2
    archive.dcmtk("storescu", *series[0].files)
    eventually(lambda: wado(archive, "reconcile", "--verify").returncode == 0)
