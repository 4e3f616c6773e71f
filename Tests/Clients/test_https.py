"""HTTPS: the whole archive with a certificate of its own."""

import shutil
import subprocess

import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from conftest import Archive, Series, eventually

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@needs_openssl
def test_the_archive_over_https(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    archive = Archive(
        tmp_path / "data", "--http-tls-certificate", str(certificate), "--http-tls-key", str(key)).start()
    try:
        assert archive.web.startswith("https://")
        series = Series(tmp_path / "series", 3)
        archive.dcmtk("storescu", *series.files)
        session = requests.Session()
        session.trust_env, session.verify = False, str(certificate)
        client = DICOMwebClient(archive.web, session=session)
        eventually(lambda: len(client.search_for_instances(series.study)) == 3)
        got = client.retrieve_series(series.study, series.series)
        assert sorted(data.SOPInstanceUID for data in got) == sorted(data.SOPInstanceUID for data in series.instances)
        assert {data.SOPInstanceUID: data.PixelData for data in got} == {
            data.SOPInstanceUID: data.PixelData for data in series.instances}
        # URLs in answers are https too, and nobody is answered in plain text.
        metadata = session.get(f"{archive.web}/studies", timeout=30).json()[0]
        assert metadata["00081190"]["Value"][0].startswith(archive.web)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(archive.web.replace("https://", "http://") + "/studies", timeout=30)
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(archive.web + "/studies", timeout=30)
    finally:
        assert archive.stop() == 0
