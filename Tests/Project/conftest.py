"""A copy of the project that tests may change and build, beside the servers that its SQL and its programs talk to."""

import importlib.util
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))


def conftest_of(folder):
    """The fixtures of another folder of tests, whose file has the name of this one."""
    spec = importlib.util.spec_from_file_location(f"conftest_{folder}", ROOT / "Tests" / folder / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fixtures, clients = conftest_of("DorisStandIn"), conftest_of("Clients")
doris, stand_in, kafka = fixtures.doris, fixtures.stand_in, fixtures.kafka
ct_series = clients.ct_series
SWIFT = shlex.split(os.environ.get("SWIFT", "swift"))
PROGRAMS = ["wado", "wado-storescp", "wado-consumer", "wado-webworker", "wado-server"]


# Lines for the end of the output, whether tests passed or not.
report = []


def pytest_terminal_summary(terminalreporter):
    for line in report:
        terminalreporter.write_line(line)


class timed:
    """Reports how long something took. Nothing is made of it: machines differ."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.begin = time.monotonic()

    def __exit__(self, *_):
        report.append(f"{time.monotonic() - self.begin:7.1f} s  {self.what}")


class Project:
    """A copy of the sources; a build makes the programs and the probe of rows, in debug mode, and no tests."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("Package.swift", "Sources", "Plugins", "dictionary", "generated-sql", "docs"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, dirs_exist_ok=True)
            else:
                shutil.copy2(source, folder / name)
        shutil.copytree(HERE / "RowProbe", folder / "Sources" / "row-probe", dirs_exist_ok=True)
        self.probe_tables([])
        package = folder / "Package.swift"
        mark = "        // Benchmarks\n"
        text = package.read_text()
        assert text.count(mark) == 1
        package.write_text(text.replace(mark, '        program("row-probe", ["ArchiveSchema", "DICOMCore"]),\n\n' + mark))

    @property
    def spec(self):
        return self.folder / "dictionary" / "fields.yaml"

    def probe_tables(self, names):
        """Writes the list of tables whose rows the probe makes."""
        makers = [
            f'    ("{name}", {{ (data, instance) throws(ExtractionError) in\n'
            "        var made = ProbedRow()\n"
            f"        let row = try {row_type(name)}(extracting: data, from: instance, problems: &made.problems)\n"
            "        row.encodeJSON(into: &made.json)\n        row.encodeCopy(into: &made.copy)\n        return made\n    }),\n"
            for name in names]
        (self.folder / "Sources" / "row-probe" / "Tables.swift").write_text(
            "import ArchiveSchema\nimport DICOMCore\n\nlet probedTables: [(String, RowMaker)] = [\n" + "".join(makers) + "]\n")

    def swift(self, *arguments, check=True):
        environment = {**os.environ, "SLICE": ",".join([*PROGRAMS, "row-probe", "GenerateSQL"])}
        done = subprocess.run(
            [*SWIFT, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1800)
        assert not check or done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done

    def build(self, *arguments):
        """Builds everything, or what the arguments name."""
        self.swift("build", *arguments)

    def program(self, name):
        return self.folder / ".build" / "debug" / name

    def generate_sql(self):
        return self.swift("package", "--allow-writing-to-package-directory", "generate-sql").stdout


def row_type(table):
    return "".join(word[:1].upper() + word[1:] for word in table.split("_")) + "Row"


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The copy, nothing built yet; in the folder PROJECT_COPY what was built before is used again."""
    folder = os.environ.get("PROJECT_COPY")
    return Project(pathlib.Path(folder) if folder else tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def psql():
    """Runs SQL on an empty PostgreSQL of our own; rows come back as lines."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if not versions:
        pytest.skip("PostgreSQL is not installed")
    programs, folder = versions[-1], pathlib.Path(tempfile.mkdtemp(prefix="wado-pg-", dir="/tmp"))
    # It refuses to run as root.
    account = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        account = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    data = folder / "data"
    subprocess.run(
        [*account, programs / "initdb", "--no-sync", "-A", "trust", "-U", "wado", "-E", "UTF8", "--locale=C", data],
        check=True, capture_output=True, cwd="/")
    server = subprocess.Popen(
        [*account, programs / "postgres", "-D", data, "-c", "listen_addresses=", "-k", folder, "-c", "fsync=off",
         "-c", "timezone=UTC"], stdout=subprocess.DEVNULL, stderr=open(folder / "log", "wb"), cwd="/")

    def run(sql, data=None):
        command = [programs / "psql", "-h", folder, "-U", "wado", "-d", "postgres", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(command, input=data, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    fixtures.eventually(lambda: run("SELECT 1"))
    yield run
    server.send_signal(signal.SIGINT)
    server.wait(30)
    shutil.rmtree(folder)
