"""The server side of the MySQL protocol, as much of it as clients of Doris use: text protocol, native password.

doc: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

import hashlib
import hmac
import os
import socket
import struct
import threading

from . import values
from .datatypes import MYSQL
from .errors import DorisError, access_denied

SERVER_VERSION = b"5.7.99"      # what Doris' frontend announces (doc: admin-manual/config/fe-config.md, version)
MAXIMUM = 0xFFFFFF
LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41 = 1, 2, 4, 8, 0x200
SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS, PLUGIN_AUTH, LENENC_AUTH = 0x8000, 0x10000, 0x20000, 0x80000, 0x200000
CAPABILITIES = (LONG_PASSWORD | FOUND_ROWS | LONG_FLAG | CONNECT_WITH_DB | PROTOCOL_41 | SECURE_CONNECTION |
                MULTI_STATEMENTS | MULTI_RESULTS | PLUGIN_AUTH | LENENC_AUTH)
AUTOCOMMIT, MORE_RESULTS = 2, 8
PLUGIN = b"mysql_native_password"
UTF8 = 33
COM_QUIT, COM_INIT_DB, COM_QUERY, COM_STATISTICS, COM_PING, COM_SET_OPTION, COM_RESET = 1, 2, 3, 9, 14, 27, 31


class Result:
    """Columns (name, type name) and rows."""

    def __init__(self, columns, rows):
        self.columns = [c if isinstance(c, tuple) else (c, "STRING") for c in columns]
        self.rows = rows


class Done:
    """A statement without a result set."""

    def __init__(self, affected=0, info=""):
        self.affected = affected
        self.info = info


def lenenc(n):
    if n < 251:
        return bytes([n])
    if n < 1 << 16:
        return b"\xfc" + struct.pack("<H", n)
    if n < 1 << 24:
        return b"\xfd" + struct.pack("<I", n)[:3]
    return b"\xfe" + struct.pack("<Q", n)


def lenenc_text(raw):
    return lenenc(len(raw)) + raw


def scramble(password, salt):
    """mysql_native_password: SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))."""
    if not password:
        return b""
    one = hashlib.sha1(password.encode()).digest()
    two = hashlib.sha1(salt + hashlib.sha1(one).digest()).digest()
    return bytes(a ^ b for a, b in zip(one, two))


class Fields:
    """Reads the fields of a packet; what lies beyond its end is empty."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, n):
        out = self.raw[self.at:self.at + n]
        self.at += n
        return out

    def zero(self):
        end = self.raw.find(b"\0", self.at)
        end = len(self.raw) if end < 0 else end
        out = self.raw[self.at:end]
        self.at = end + 1
        return out


class Closed(Exception):
    pass


