"""What is odd with instances is told, and nothing of a patient with it."""

import contextlib
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import time

import pydicom
from pydicom import uid
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from conftest import PROGRAMS, Archive, ct_slice, eventually

# Values of the files, each of which could be a patient's.
SECRETS = ["Secret", "SECRET", "31.02.1999", "a day in spring", "heavy", "Geheim"]


def wado(archive, *arguments):
    return subprocess.run(
        [PROGRAMS / "wado", *map(str, arguments), "--data", archive.data],
        capture_output=True, text=True, timeout=300, check=True).stdout


def problems(archive, *arguments):
    return json.loads(wado(archive, "problems", "--json", *arguments))["problems"]


def rules(archive, instance, *arguments):
    return {row["rule"] for row in problems(archive, *arguments) if row["sop_uid"] == instance.SOPInstanceUID}


def raw(instance, keyword, vr, value):
    """Sets an element to bytes that pydicom would not write."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    instance[tag] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(tag), vr, len(value), value, 0, False, True)


def send(archive, instance, sop_instance_uid=None):
    """C-STORE with what the instance holds, right or wrong; returns the status."""
    ae = AE(ae_title="ODDSENDER")
    ae.add_requested_context(uid.CTImageStorage, uid.ExplicitVRLittleEndian)
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    assert association.is_established
    try:
        if sop_instance_uid:
            # The command says another instance than the data set, as send_c_store would not. As there, the
            # association's own thread must not take the answer.
            association._reactor_checkpoint.clear()
            while not association._is_paused:
                time.sleep(0.01)
            request = C_STORE()
            request.MessageID, request.Priority = 1, 2
            request.AffectedSOPClassUID = uid.CTImageStorage
            request.AffectedSOPInstanceUID = sop_instance_uid
            request.DataSet = io.BytesIO(encode(instance, False, True))
            association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
            _, answer = association.dimse.get_msg(block=True)
            association._reactor_checkpoint.set()
            return answer.Status
        return association.send_c_store(instance).Status
    finally:
        association.release()


def odd(number, **attributes):
    attributes = {"PatientName": "Secret^Sally", "PatientID": "SECRET-1", "StudyDescription": "SECRET", **attributes}
    return ct_slice(uid.generate_uid(), uid.generate_uid(), number, **attributes)


def test_odd_values_refusals_and_what_is_well_again(archive):
    bad_date = odd(1)
    raw(bad_date, "PatientBirthDate", "DA", b"31.02.1999")
    raw(bad_date, "StudyDate", "DA", b"a day in spring ")
    long_text = odd(2)
    raw(long_text, "InstitutionName", "LO", b"SECRET " * 40)
    bad_number = odd(3)
    raw(bad_number, "SeriesNumber", "IS", b"Secret one")
    raw(bad_number, "PatientWeight", "DS", b"heavy ")
    wrong_characters = odd(4)
    wrong_characters.SpecificCharacterSet = "ISO_IR 6"
    raw(wrong_characters, "ReferringPhysicianName", "PN", b"Geheim^J\xfcrgen")
    short = odd(5)
    short.PixelData = short.PixelData[:100]
    for instance in [bad_date, long_text, bad_number, wrong_characters, short]:
        assert send(archive, instance) == 0x0000

    no_study = odd(6)
    no_study.StudyInstanceUID = ""
    assert send(archive, no_study) == 0xC000
    other = odd(7)
    assert send(archive, other, uid.generate_uid()) == 0xA900

    eventually(lambda: rules(archive, bad_date) == {"not-a-date"}, 60)
    eventually(lambda: rules(archive, long_text) == {"too-long"}, 60)
    eventually(lambda: rules(archive, bad_number) == {"not-a-number"}, 60)
    eventually(lambda: rules(archive, wrong_characters) >= {"outside-character-set"}, 60)
    eventually(lambda: rules(archive, short) == {"pixel-data-too-short"}, 60)
    eventually(lambda: rules(archive, no_study) == {"study-uid-invalid"}, 60)
    eventually(lambda: any(row["rule"] == "sop-instance-uid-differs" for row in problems(archive)), 60)

    refused = problems(archive, "--severity", "refused", "--since", "1h")
    assert {row["source_ae"] for row in refused} >= {"ODDSENDER"}
    assert all(row["state"] == "open" and row["severity"] == "refused" for row in refused)
    weight = [row for row in problems(archive, "--rule", "not-a-number") if row["column_name"] == "patient_weight"]
    assert weight and weight[0]["tag_path"] == "(0010,1030)" and weight[0]["study_uid"] == bad_number.StudyInstanceUID

    # Nothing of a patient, in no form and no log.
    outputs = [wado(archive, "problems", "--all", *form) for form in ([], ["--json"], ["--csv"], ["--tail", "500"])]
    outputs += [wado(archive, "logs", log) for log in ("access", "objects", "images")]
    outputs += [wado(archive, "logs", "objects", "--json", "--tail", "500"), wado(archive, "logs", "images", "--csv")]
    logs = [path for path in (archive.data / "log").rglob("*") if path.is_file()]
    assert logs
    outputs += [path.read_text(errors="replace") for path in logs]
    outputs.append((archive.data.parent / "wado-up.txt").read_text(errors="replace"))
    assert "not-a-date" in outputs[0] and "ODDSENDER" in outputs[0]
    for output in outputs:
        for secret in SECRETS:
            assert secret not in output

    # Sent again, right this time: its problems are cleared.
    mended = odd(1)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(mended, keyword, getattr(bad_date, keyword))
    mended.file_meta.MediaStorageSOPInstanceUID = bad_date.SOPInstanceUID
    assert send(archive, mended) == 0x0000
    eventually(lambda: rules(archive, bad_date) == set(), 60)
    assert rules(archive, bad_date, "--all") == {"not-a-date"}
    # And so is a refusal, when the instance comes after all.
    no_study.StudyInstanceUID = uid.generate_uid()
    assert send(archive, no_study) == 0x0000
    eventually(lambda: rules(archive, no_study) == set(), 60)


def children(parent):
    """The processes that a process has started."""
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if status.read_text().rpartition(")")[2].split()[1] == str(parent):
                yield int(status.parent.name)


def test_a_refusal_survives_a_kill(tmp_path):
    """The database, which carries the events here, does not answer; the receiver is killed right behind its own answer."""
    archive = Archive(tmp_path / "data").start()
    try:
        postmaster = int(next(archive.data.glob("**/postmaster.pid")).read_text().split()[0])
        database = [postmaster, *children(postmaster)]
        refused = [odd(number) for number in range(1, 4)]
        for process in database:
            os.kill(process, signal.SIGSTOP)
        try:
            for instance in refused:
                instance.SeriesInstanceUID = ""
                assert send(archive, instance) == 0xC000
            os.kill(archive.endpoints["processes"]["wado-storescp"], signal.SIGKILL)
        finally:
            for process in database:
                os.kill(process, signal.SIGCONT)
        eventually(lambda: all(rules(archive, one) == {"series-uid-invalid"} for one in refused), 90)
        rows = problems(archive, "--rule", "series-uid-invalid")
        assert sorted(row["sop_uid"] for row in rows) == sorted(one.SOPInstanceUID for one in refused)
        assert all(row["study_uid"] == one.StudyInstanceUID for one in refused for row in rows if row["sop_uid"] == one.SOPInstanceUID)
    finally:
        assert archive.stop() == 0


def test_lists_are_for_scripts_too(archive):
    instance = odd(11)
    raw(instance, "SeriesNumber", "IS", b"Secret one")
    assert send(archive, instance) == 0x0000
    eventually(lambda: rules(archive, instance) == {"not-a-number"}, 60)
    rows = list(csv.DictReader(io.StringIO(wado(archive, "problems", "--csv", "--study", instance.StudyInstanceUID))))
    assert [row["column_name"] for row in rows] == ["series_number"]
    assert rows[0]["severity"] == "error" and rows[0]["tenant_id"] and rows[0]["program"] == "wado-consumer"
    objects = json.loads(wado(archive, "logs", "objects", "--json", "--study", instance.StudyInstanceUID))
    assert [row["sop_uid"] for row in objects] == [instance.SOPInstanceUID]
    assert objects[0]["source_ae"] == "ODDSENDER" and isinstance(objects[0]["file_size"], int)
    by_trace = list(csv.DictReader(io.StringIO(wado(archive, "logs", "images", "--csv", "--trace", objects[0]["trace_id"]))))
    assert [row["sop_uid"] for row in by_trace] == [instance.SOPInstanceUID]


def test_requests_are_in_the_log(archive, web):
    study = uid.generate_uid()
    web.search_for_studies(search_filters={"StudyInstanceUID": study})
    try:
        web.retrieve_study_metadata(study)
    except Exception:  # noqa: BLE001 - there is no such study
        pass
    rows = eventually(lambda: json.loads(wado(archive, "logs", "access", "--json", "--study", study)), 60)
    assert rows[-1]["status"] == 404 and rows[-1]["method"] == "GET"
    assert len(wado(archive, "logs", "--tail", "1").splitlines()) == 2


def test_what_is_asked_for_wrongly_is_explained(archive):
    for arguments in (["problems", "--severity", "terrible"], ["logs", "everything"], ["problems", "--since", "soon"],
                      ["problems", "--json", "--csv"], ["logs", "--tail", "0"]):
        result = subprocess.run(
            [PROGRAMS / "wado", *arguments, "--data", archive.data], capture_output=True, text=True, timeout=60)
        assert result.returncode == 78 and result.stderr and not result.stdout
