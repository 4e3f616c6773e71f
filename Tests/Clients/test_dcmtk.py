"""DCMTK's senders: echoscu, storescu, dcmsend."""

import concurrent.futures
import shutil
import subprocess

import pytest
from conftest import Archive, eventually, number, stored

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")


def test_echo(archive):
    archive.dcmtk("echoscu")


def test_echo_with_another_title_is_refused_or_answered_as_configured(archive):
    result = subprocess.run(
        ["echoscu", "-aec", "SOMEBODY-ELSE", archive.host, str(archive.port)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 or "Called AE Title Not Recognized" in result.stderr + result.stdout


def test_series_stored_and_counted(archive, web, ct_series):
    series = ct_series(16)
    archive.dcmtk("storescu", *series.files)
    study = stored(web, series.study, 16)
    assert number(study, "00201206") == 1
    assert study["00080061"]["Value"] == ["CT"]


def test_sent_twice_is_stored_once(archive, web, ct_series):
    series = ct_series(5)
    archive.dcmtk("storescu", *series.files)
    archive.dcmtk("storescu", *series.files)
    stored(web, series.study, 5)
    archive.dcmtk("storescu", series.files[0])
    stored(web, series.study, 5)
    metadata = web.retrieve_series_metadata(series.study, series.series)
    assert len(metadata) == 5


def test_dcmsend_folder_with_many_contexts(archive, web, ct_series):
    series = ct_series(7)
    archive.dcmtk("dcmsend", "--scan-directories", series.files[0].parent)
    stored(web, series.study, 7)


@pytest.mark.parametrize("pdu", [4096, 16384, 131072])
def test_pdu_sizes(archive, web, ct_series, pdu):
    series = ct_series(3)
    archive.dcmtk("storescu", "--max-pdu", str(pdu), "--max-send-pdu", str(pdu), *series.files)
    stored(web, series.study, 3)


@pytest.mark.parametrize("option", ["-xi", "-xe", "-xb", "-xd"])
def test_native_transfer_syntaxes(archive, web, ct_series, option):
    series = ct_series(3)
    archive.dcmtk("storescu", option, *series.files)
    stored(web, series.study, 3)
    for sent, got in zip(series.instances, sorted_instances(web, series)):
        frames = web.retrieve_instance_frames(series.study, series.series, got.SOPInstanceUID, [1])
        pixels = frames[0]
        if option == "-xb" and got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2":
            swapped = bytearray(len(pixels))
            swapped[0::2], swapped[1::2] = pixels[1::2], pixels[0::2]
            assert sent.PixelData in (pixels, bytes(swapped))
        else:
            assert pixels == sent.PixelData


def sorted_instances(web, series):
    found = web.retrieve_series(series.study, series.series)
    return sorted(found, key=lambda instance: int(instance.InstanceNumber))


def test_four_associations_at_once(archive, web, ct_series):
    series = [ct_series(25) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: archive.dcmtk("storescu", *one.files), series))
    for one in series:
        stored(web, one.study, 25)


def test_survives_a_restart(tmp_path, ct_series):
    """What was acknowledged is there after stopping and starting again on the same folder."""
    from dicomweb_client.api import DICOMwebClient

    series = ct_series(4)
    first = Archive(tmp_path / "data").start()
    first.dcmtk("storescu", *series.files)
    assert first.stop() == 0
    second = Archive(tmp_path / "data").start()
    try:
        web = DICOMwebClient(second.web)
        stored(web, series.study, 4)
        assert len(web.retrieve_study(series.study)) == 4
    finally:
        assert second.stop() == 0
    eventually(lambda: second.process.poll() is not None)
