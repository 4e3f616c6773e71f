"""A running archive for the outside clients: started on free ports under a temporary folder, stopped by its own pid."""

import json
import os
import pathlib
import signal
import subprocess
import time

import numpy
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parents[2]


def shared_folder():
    """The folder of shared test material beside the project, where there is one."""
    for parent in ROOT.parents:
        folder = parent / "shared"
        if (folder / "samples").is_dir():
            return folder
    return None


SHARED = shared_folder()
PROGRAMS = pathlib.Path(os.environ.get("WADO_PROGRAMS", ROOT / ".build" / "release"))
PYDICOM_DATA = pathlib.Path(pydicom.__file__).parent / "data"


def eventually(check, seconds=20.0):
    """Calls `check` until it returns something true; its last error, or a failure, when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = check()
            if value:
                return value
            error = None
        except Exception as caught:  # noqa: BLE001 - reported below
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true in {seconds} s") from error
        time.sleep(0.05)


class Archive:
    """One `wado up`, with what a client needs to know of it."""

    def __init__(self, data, *arguments, programs=PROGRAMS):
        self.data = pathlib.Path(data)
        self.arguments = [
            str(programs / "wado"), "up", "--data", str(self.data), "--dicom-port", "0", "--http-port", "0",
            # The tests keep the machine busy; metadata is to be compacted all the same.
            "--webworker-cpu-usage", "100", "--webworker-memory-usage", "100", *arguments]

    def start(self):
        self.output = open(self.data.parent / "wado-up.txt", "ab")
        self.process = subprocess.Popen(
            self.arguments, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)
        endpoints = self.data / "endpoints.json"

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"wado up ended: {(self.data.parent / 'wado-up.txt').read_text()[-2000:]}")
            return endpoints.exists() and json.loads(endpoints.read_text())

        self.endpoints = eventually(ready, 120)
        self.host, self.port = self.endpoints["dicom"]["host"], int(self.endpoints["dicom"]["port"])
        self.ae_title = self.endpoints["dicom"]["ae_title"]
        self.web = self.endpoints["web"]["root"].rstrip("/")
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.output.close()
        return self.process.returncode

    def dcmtk(self, tool, *arguments, check=True):
        """Runs one of DCMTK's senders against the archive."""
        command = [tool, "-aec", self.ae_title, self.host, str(self.port), *map(str, arguments)]
        return subprocess.run(
            command, env={**os.environ, "TCP_NODELAY": "1"}, check=check, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    if not (PROGRAMS / "wado").exists():
        pytest.fail(f"{PROGRAMS / 'wado'} is not there: build first (make test does)")
    running = Archive(tmp_path_factory.mktemp("archive") / "data").start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def web(archive):
    from dicomweb_client.api import DICOMwebClient

    return DICOMwebClient(archive.web)


def ct_slice(study, series, number, rows=64, **attributes):
    """A small CT instance whose pixels depend on its number."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "Doe^Jane", "CT-1", "19700102", "F"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, generate_uid(entropy_srcs=[series, "frame"])
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20240301", "101112", "S1", "A-77"
    data.StudyDescription, data.SeriesDescription, data.ReferringPhysicianName = "Head", "Axial", "Roe^Richard"
    data.Modality, data.SeriesNumber, data.InstanceNumber = "CT", 3, number
    data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.5, 0.5]
    data.ImagePositionPatient, data.SliceThickness = [0, 0, number * 2.5], 2.5
    data.Rows = data.Columns = rows
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 1
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.RescaleIntercept, data.RescaleSlope, data.WindowCenter, data.WindowWidth = 0, 1, 40, 400
    pixels = (numpy.arange(rows * rows).reshape(rows, rows) + number * 7).astype("<i2")
    data.add_new("PixelData", "OW", pixels.tobytes())
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    return data


class Series:
    """Files of a series of small CT slices in a folder."""

    def __init__(self, folder, count, **attributes):
        self.study = attributes.pop("StudyInstanceUID", None) or generate_uid()
        self.series = generate_uid()
        self.instances = [ct_slice(self.study, self.series, n + 1, **attributes) for n in range(count)]
        self.files = []
        folder.mkdir(parents=True, exist_ok=True)
        for instance in self.instances:
            self.files.append(folder / f"{instance.SOPInstanceUID}.dcm")
            instance.save_as(self.files[-1], enforce_file_format=True)


@pytest.fixture
def ct_series(tmp_path):
    return lambda count, **attributes: Series(tmp_path / generate_uid(), count, **attributes)


def stored(web, study, count):
    """Waits until the study answers with `count` instances, and returns its QIDO object."""

    def check():
        found = web.search_for_studies(search_filters={"StudyInstanceUID": study})
        return found and number(found[0], "00201208") == count and found[0]

    return eventually(check)


def number(item, tag):
    return item.get(tag, {}).get("Value", [None])[0]
