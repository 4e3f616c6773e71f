"""What a careful HTTP client sees: negotiation, caching, CORS, errors, tenants."""

import gzip
import json

import pytest
import requests
from conftest import Archive, Series, eventually, stored


@pytest.fixture(scope="module")
def series(archive, tmp_path_factory):
    from dicomweb_client.api import DICOMwebClient

    series = Series(tmp_path_factory.mktemp("http"), 3)
    archive.dcmtk("storescu", *series.files)
    stored(DICOMwebClient(archive.web), series.study, 3)
    return series


def url(archive, series, *rest):
    return "/".join([archive.web, "studies", series.study, "series", series.series, *rest])


def frame_url(archive, series):
    return url(archive, series, "instances", series.instances[0].SOPInstanceUID, "frames", "1")


@pytest.mark.parametrize(
    "accept", [
        'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="application/octet-stream"',
        'image/jpeg;q=0.1, multipart/related; type="application/octet-stream";q=0.5',
        "*/*", "multipart/related", None])
def test_frame_as_multipart(archive, series, accept):
    headers = {"Accept": accept} if accept else {}
    answer = requests.get(frame_url(archive, series), headers=headers, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("multipart/related")
    head, _, body = answer.content.partition(b"\r\n\r\n")
    assert b"Content-Type: application/octet-stream" in head
    assert b"transfer-syntax=1.2.840.10008.1.2.1" in head
    assert series.instances[0].PixelData in body


def test_frame_single_part(archive, series):
    answer = requests.get(
        frame_url(archive, series), headers={"Accept": "application/octet-stream"}, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/octet-stream")
    assert answer.content == series.instances[0].PixelData


def test_what_is_no_parameter_is_ignored_and_named(archive, series):
    answer = requests.get(archive.web + f"/studies?StudyInstanceUID={series.study}&_=123&PatinetID=1", timeout=30)
    assert answer.status_code == 200 and len(answer.json()) == 1
    assert "PatinetID" in answer.headers["Warning"] and "_ is neither" in answer.headers["Warning"]


def test_not_acceptable(archive, series):
    for path, accept in [(frame_url(archive, series), "text/plain"), (url(archive, series, "metadata"), "image/png")]:
        answer = requests.get(path, headers={"Accept": accept}, timeout=30)
        assert answer.status_code == 406
        assert answer.json()


@pytest.mark.parametrize(
    "path, status", [
        ("studies?limit=x", 400), ("studies?StudyDate=yesterday", 400),
        ("studies/1.2.3.4.5.6.7.8.9/metadata", 404), ("studies/../../etc/passwd", 400), ("nothing", 404),
        ("studies/1.2.3/series/4.5/instances/6.7/frames/0", 400), ("studies/1.2.3/series/4.5/instances/6.7/frames/x", 400)])
def test_errors_have_a_reason(archive, path, status):
    session = requests.Session()
    request = requests.Request("GET", archive.web + "/").prepare()
    request.url = archive.web + "/" + path
    answer = session.send(request, timeout=30)
    assert answer.status_code in ({status, 404} if ".." in path else {status})
    assert "application/json" in answer.headers["Content-Type"]
    assert json.loads(answer.content)


def test_etag_and_gzip(archive, series):
    path = url(archive, series, "metadata")

    def compacted():
        answer = requests.get(path, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=30)
        raw = answer.raw.read(decode_content=False)
        return answer.headers.get("Content-Encoding") == "gzip" and (answer, raw)

    answer, raw = eventually(compacted)
    assert len(json.loads(gzip.decompress(raw))) == 3
    etag = answer.headers["ETag"]
    again = requests.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": etag}, timeout=30)
    assert again.status_code == 304 and not again.content
    plain = requests.get(path, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert "Content-Encoding" not in plain.headers and len(plain.json()) == 3
    head = requests.head(path, timeout=30)
    assert head.status_code == 200 and not head.content


def test_cors(archive, series):
    preflight = requests.options(
        frame_url(archive, series), timeout=30, headers={
            "Origin": "http://viewer.example", "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "accept,authorization"})
    assert preflight.status_code in (200, 204)
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "*" in allowed or "accept" in allowed
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", "http://viewer.example")
    answer = requests.get(url(archive, series, "metadata"), headers={"Origin": "http://viewer.example"}, timeout=30)
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", "http://viewer.example")


def test_another_tenant_sees_nothing(archive, series):
    other = {"x-tenant": "somebody-else"}
    found = requests.get(archive.web + "/studies", headers=other, params={"StudyInstanceUID": series.study}, timeout=30)
    assert found.status_code in (200, 204) and not (found.content and found.json())
    instance = ("instances", series.instances[0].SOPInstanceUID)
    for rest in [("metadata",), (), instance, (*instance, "frames", "1"), (*instance, "bulkdata", "7FE00010")]:
        assert requests.get(url(archive, series, *rest), headers=other, timeout=30).status_code == 404
    for tenant in ["../1234567890", "a/b", "x" * 300, "a b"]:
        answer = requests.get(url(archive, series, "metadata"), headers={"x-tenant": tenant}, timeout=30)
        assert answer.status_code in (400, 404)


def test_health_and_metrics(archive):
    root = archive.web.rsplit("/dicom-web", 1)[0]
    assert requests.get(root + "/healthz", timeout=30).status_code == 200
    assert requests.get(root + "/readyz", timeout=30).status_code == 200
    assert "# TYPE" in requests.get(root + "/metrics", timeout=30).text


def test_the_original_prefix(archive, series):
    root = archive.web.rsplit("/dicom-web", 1)[0]
    answer = requests.get(f"{root}/wado-rs/v1/studies/{series.study}/metadata", timeout=30)
    assert answer.status_code == 200 and len(answer.json()) == 3


def test_behind_a_reverse_proxy_with_a_path(tmp_path):
    archive = Archive(tmp_path / "data", "--http-public-url", "https://pacs.example.org/pacs").start()
    try:
        series = Series(tmp_path / "series", 1)
        archive.dcmtk("storescu", *series.files)
        local = archive.web.removesuffix("/dicom-web")
        study = f"/dicom-web/studies/{series.study}"
        eventually(lambda: requests.get(local + study + "/instances", timeout=30).json())
        found = requests.get(local + "/dicom-web/studies", timeout=30).json()
        assert found[0]["00081190"]["Value"] == ["https://pacs.example.org/pacs" + study]
        metadata = requests.get(local + study + "/metadata", timeout=30).json()
        uri = metadata[0]["7FE00010"]["BulkDataURI"]
        assert uri.startswith("/pacs" + study)
        # The proxy takes its own path away.
        pixels = requests.get(
            local + uri.removeprefix("/pacs"), headers={"Accept": "application/octet-stream"}, timeout=30)
        assert pixels.status_code == 200 and pixels.content == series.instances[0].PixelData
    finally:
        archive.stop()
