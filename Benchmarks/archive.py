#!/usr/bin/env python3
"""The whole archive beside what a user would pick instead, in one run: ratios count, absolute figures do not hold.

Receivers: Wado (durable and indexed), dcmtk storescp (neither), Orthanc with PostgreSQL (both).
Answers: Wado beside nginx serving the same bytes, and beside Orthanc for QIDO-RS.
What is not installed is left out and said so.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(check, seconds=60.0, pause=0.01):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            if value := check():
                return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready in {seconds} s")
        time.sleep(pause)


def listening(port):
    def check():
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    return check


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as answer:
        return answer.read()


def cpu_seconds(pids):
    """User and system time of processes and their children that are alive, in seconds."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def family(pid):
    """A process and all that stand below it."""
    found, queue = [], [pid]
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def make_instances(folder, count, series_count):
    """CT instances of 525 kB in as many folders as series; the study UID."""
    study = generate_uid()
    noise = numpy.random.default_rng(1)
    for s in range(series_count):
        series = generate_uid()
        path = folder / f"series{s}"
        path.mkdir(parents=True)
        for n in range(count // series_count):
            data = Dataset()
            data.file_meta = FileMetaDataset()
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
            data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = "20240301"
            data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = "101112.130000"
            data.AccessionNumber, data.Modality, data.Manufacturer = "A1", "CT", "Bench"
            data.InstitutionName, data.ReferringPhysicianName, data.StationName = "Hospital", "Roe^Richard", "CT1"
            data.StudyDescription, data.SeriesDescription = "Abdomen", f"Series {s}"
            data.ManufacturerModelName, data.PatientName, data.PatientID = "Scanner", "Doe^Jane", "BENCH1"
            data.PatientBirthDate, data.PatientSex, data.PatientAge, data.PatientWeight = "19700101", "F", "054Y", 70
            data.BodyPartExamined, data.ScanOptions, data.SliceThickness, data.KVP = "ABDOMEN", "HELIX", 1.25, 120
            data.SoftwareVersions, data.ProtocolName, data.ReconstructionDiameter = "1.0", "Abdomen", 360
            data.DistanceSourceToDetector, data.DistanceSourceToPatient, data.GantryDetectorTilt = 949, 541, 0
            data.TableHeight, data.RotationDirection, data.ExposureTime, data.XRayTubeCurrent = 150, "CW", 500, 200
            data.Exposure, data.FilterType, data.GeneratorPower, data.FocalSpots = 100, "BODY", 24000, 1.2
            data.ConvolutionKernel, data.PatientPosition = "STANDARD", "FFS"
            data.StudyInstanceUID, data.SeriesInstanceUID, data.StudyID = study, series, "1"
            data.SeriesNumber, data.AcquisitionNumber, data.InstanceNumber = s + 1, 1, n + 1
            data.ImagePositionPatient, data.ImageOrientationPatient = [-180, -180, n * 1.25], [1, 0, 0, 0, 1, 0]
            data.FrameOfReferenceUID, data.PositionReferenceIndicator = generate_uid(), ""
            data.SliceLocation, data.SamplesPerPixel, data.PhotometricInterpretation = n * 1.25, 1, "MONOCHROME2"
            data.Rows = data.Columns = 512
            data.PixelSpacing, data.BitsAllocated, data.BitsStored, data.HighBit = [0.7, 0.7], 16, 16, 15
            data.PixelRepresentation, data.WindowCenter, data.WindowWidth = 1, 40, 400
            data.RescaleIntercept, data.RescaleSlope, data.RescaleType = -1024, 1, "HU"
            pixels = noise.integers(0, 2000, 512 * 512, dtype=numpy.int16)
            data.add_new("PixelData", "OW", pixels.tobytes())
            data.save_as(path / f"{n:04}.dcm", enforce_file_format=True)
    return study


class Storescp:
    """dcmtk's storescp: files without an index and without fsync."""

    name = "storescp"

    @staticmethod
    def missing():
        return shutil.which("storescp") is None and "dcmtk"

    def start(self, folder):
        self.title, self.port = "STORESCP", free_port()
        folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            ["storescp", "--fork", "+xa", "-od", folder, str(self.port)], env=ENVIRONMENT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(listening(self.port))

    def indexed(self, study, count):
        return True

    def stop(self):
        for pid in family(self.process.pid)[::-1]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        self.process.wait(30)


class Wado:
    name = "wado"
    arguments = ()

    @staticmethod
    def missing():
        return not (PROGRAMS / "wado").exists() and "a release build (make bench builds it)"

    def start(self, folder):
        folder.mkdir(parents=True)
        data = folder / "data"
        self.log = open(folder / "up.txt", "wb")
        self.process = subprocess.Popen(
            [PROGRAMS / "wado", "up", "--data", data, "--dicom-port", "0", "--http-port", "0",
             *self.arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        endpoints = wait_for(
            lambda: (data / "endpoints.json").exists() and json.loads((data / "endpoints.json").read_text()), 120)
        self.title, self.port = endpoints["dicom"]["ae_title"], int(endpoints["dicom"]["port"])
        self.web, self.processes = endpoints["web"]["root"].rstrip("/"), endpoints["processes"]

    def indexed(self, study, count):
        found = json.loads(get(f"{self.web}/studies?StudyInstanceUID={study}") or "[]")
        return found and found[0]["00201208"]["Value"][0] == count

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


class Orthanc:
    """Orthanc with its PostgreSQL index and its DICOMweb plugin; files on disk."""

    name = "orthanc"

    @staticmethod
    def missing():
        plugins = pathlib.Path("/usr/share/orthanc/plugins")
        needed = ["libOrthancDicomWeb.so", "libOrthancPostgreSQLIndex.so"]
        if shutil.which("Orthanc") is None or not all((plugins / name).exists() for name in needed):
            return "orthanc, orthanc-dicomweb, orthanc-postgresql"
        return not list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")) and "postgresql"

    def start(self, folder):
        folder.mkdir(parents=True)
        self.title, self.port, http, database = "ORTHANC", free_port(), free_port(), free_port()
        self.postgres = PrivatePostgres(folder / "pg", database)
        settings = {
            "Name": "bench", "StorageDirectory": str(folder / "files"), "IndexDirectory": str(folder / "files"),
            "HttpPort": http, "DicomPort": self.port, "DicomAet": self.title, "DicomAlwaysAllowStore": True,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "SyncStorageArea": True,
            "Plugins": [f"/usr/share/orthanc/plugins/{name}" for name in
                        ("libOrthancDicomWeb.so", "libOrthancPostgreSQLIndex.so")],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "SeriesMetadata": "Full", "StudiesMetadata": "Full"},
            "PostgreSQL": {
                "EnableIndex": True, "EnableStorage": False, "Host": "127.0.0.1", "Port": database, "Lock": False,
                "Database": "postgres", "Username": "postgres", "Password": "none", "IndexConnectionsCount": 8}}
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = open(folder / "log.txt", "wb")
        self.process = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=self.log, stderr=self.log)
        self.web = f"http://127.0.0.1:{http}/dicom-web"
        wait_for(listening(self.port))
        wait_for(listening(http))

    def indexed(self, study, count):
        return True

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.postgres.stop()
        self.log.close()


class PrivatePostgres:
    def __init__(self, folder, port):
        self.binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.folder, self.user = folder, None
        folder.mkdir(parents=True)
        if os.getuid() == 0:
            self.user = pwd.getpwnam("postgres")
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            for parent in folder.parents:
                if parent == pathlib.Path(tempfile.gettempdir()):
                    break
                parent.chmod(0o755)
        self.run("initdb", "-D", folder / "db", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.run(
            "pg_ctl", "-D", folder / "db", "-w", "-l", folder / "log.txt", "-o",
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}", "start")

    def run(self, tool, *arguments):
        def become():
            if self.user:
                os.setgroups([])
                os.setgid(self.user.pw_gid)
                os.setuid(self.user.pw_uid)

        subprocess.run(
            [self.binaries / tool, *arguments], check=True, preexec_fn=become, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.run("pg_ctl", "-D", self.folder / "db", "-m", "fast", "-w", "stop")


def send(receiver, folders):
    """storescu of every folder at once, an association each."""

    def one(folder):
        subprocess.run(
            ["storescu", "-aec", receiver.title, "+sd", "+r", "127.0.0.1", str(receiver.port), folder], check=True,
            env=ENVIRONMENT, stdout=subprocess.DEVNULL)

    with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(one, folders))


def machine_seconds():
    """User and system time of everything on this machine since it started, in seconds."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()
    return sum(int(fields[n]) for n in (1, 2, 3, 6, 7)) / TICKS


def settle(folder, size):
    """Puts the machine into the state of one that has run for a while: nothing waits to be written, and so much memory
    has been in use. A virtual machine gets memory from its host when it is first touched, and gives it back when it is
    not used: whoever comes first after that would pay for it."""
    path = folder / "settle"
    piece = bytes(1 << 20)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(piece)
    path.unlink()
    os.sync()


def ingest(options, work, report):
    instances = work / "instances"
    study = make_instances(instances, options.instances, 4)
    receivers = usable([Storescp, Wado, Orthanc])
    for associations in (1, 4):
        folders = [instances] if associations == 1 else sorted(instances.iterdir())
        times = {kind.name: [] for kind in receivers}
        for round_number in range(options.rounds):
            for kind in receivers if round_number % 2 == 0 else receivers[::-1]:
                receiver, folder = kind(), work / f"{kind.name}-{associations}-{round_number}"
                receiver.start(folder)
                try:
                    settle(work, options.instances * 1_200_000)
                    processors = machine_seconds()
                    before = time.monotonic()
                    send(receiver, folders)
                    acknowledged = time.monotonic() - before
                    wait_for(lambda: receiver.indexed(study, options.instances), 120, 0.02)
                    indexed = time.monotonic() - before
                    times[kind.name].append((acknowledged, indexed, machine_seconds() - processors))
                finally:
                    # The files stay until the end: creating new ones where many were just deleted is slow.
                    receiver.stop()
        report(f"\n{options.instances} CT of 525 kB, {associations} association(s), {options.rounds} rounds")
        reference = times.get("storescp")
        for name, runs in times.items():
            line = (f"  {name:9} acknowledged {summary([r[0] for r in runs])} s, indexed {summary([r[1] for r in runs])} s,"
                    f" processor time of all, sender too, {summary([r[2] for r in runs])} s")
            if reference and name != "storescp":
                line += f", rate of storescp's {summary([r[1] / own[1] for r, own in zip(reference, runs)])}"
            if name == "wado" and "orthanc" in times:
                line += f", of Orthanc's {summary([r[1] / own[1] for r, own in zip(times['orthanc'], runs)])}"
            report(line)
    return instances, study


def wrk(url, seconds, headers=(), connections=8):
    """Requests per second; fails when an answer was not a success."""
    command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", *[x for h in headers for x in ("-H", h)], url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk {url}: {text}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), requests


class Nginx:
    @staticmethod
    def missing():
        return shutil.which("nginx") is None and "nginx"

    def start(self, folder):
        folder.mkdir(parents=True)
        self.port, self.folder = free_port(), folder
        (folder / "www").mkdir()
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(f"""
            {user} worker_processes 2; pid {folder}/pid; error_log {folder}/error.txt; daemon off;
            events {{ worker_connections 512; }}
            http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
                   client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
                   uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
                   server {{ listen 127.0.0.1:{self.port}; root {folder}/www; default_type application/octet-stream; }} }}
            """)
        self.process = subprocess.Popen(["nginx", "-c", folder / "nginx.conf", "-p", folder])
        wait_for(listening(self.port))

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def answers(options, work, report, instances, study):
    kinds = usable([Wado, Nginx, Orthanc])
    servers = {}
    try:
        for kind in kinds:
            servers[kind] = kind()
            # Its neighbours keep the machine busy; the metadata are wanted in their final form all the same.
            servers[kind].arguments = ("--webworker-cpu-usage", "100")
            servers[kind].start(work / f"serve-{kind.__name__.lower()}")
        wado = servers[Wado]
        first = pydicom.dcmread(next(iter(sorted((instances / "series0").iterdir()))))
        for kind in (Wado, Orthanc):
            if kind in servers:
                send(servers[kind], [instances])
                wait_for(lambda: servers[kind].indexed(study, options.instances), 120)
        series = f"/studies/{study}/series/{first.SeriesInstanceUID}"
        frame = f"{series}/instances/{first.SOPInstanceUID}/frames/1"
        metadata = f"{wado.web}{series}/metadata"
        single = ["Accept: application/octet-stream"]
        times = []
        for _ in range(21):
            before = time.monotonic()
            size = len(get(metadata, **{"Accept-Encoding": "identity"}))
            times.append((time.monotonic() - before) * 1000)
        report(f"\nseries metadata of {options.instances // 4} instances, {size / 1e6:.1f} MB, right after they were stored:"
               f" first answer {times[0]:.1f} ms, then {summary(times[1:])} ms, the client's time included")

        def stored():
            request = urllib.request.Request(metadata, headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.headers.get("Content-Encoding") == "gzip" and answer.read()

        body = wait_for(stored, 120, 0.2)
        pid = [wado.processes["wado-server"]]
        multipart = ['Accept: multipart/related; type="application/octet-stream"']
        if Nginx in servers:
            nginx = servers[Nginx]
            (nginx.folder / "www" / "frame").write_bytes(first.PixelData)
            (nginx.folder / "www" / "metadata").write_bytes(body)
            base = f"http://127.0.0.1:{nginx.port}"
            workers = family(nginx.process.pid)
            for title, ours, headers, theirs in [
                    ("frame, single part", wado.web + frame, single, base + "/frame"),
                    ("frame, multipart", wado.web + frame, multipart, base + "/frame"),
                    (f"series metadata, {len(body) // 1000} kB gzip", metadata, ["Accept-Encoding: gzip"], base + "/metadata")]:
                rates, costs = [], []
                for _ in range(options.rounds):
                    pair = []
                    for url, extra, pids in ((ours, headers, pid), (theirs, [], workers)):
                        before = cpu_seconds(pids)
                        rate, requests = wrk(url, options.seconds, extra)
                        pair.append((rate, (cpu_seconds(pids) - before) / requests))
                    rates.append(pair[0][0] / pair[1][0])
                    costs.append(pair[0][1] / pair[1][1])
                report(f"\n{title}, 8 connections: rate of nginx's {summary(rates)}, CPU a request {summary(costs)}"
                       f" (last: {pair[0][0]:.0f} and {pair[1][0]:.0f} requests/s)")
        query = "/studies?PatientID=BENCH1"
        peers = [wado] + ([servers[Orthanc]] if Orthanc in servers else [])
        for connections in (1, 8):
            rates = [
                [wrk(peer.web + query, options.seconds, connections=connections)[0] for peer in peers]
                for _ in range(options.rounds)]
            line = f"\nQIDO by PatientID, {connections} connection(s): {summary([r[0] for r in rates])} requests/s"
            if len(peers) > 1:
                line += f", of Orthanc's {summary([r[0] / r[1] for r in rates])}"
            report(line)
    finally:
        for server in servers.values():
            server.stop()


def usable(kinds):
    result = []
    for kind in kinds:
        if missing := kind.missing():
            print(f"left out: {kind.__name__} (not installed: {missing})")
        else:
            result.append(kind)
    return result


def summary(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / ".build" / "release")
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="length of each wrk run")
    parser.add_argument("--only", choices=["ingest", "answers"])
    options = parser.parse_args()
    global PROGRAMS
    PROGRAMS = options.programs

    def report(line):
        print(line, flush=True)

    if Wado.missing():
        sys.exit(f"{PROGRAMS / 'wado'} is not there")
    with tempfile.TemporaryDirectory(prefix="wado-bench-") as folder:
        work = pathlib.Path(folder)
        work.chmod(0o755)
        if options.only == "answers":
            instances = work / "instances"
            study = make_instances(instances, options.instances, 4)
        else:
            instances, study = ingest(options, work, report)
        if options.only != "ingest":
            if shutil.which("wrk") is None:
                print("left out: answers (not installed: wrk)")
            else:
                answers(options, work, report, instances, study)


if __name__ == "__main__":
    main()
