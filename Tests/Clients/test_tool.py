"""The tool for people: sample, import, status, doctor."""

import json
import os
import subprocess

import pytest
from conftest import PROGRAMS, PYDICOM_DATA, eventually, stored


def wado(*arguments, check=True):
    return subprocess.run(
        [PROGRAMS / "wado", *map(str, arguments)], capture_output=True, text=True, timeout=300, check=check)


def test_status(archive):
    text = wado("status", "--data", archive.data).stdout
    assert str(archive.port) in text


def test_schema_shows_and_mends_what_was_changed_by_hand(archive):
    at = ("--data", archive.data)
    assert wado("schema", "plan", *at).stdout == "PostgreSQL: nothing to do\n"
    assert wado("schema", "plan", "--store", "postgres", *at).returncode == 0
    assert wado("schema", "diff", *at).returncode == 0
    drop = ["psql", "-Xqd", archive.endpoints["database"], "-c", "DROP INDEX dicom_state_variant_study_id_idx"]
    subprocess.run(drop, check=True)
    plan = wado("schema", "plan", *at, check=False)
    assert plan.returncode == 2 and "CREATE INDEX IF NOT EXISTS dicom_state_variant_study_id_idx" in plan.stdout
    diff = wado("schema", "diff", *at, check=False)
    assert diff.returncode == 2 and "index dicom_state_variant_study_id_idx is missing" in diff.stdout
    assert "nothing is left to do" in wado("schema", "apply", *at).stdout
    assert wado("schema", "diff", *at).returncode == 0
    assert "index dicom_state_variant_study_id_idx: new index" in wado("schema", "status", *at).stdout


def test_schema_explains_columns_and_prints_the_ddl():
    text = wado("schema", "explain", "dicom_state_meta.patient_name").stdout
    for part in ("(0010,0010)", "PN", "varchar(194)", "VARCHAR(776)", "lower(patient_name)", "medical_state_load",
                 "fuzzy), patient level", "spec version 1"):
        assert part in text
    wrong = wado("schema", "explain", "patient_nane", check=False)
    assert wrong.returncode == 1 and "did you mean patient_name?" in wrong.stderr
    for attribute in ("PatientName", "(0010,0010)", "0010,0010"):
        assert text in wado("schema", "explain", attribute).stdout
    assert "GIN of procedure_code" in wado("schema", "explain", "procedure_code").stdout
    wrong = wado("schema", "explain", "PatientNane", check=False)
    assert wrong.returncode == 1 and "did you mean PatientName?" in wrong.stderr
    unused = wado("schema", "explain", "PatientMotherBirthName", check=False)
    assert unused.returncode == 1 and "no table has a column of PatientMotherBirthName (0010,1060)" in unused.stderr
    sql = wado("schema", "sql", "--store", "postgresql").stdout
    assert wado("schema", "sql", "--store", "postgres").stdout == sql
    assert "CREATE TABLE IF NOT EXISTS dicom_state_meta (" in sql and "ROUTINE LOAD" not in sql


def test_status_counts_what_waits(archive, web, ct_series):
    series = ct_series(2)
    archive.dcmtk("storescu", *series.files)
    stored(web, series.study, 2)
    eventually(lambda: "0 series to be compacted" in wado("status", "--data", archive.data).stdout, 60)


def test_endpoints_have_the_agreed_form(archive):
    endpoints = json.loads((archive.data / "endpoints.json").read_text())
    assert set(endpoints["dicom"]) >= {"host", "port", "ae_title"}
    assert endpoints["web"]["root"].startswith("http://")
    assert set(endpoints["processes"]) >= {"wado-storescp", "wado-consumer", "wado-webworker", "wado-server"}


def test_import_folder(archive, web, ct_series, tmp_path):
    series = ct_series(5)
    folder = series.files[0].parent
    (folder / "notes.txt").write_text("not DICOM")
    result = wado("import", folder, "--data", archive.data, check=False)
    assert "5" in result.stdout + result.stderr
    stored(web, series.study, 5)


def test_import_of_every_sample_never_fails_silently(archive):
    result = wado("import", PYDICOM_DATA / "test_files", "--data", archive.data, check=False)
    assert result.returncode in (0, 1)
    assert "refused" in (result.stdout + result.stderr).lower()


def test_sample(archive, web):
    wado("sample", "--data", archive.data)
    found = web.search_for_studies(search_filters={"PatientName": "*hantom*"})
    assert found or web.search_for_studies(search_filters={"ModalitiesInStudy": "CT"})


def test_unknown_subcommand_and_setting_are_explained():
    for arguments in (["frobnicate"], ["up", "--dicom-prot", "1"]):
        result = wado(*arguments, check=False)
        assert result.returncode != 0
        assert result.stderr
    assert wado("--help").returncode == 0


def test_a_folder_without_rights():
    """By a user who has none: root may do everything."""
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    user = other.get("user", os.geteuid())
    for command in ("up", "doctor"):
        try:
            result = subprocess.run(
                [PROGRAMS / "wado", command, "--data", "/etc/wado"], capture_output=True, text=True, timeout=60,
                cwd="/", env={"PATH": os.environ["PATH"]}, **other)
        except PermissionError:
            pytest.skip("the programs are in a folder that only root may enter")
        assert result.returncode == 1
        text = result.stdout + result.stderr
        assert f"cannot make /etc/wado: Permission denied; give user {user} the right to write there" in text


def test_doctor_finds_a_folder_that_cannot_be_made(tmp_path):
    bad = wado("doctor", "--data", "/proc/wado", check=False)
    assert bad.returncode == 1 and "BAD   data folder /proc/wado: cannot be used" in bad.stdout
    good = wado("doctor", "--data", tmp_path / "a" / "b", check=False)
    assert f"data folder {tmp_path / 'a' / 'b'}: " in good.stdout and "cannot be used" not in good.stdout
    assert not list(tmp_path.iterdir())


def test_doctor(archive):
    result = wado("doctor", "--data", archive.data, check=False)
    assert "PostgreSQL" in result.stdout
