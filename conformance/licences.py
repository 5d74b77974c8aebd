"""A small licence server for players: ClearKey licences, the raw keys of HLS, and files of a folder, over loopback HTTP.

It stands in where no `packorigin key-server` runs, and for keys that stand in a configuration. `asked` keeps which
key IDs were handed out, so that a judge can tell whether a player really came here.

    POST /clearkey      {"kids": [...]}  →  the licence (EME, 9.1.4)
    GET  /keys/{kid}    16 bytes
    GET  /files/...     what lies in `folder`
    POST /v1/traces     kept in `traces`, as a collector would
"""
import gzip
import http.server
import os
import threading
import uuid

from keys import licence

TYPES = {".mpd": "application/dash+xml", ".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".mp4": "video/mp4", ".m4s": "video/mp4"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, kind="text/plain", body=b""):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Access-Control-Allow-Origin", "*"),
                            ("Access-Control-Allow-Headers", "*"), ("Access-Control-Allow-Methods", "GET, POST, OPTIONS")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self):
        self.answer(204)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v1/traces":
            self.server.traces.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            return self.answer(200, "application/x-protobuf")
        if self.path != "/clearkey":
            return self.answer(404)
        try:
            self.answer(200, "application/json", licence(self.server.handed_out, body))
        except (KeyError, ValueError) as error:
            self.answer(400, body=str(error).encode())

    def do_GET(self):
        path = self.path.split("?")[0]
        try:
            if path.startswith("/keys/"):
                return self.answer(200, "application/octet-stream", self.server.handed_out[uuid.UUID(path[6:]).bytes])
            if path.startswith("/files/") and self.server.folder and ".." not in path:
                with open(os.path.join(self.server.folder, path[7:]), "rb") as f:
                    return self.answer(200, TYPES.get(os.path.splitext(path)[1], "application/octet-stream"), f.read())
        except (KeyError, ValueError, OSError):
            pass
        self.answer(404)


class HandedOut:
    """Keys, with a note of each that was asked for."""

    def __init__(self, keys):
        self.keys, self.asked = keys, set()

    def __getitem__(self, kid):
        key = self.keys[kid]
        self.asked.add(kid)
        return key


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Browsers break connections off when a page is closed; that is no news."""


class Licences:
    def __init__(self, keys, folder=None):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.handed_out, self.server.folder, self.server.traces = HandedOut(keys), folder, []
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def traces(self):
        return self.server.traces

    @property
    def asked(self):
        return self.server.handed_out.asked
