"""dicomweb-client: search, metadata, retrieve, frames, bulk data."""

import pydicom
import pytest
import requests
from conftest import PYDICOM_DATA, eventually, number, stored
from pydicom.uid import generate_uid
from test_pynetdicom import raw_data_set, send_raw


@pytest.fixture
def series(archive, web, ct_series):
    series = ct_series(6, PatientID="Q-" + generate_uid()[-12:], PatientName="Müller^Jürgen")
    archive.dcmtk("storescu", *series.files)
    stored(web, series.study, 6)
    return series


def test_search_studies(web, series):
    patient = series.instances[0].PatientID
    found = web.search_for_studies(search_filters={"PatientID": patient})
    assert [number(study, "0020000D") for study in found] == [series.study]
    study = found[0]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Jürgen"}]
    assert number(study, "00080020") == "20240301"
    assert number(study, "00201206") == 1
    assert number(study, "00201208") == 6
    assert number(study, "00081190").endswith(f"/studies/{series.study}")


@pytest.mark.parametrize(
    "filters", [
        {"PatientName": "müller*"}, {"StudyDate": "20240201-20240401"}, {"StudyDate": "20240301"},
        {"StudyDate": "-20240302"}, {"StudyDate": "20240229-"}, {"AccessionNumber": "A-7?"},
        {"ModalitiesInStudy": "CT"}, {"StudyDescription": "He*"}, {"00080020": "20240301"}])
def test_search_studies_found(web, series, filters):
    patient = series.instances[0].PatientID
    found = web.search_for_studies(search_filters={"PatientID": patient, **filters})
    assert [number(study, "0020000D") for study in found] == [series.study]


@pytest.mark.parametrize(
    "filters", [
        {"PatientName": "Smith*"}, {"StudyDate": "20240302-"}, {"AccessionNumber": "A-7"}, {"ModalitiesInStudy": "MR"},
        {"StudyDescription": "%"}])
def test_search_studies_absent(web, series, filters):
    patient = series.instances[0].PatientID
    assert web.search_for_studies(search_filters={"PatientID": patient, **filters}) == []


def test_search_series_and_instances(web, series):
    found = web.search_for_series(series.study, search_filters={"Modality": "CT"})
    assert [number(one, "0020000E") for one in found] == [series.series]
    assert number(found[0], "00201209") == 6
    instances = web.search_for_instances(series.study, series.series)
    assert {number(one, "00080018") for one in instances} == {str(one.SOPInstanceUID) for one in series.instances}
    third = web.search_for_instances(series.study, series.series, search_filters={"InstanceNumber": "3"})
    assert [number(one, "00080018") for one in third] == [series.instances[2].SOPInstanceUID]
    page = web.search_for_instances(series.study, series.series, limit=2, offset=2)
    assert len(page) == 2


def test_includefield(web, series):
    found = web.search_for_instances(series.study, series.series, fields=["SliceThickness"])
    assert all(number(one, "00180050") == 2.5 for one in found)


def test_metadata_equals_pydicom(web, series):
    got = {number(one, "00080018"): one for one in web.retrieve_series_metadata(series.study, series.series)}
    for instance in series.instances:
        want = instance.to_json_dict()
        item = got[instance.SOPInstanceUID]
        pixels = item.pop("7FE00010")
        assert want.pop("7FE00010") and pixels["vr"] == "OW" and "BulkDataURI" in pixels
        assert item == want


def test_retrieve_equals_what_was_sent(web, series):
    for instance in series.instances:
        got = web.retrieve_instance(series.study, series.series, instance.SOPInstanceUID)
        assert got == instance
        assert got.file_meta.get("PrivateInformation") is None
    assert len(web.retrieve_series(series.study, series.series)) == 6
    assert len(web.retrieve_study(series.study)) == 6
    assert len(web.retrieve_study_metadata(series.study)) == 6
    assert len(web.retrieve_instance_metadata(series.study, series.series, instance.SOPInstanceUID)) > 10


def test_frames(web, series):
    instance = series.instances[1]
    frames = web.retrieve_instance_frames(series.study, series.series, instance.SOPInstanceUID, [1])
    assert frames == [instance.PixelData]


def test_bulk_data(archive, web, series):
    instance = series.instances[1]
    metadata = web.retrieve_instance_metadata(series.study, series.series, instance.SOPInstanceUID)
    uri = requests.compat.urljoin(archive.web + "/", metadata["7FE00010"]["BulkDataURI"])
    assert b"".join(web.retrieve_bulkdata(uri)) == instance.PixelData


MULTIFRAME = ["SC_rgb_rle_2frame.dcm", "rtdose.dcm", "rtdose_rle.dcm", "examples_ybr_color.dcm", "liver_1frame.dcm"]


@pytest.mark.parametrize("name", MULTIFRAME)
def test_frames_of_samples(archive, web, name):
    path = PYDICOM_DATA / "test_files" / name
    if not path.exists():
        pytest.skip(f"this pydicom has no {name}")
    dataset = pydicom.dcmread(path)
    data_set, meta = raw_data_set(path)
    sop_class, instance = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    assert send_raw(archive, data_set, sop_class, instance, str(meta.TransferSyntaxUID)) == 0
    uids = dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID
    stored_uids(web, uids)
    count = int(dataset.get("NumberOfFrames", 1))
    numbers = list(range(1, count + 1))[:4]
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        wanted = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=count))
        wanted = [wanted[n - 1].rstrip(b"\0") for n in numbers]
    else:
        bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
        size = bits // 8
        if dataset.BitsAllocated == 1:
            assert count == 1 or bits % 8 == 0
        wanted = [dataset.PixelData[(n - 1) * size:n * size].rstrip(b"\0") for n in numbers]

    def same():
        # Samples share UIDs: one sent before may still be on its way out.
        frames = web.retrieve_instance_frames(*uids, numbers, media_types=("*/*",))
        return [bytes(frame).rstrip(b"\0") for frame in frames] == wanted

    eventually(same)
    with pytest.raises(requests.HTTPError):
        web.retrieve_instance_frames(*uids, [count + 1], media_types=("*/*",))


def stored_uids(web, uids):
    eventually(lambda: web.search_for_instances(uids[0], uids[1], search_filters={"SOPInstanceUID": uids[2]}))
