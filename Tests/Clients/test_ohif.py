"""The real OHIF viewer, asking the server directly: list, image, scrolling, MPR."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import PROGRAMS, SHARED, Archive, eventually

pytestmark = [
    pytest.mark.skipif(SHARED is None or not (SHARED / "ohif" / "ohif-check").exists(), reason="no OHIF viewer beside"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")]


def test_ohif_shows_the_sample_study(tmp_path):
    pytest.importorskip("playwright")
    archive = Archive(tmp_path / "data").start()
    try:
        subprocess.run([PROGRAMS / "wado", "sample", "--data", archive.data], check=True, timeout=300)

        def counted():
            import requests

            found = requests.get(archive.web + "/studies", timeout=30).json()
            return found and found[0]["00201208"]["Value"] == [64]

        eventually(counted, 60)
        out = tmp_path / "ohif"
        result = subprocess.run(
            [sys.executable, SHARED / "ohif" / "ohif-check", "--dicomweb", archive.web, "--out", out, "--expect", "1",
             "--require-mpr"], capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        report = json.loads((out / "report.json").read_text())
        assert not report.get("failed_requests"), report["failed_requests"]
    finally:
        assert archive.stop() == 0
