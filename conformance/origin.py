"""Runs a packorigin binary for the judges and speaks to its control API.

Everything lives in a temporary data directory and on free ports; `with Origin(...)` stops it and keeps its log.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Problem(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Origin:
    def __init__(self, binary, sources, log, settings=None):
        """`settings`: environment variables, PACKORIGIN_… → value."""
        self.binary, self.sources, self.log_path, self.settings = binary, sources, log, settings or {}
        self.playback = self.control = None
        self.process = self.data = None

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="packorigin-conformance-")
        playback, control = free_port(), free_port()
        self.playback, self.control = f"http://127.0.0.1:{playback}", f"http://127.0.0.1:{control}"
        command = [self.binary, "serve", "--listen", f"127.0.0.1:{playback}", "--control-listen", f"127.0.0.1:{control}", "--data-dir", self.data]
        for name, url in self.sources.items():
            command += ["--source", f"{name}={url}"]
        os.makedirs(os.path.dirname(self.log_path), exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PACKORIGIN_")} | self.settings
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            self._wait_ready(30)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_ready(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"packorigin serve ended with exit code {self.process.returncode}:\n{self.tail()}")
            try:
                self.call("GET", "/readyz", raw=True)
                return
            except (OSError, Problem):
                time.sleep(0.1)
        raise RuntimeError(f"packorigin serve was not ready in {seconds} s:\n{self.tail()}")

    def tail(self, lines=30):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def __exit__(self, *_):
        self.stopped_cleanly = True
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.stopped_cleanly = False
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def call(self, method, path, body=None, raw=False):
        request = urllib.request.Request(self.control + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"} if body is not None else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                data = answer.read()
        except urllib.error.HTTPError as e:
            raise Problem(e.code, e.read().decode(errors="replace")) from None
        return data if raw else json.loads(data) if data else None

    def configure(self, group, configurations):
        self.call("POST", "/v1/packaging-groups", {"name": group})
        for name, (package_type, seconds, *more) in configurations.items():
            self.call("POST", f"/v1/packaging-groups/{group}/packaging-configurations",
                      {"name": name, "packageType": package_type, "segmentDurationSeconds": seconds} | (more[0] if more else {}))

    def ingest(self, group, assets, seconds, content_ids=False):
        """assets: name → (source, path). Returns name → asset as the API tells it, when all are done or time is over."""
        for name, (source, path) in assets.items():
            self.call("POST", "/v1/assets", {"name": name, "packagingGroup": group, "source": source, "path": path}
                      | ({"contentId": f"content-{name}"} if content_ids else {}))
        deadline, out = time.monotonic() + seconds, {}
        while time.monotonic() < deadline:
            out = {name: self.call("GET", f"/v1/assets/{name}") for name in assets}
            if all(a["status"] in ("PLAYABLE", "FAILED") for a in out.values()):
                break
            time.sleep(0.2)
        return out
