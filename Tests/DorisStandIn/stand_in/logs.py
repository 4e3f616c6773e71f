"""The address behind ErrorLogUrls: GET /api/_load_error_log?file=NAME, as a backend of Doris answers it.

doc: sql-manual/sql-statements/data-modification/DML/INSERT.md shows one (`url: http://..`).
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse


class LogServer:
    def __init__(self, engine):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlparse(self.path)
                name = parse_qs(url.query).get("file", [""])[0]
                content = engine.loads.log_text(name) if url.path == "/api/_load_error_log" else None
                body = (content if content is not None else "file not exist").encode()
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", engine.settings.http_port), Handler)
        self.server.daemon_threads = True
        engine.settings.http_port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.1,), name="error logs", daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
