#!/usr/bin/env python3
"""Runs a stand-in for Apache Doris until SIGTERM. It is for tests and says so to every client. See README.md."""

import argparse
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from stand_in import COMMENT  # noqa: E402
from stand_in.engine import Engine, Settings  # noqa: E402
from stand_in.logs import LogServer  # noqa: E402
from stand_in.protocol import Server  # noqa: E402
from stand_in.session import make  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=COMMENT)
    parser.add_argument("--port", type=int, default=9030, help="of the MySQL protocol; 0: a free one")
    parser.add_argument("--http-port", type=int, default=0, help="of the error logs; 0 (default): a free one")
    parser.add_argument("--data", required=True, help="folder for all state; made when missing")
    parser.add_argument("--backends", type=int, default=1, help="how many backends it claims to have (replication_num)")
    parser.add_argument("--time-zone", default="UTC", help="of sessions, until they set another")
    parser.add_argument("--heavy-seconds", type=float, default=0.3, help="how long a heavy schema change runs")
    parser.add_argument("--pace", type=float, default=0.02, help="Doris' waiting times (batch interval, automatic resume) "
                                                                  "are multiplied by this")
    parser.add_argument("--user", default="root")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input ends, as it does with its parent")
    parser.add_argument("--password", default="")
    return parser.parse_args()


def main():
    a = arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if a.lifeline:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), stop.set()), name="lifeline", daemon=True).start()
    engine = Engine(Settings(data=a.data, backends=a.backends, time_zone=a.time_zone, heavy_seconds=a.heavy_seconds,
                             pace=a.pace, http_port=a.http_port, user=a.user, password=a.password))
    logs = LogServer(engine)
    server = Server(engine.settings, a.port, make(engine))
    engine.start()
    logs.start()
    server.start()
    print(COMMENT, file=sys.stderr)
    print("127.0.0.1:%d" % server.port, flush=True)
    stop.wait()
    server.stop()
    logs.stop()
    engine.stop()


if __name__ == "__main__":
    main()
