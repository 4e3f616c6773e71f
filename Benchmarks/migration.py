#!/usr/bin/env python3
"""How long a migration holds writers up: an indexed column is added to millions of series while pgbench writes and reads.

    Benchmarks/migration.py [--series 5000000] [--clients 4] [--programs .build/release]

A PostgreSQL of its own (fsync on) gets the schema by `wado schema apply`, its rows by generate_series, and then loses the
column study_id with its index, as a database of an older version. Adding it again is what is measured: the slowest
write, and the slowest one in as long a time before, without a migration.
"""
import argparse
import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

WRITE = r"""
\set n random(1, :rows)
BEGIN;
UPDATE dicom_state_meta SET updated_time = clock_timestamp(), series_related_instances = series_related_instances + 1
WHERE tenant_id = '1234567890' AND study_uid = '1.2.826.' || (:n / 4) AND series_uid = '1.2.826.' || (:n / 4) || '.' || :n;
INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash, representative_sop_uid,
    patient_id, created_time, updated_time)
VALUES ('1234567890', '1.2.826.' || :n, '1.9.' || :client_id || '.' || :n, '0', '0', '1', 'P' || :n, now(), now())
ON CONFLICT DO NOTHING;
COMMIT;
"""
READ = r"""
\set n random(1, :rows)
SELECT study_uid, series_uid, patient_name FROM dicom_state_meta WHERE tenant_id = '1234567890' AND patient_id = 'P' || :n;
"""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--series", type=int, default=5_000_000)
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--programs", default=".build/release")
    options = options.parse_args()
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not programs:
        sys.exit("PostgreSQL is not installed")
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())

    def demote():
        if os.getuid() == 0:
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

    folder = tempfile.mkdtemp(prefix="wado-migration-")
    os.chown(folder, user.pw_uid, user.pw_gid)
    database = f"host={folder} user=wado dbname=postgres"

    def postgres(name, *arguments, **more):
        return subprocess.run([f"{programs[-1]}/{name}", *arguments], check=True, preexec_fn=demote, cwd=folder, **more)

    def sql(text):
        return postgres("psql", "-XqAt", "-d", database, "-c", text, capture_output=True, text=True).stdout.strip()

    def load(name, script, clients):
        path = f"{folder}/{name}.sql"
        with open(path, "w") as file:
            file.write(script)
        os.chmod(path, 0o644)
        return subprocess.Popen(
            [f"{programs[-1]}/pgbench", "-n", "-M", "simple", "-c", str(clients), "-j", "1", "-T", "3600", "-l",
             "--log-prefix", f"{folder}/{name}", "-D", f"rows={options.series}", "-f", path, database],
            preexec_fn=demote, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def slowest(name, start, end):
        """The count, and the slowest in milliseconds, of what ended in a time or had begun in it."""
        worst, count = 0.0, 0
        for path in glob.glob(f"{folder}/{name}.*"):
            if path.endswith(".sql"):
                continue
            for line in open(path):
                words = line.split()
                # The last line of a log may be cut.
                if len(words) < 6 or not line.endswith("\n"):
                    continue
                finished = int(words[4]) + int(words[5]) / 1e6
                milliseconds = int(words[2]) / 1000
                if finished >= start and finished - milliseconds / 1000 <= end:
                    worst, count = max(worst, milliseconds), count + 1
        return count, worst

    try:
        postgres("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "wado", stdout=subprocess.DEVNULL)
        postgres("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o",
                 f"-k {folder} -c listen_addresses= -c shared_buffers=512MB -c max_wal_size=8GB", "start",
                 stdout=subprocess.DEVNULL)
        wado = [f"{options.programs}/wado", "schema", "apply", "--database", database]
        subprocess.run(wado, check=True, stdout=subprocess.DEVNULL)
        print(f"filling {options.series} series ...", flush=True)
        sql(f"""
            INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                representative_sop_uid, patient_id, patient_name, study_date, accession_number, study_description,
                modality, series_number, series_related_instances, created_time, updated_time)
            SELECT '1234567890', '1.2.826.' || g / 4, '1.2.826.' || g / 4 || '.' || g, lpad(g::text, 20, '0'),
                lpad(g::text, 20, '0'), '1.2.826.' || g, 'P' || g / 12, 'Family' || g / 12 || '^Given',
                date '2015-01-01' + (g / 4) % 4000, 'A' || g / 4, 'CT Thorax', 'CT', g % 4, 250, now(), now()
            FROM generate_series(1, {options.series}) AS g""")
        sql("ALTER TABLE dicom_state_meta DROP COLUMN study_id")
        sql("VACUUM ANALYZE dicom_state_meta")
        sql("CHECKPOINT")
        size = sql("SELECT pg_size_pretty(pg_total_relation_size('dicom_state_meta'))")
        loads = [load("write", WRITE, options.clients), load("read", READ, options.clients)]
        time.sleep(10)
        start = time.time()
        subprocess.run(wado, check=True, stdout=subprocess.DEVNULL)
        end = time.time()
        time.sleep(1)
        # As long a time without a migration, for comparison.
        quiet = time.time()
        time.sleep(end - start)
        quiet_end = time.time()
        for process in loads:
            process.terminate()
            process.wait()
        sql("SELECT study_id FROM dicom_state_meta LIMIT 1")
        valid = sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'dicom_state_meta_study_id_idx'::regclass")
        print(f"{options.series} series, {size}; an indexed column in {end - start:.1f} s, index valid: {valid}")
        for name in ("write", "read"):
            count, worst = slowest(name, start, end)
            quiet_count, quiet_worst = slowest(name, quiet, quiet_end)
            print(f"{name}: {count / (end - start):.0f}/s, slowest {worst:.0f} ms; without a migration "
                  f"{quiet_count / (quiet_end - quiet):.0f}/s, slowest {quiet_worst:.0f} ms")
    finally:
        subprocess.run([f"{programs[-1]}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"],
                       preexec_fn=demote, cwd="/tmp", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


main()
