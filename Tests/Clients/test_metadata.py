"""Metadata of every sample that can be sent equals what pydicom says of the file, bulk data apart."""

import math
import warnings

import pydicom
import pytest
from conftest import PYDICOM_DATA, eventually
from test_pynetdicom import KEYS, raw_data_set, send_raw

# What differs on purpose: file -> tags, with the reason.
DIFFERENCES = {}
NAMES = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "rtdose.dcm",
    "reportsi.dcm", "test-SR.dcm", "image_dfl.dcm", "JPEG2000.dcm", "waveform_ecg.dcm", "examples_palette.dcm",
    "liver_1frame.dcm"]


def plain(value):
    """JSON without what may differ in form: bulk data, group lengths, empty sequences, what stands behind Pixel Data."""
    result = {}
    for tag, element in value.items():
        if tag.endswith("0000") or tag > "7FE00010":
            continue
        element = dict(element)
        if "BulkDataURI" in element or "InlineBinary" in element:
            element = {"vr": element["vr"], "bulk": True}
        if element.get("Value") == []:
            del element["Value"]
        if element.get("vr") == "SQ" and "Value" in element:
            element["Value"] = [plain(item) for item in element["Value"]]
        result[tag] = element
    return result


@pytest.mark.parametrize("name", NAMES)
def test_metadata(archive, web, name):
    path = PYDICOM_DATA / "test_files" / name
    if not path.exists():
        pytest.skip(f"this pydicom has no {name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        want = plain(dataset.to_json_dict())
    data_set, meta = raw_data_set(path)
    sop_class, instance, study, series = (str(dataset[key].value) for key in KEYS)
    assert send_raw(archive, data_set, sop_class, instance, str(meta.TransferSyntaxUID)) == 0

    def compare():
        got = plain(web.retrieve_instance_metadata(study, series, instance))
        leave = DIFFERENCES.get(name, ())
        different = sorted(
            tag for tag in want.keys() | got.keys()
            if tag not in leave and not equal(want.get(tag), got.get(tag)))
        assert not different, [(tag, want.get(tag), got.get(tag)) for tag in different[:3]]
        return True

    eventually(compare, 10)


def equal(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-12)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b