class Connection:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.sequence = 0
        self.input = sock.makefile("rb")
        self.capabilities = 0

    # -- packets
    def read(self):
        out = b""
        while True:
            head = self.input.read(4)
            if len(head) < 4:
                raise Closed
            length = head[0] | head[1] << 8 | head[2] << 16
            self.sequence = (head[3] + 1) & 255
            body = self.input.read(length)
            if len(body) < length:
                raise Closed
            out += body
            if len(out) > 1 << 28:
                raise Closed
            if length < MAXIMUM:
                return out

    def packet(self, body):
        out = b""
        while True:
            piece, body = body[:MAXIMUM], body[MAXIMUM:]
            out += struct.pack("<I", len(piece))[:3] + bytes([self.sequence]) + piece
            self.sequence = (self.sequence + 1) & 255
            if len(piece) < MAXIMUM:
                return out

    def send(self, body):
        self.sock.sendall(self.packet(body))

    def ok(self, done=None, more=False):
        status = AUTOCOMMIT | (MORE_RESULTS if more else 0)
        info = (done.info if done else "").encode()
        return b"\0" + lenenc(done.affected if done else 0) + b"\0" + struct.pack("<HH", status, 0) + info

    @staticmethod
    def error(error, plain=False):
        text = error.message if plain else error.wire
        return b"\xff" + struct.pack("<H", error.code) + b"#" + error.state.encode() + text.encode()

    def result(self, result, more):
        eof = b"\xfe" + struct.pack("<HH", 0, AUTOCOMMIT | (MORE_RESULTS if more else 0))
        out = [self.packet(lenenc(len(result.columns)))]
        for name, kind in result.columns:
            number = MYSQL.get(kind, 254)
            charset = UTF8 if number in (15, 254) else 63
            out.append(self.packet(
                lenenc_text(b"def") + lenenc_text(b"") * 3 + lenenc_text(name.encode()) * 2 +
                b"\x0c" + struct.pack("<HIBHB", charset, 65535, number, 0, 0x1f if number in (4, 5) else 0) + b"\0\0"))
        out.append(self.packet(eof))
        for row in result.rows:
            out.append(self.packet(b"".join(
                b"\xfb" if v is None else lenenc_text(values.as_text(v).encode("utf-8", "surrogatepass")) for v in row)))
        out.append(self.packet(eof))
        self.sock.sendall(b"".join(out))

    # -- life
    def run(self):
        try:
            session = self.greet()
            while session is not None:
                self.sequence = 0
                packet = self.read()
                if not packet or packet[0] == COM_QUIT:
                    return
                self.command(session, packet[0], packet[1:])
        except (Closed, OSError, ValueError):
            return
        finally:
            self.input.close()
            self.sock.close()
            self.server.forget(self)

    def greet(self):
        """Handshake; the session, or None when the client was refused."""
        salt = bytes(1 + b % 126 for b in os.urandom(20))
        self.send(b"\x0a" + SERVER_VERSION + b"\0" + struct.pack("<I", self.number) + salt[:8] + b"\0" +
                  struct.pack("<H", CAPABILITIES & 0xFFFF) + bytes([UTF8]) + struct.pack("<H", AUTOCOMMIT) +
                  struct.pack("<H", CAPABILITIES >> 16) + bytes([21]) + b"\0" * 10 + salt[8:] + b"\0" + PLUGIN + b"\0")
        fields = Fields(self.read())
        head = fields.take(4)
        if len(head) < 4:
            raise Closed
        self.capabilities = struct.unpack("<I", head)[0]
        if not self.capabilities & PROTOCOL_41:
            self.send(self.error(DorisError("client too old", 1043, "08S01"), plain=True))
            return None
        fields.take(28)
        user = fields.zero().decode("utf-8", "replace")
        answer = fields.take((fields.take(1) or b"\0")[0])
        database = fields.zero() if self.capabilities & CONNECT_WITH_DB else b""
        plugin = fields.zero() if self.capabilities & PLUGIN_AUTH else PLUGIN
        if plugin not in (PLUGIN, b""):
            self.send(b"\xfe" + PLUGIN + b"\0" + salt + b"\0")
            answer = self.read()
        settings = self.server.settings
        if user != settings.user or not hmac.compare_digest(answer, scramble(settings.password, salt)):
            self.send(self.error(access_denied(user, bool(answer)), plain=True))
            return None
        session = self.server.session(self)
        try:
            if database:
                session.use(database.decode("utf-8", "replace"))
        except DorisError as error:
            self.send(self.error(error))
            return None
        self.send(self.ok())
        return session

    def command(self, session, kind, body):
        if kind == COM_QUERY:
            self.query(session, body.decode("utf-8", "surrogateescape"))
        elif kind == COM_INIT_DB:
            self.guarded(lambda: session.use(body.decode("utf-8", "replace")))
        elif kind in (COM_PING, COM_RESET):
            self.send(self.ok())
        elif kind == COM_SET_OPTION:
            self.send(b"\xfe" + struct.pack("<HH", 0, AUTOCOMMIT))
        elif kind == COM_STATISTICS:
            self.send(b"Doris stand-in")
        else:
            self.send(self.error(DorisError("Unsupported command(%d) in the stand-in" % kind, 1047, "08S01")))

    def guarded(self, action):
        try:
            action()
        except DorisError as error:
            self.send(self.error(error))
        else:
            self.send(self.ok())

    def query(self, session, text):
        """Statements one by one; the first error ends them."""
        try:
            parts = session.split(text)
            for i, part in enumerate(parts):
                out = session.execute(part)
                more = i + 1 < len(parts)
                if isinstance(out, Result):
                    self.result(out, more)
                else:
                    self.send(self.ok(out, more))
            if not parts:
                raise DorisError("Query was empty", 1065, "42000")
        except DorisError as error:
            self.send(self.error(error))
        except (OSError, Closed):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of the stand-in: told to the client, never hidden
            self.server.report(text)
            self.send(self.error(DorisError("the stand-in failed: %s: %s" % (type(error).__name__, error))))


class Server:
    def __init__(self, settings, port, make_session):
        self.settings = settings
        self.make_session = make_session
        self.sock = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.sock.getsockname()[1]
        self.lock = threading.Lock()
        self.connections = set()
        self.number = 0
        self.thread = threading.Thread(target=self.run, name="accept", daemon=True)
        self.stopping = False

    def start(self):
        self.thread.start()

    def session(self, connection):
        return self.make_session(connection)

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    @staticmethod
    def report(text):
        import sys
        import traceback
        print("the stand-in failed at: %s" % text[:2000], file=sys.stderr)
        traceback.print_exc()

    def run(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.number += 1
                connection = Connection(self, sock, self.number)
                self.connections.add(connection)
            threading.Thread(target=connection.run, name="connection %d" % self.number, daemon=True).start()

    def stop(self):
        # shutdown wakes the accepting thread; close alone does not
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
