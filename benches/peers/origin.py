"""packorigin for the comparison: filled once, then exported from and served from."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from urllib.parse import urljoin, urlsplit

from machine import peak, pinned

WIDEVINE, PLAIN_KEYS = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "3ea8778f-7742-4bf9-b18b-e834b2acbd47"
KEY_ID, KEY, IV = "43215678-1234-1234-1234-123456789012", "00112233445566778899aabbccddeeff", "0123456789abcdef0123456789abcdef"
MPD = {"d": "urn:mpeg:dash:schema:mpd:2011"}
GROUP = "peers"


def _encryption(kind):
    key = {"trackType": "ALL", "keyId": KEY_ID, "key": KEY}
    if kind == "cenc":
        return {"scheme": kind, "systemIds": [WIDEVINE], "staticKeys": [key]}
    key["iv"] = IV
    if kind == "cbcs":
        return {"scheme": kind, "systemIds": [WIDEVINE], "staticKeys": [key]}
    return {"method": kind, "systemIds": [PLAIN_KEYS], "staticKeys": [key | {"uri": "http://127.0.0.1:9/key"}]}


# Name → package type, how it is encrypted.
CONFIGURATIONS = {
    "dash": ("DASH", None), "dash-cenc": ("DASH", "cenc"), "dash-cbcs": ("DASH", "cbcs"),
    "ts": ("HLS", None), "ts-aes-128": ("HLS", "AES_128"), "ts-sample-aes": ("HLS", "SAMPLE_AES"),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Origin:
    """A running `packorigin serve`. `media_cache`: bytes of each cache of media."""

    def __init__(self, binary, data, content, core, media_cache=None):
        playback, control = free_port(), free_port()
        self.playback, self.control = f"http://127.0.0.1:{playback}", f"http://127.0.0.1:{control}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PACKORIGIN_")}
        if media_cache is not None:
            environment |= {"PACKORIGIN_CACHE_SEGMENT_BYTES": str(media_cache), "PACKORIGIN_CACHE_SOURCE_BYTES": str(media_cache)}
        command = [binary, "serve", "--listen", f"127.0.0.1:{playback}", "--control-listen", f"127.0.0.1:{control}", "--data-dir", data,
                   "--source", f"default=file://{content}"]
        self.process = subprocess.Popen(pinned(command, core), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def __enter__(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                self.call("GET", "/readyz")
                return self
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"packorigin serve did not start: {error}") from None
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.control + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                data = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
        return json.loads(data) if path.startswith("/v1/") and data else None

    def memory(self):
        return peak(self.process.pid)

    def fill(self, assets):
        """Registers assets, name → master playlist, in all configurations, and waits until they can be played."""
        self.call("POST", "/v1/packaging-groups", {"name": GROUP})
        for name, (package_type, kind) in CONFIGURATIONS.items():
            body = {"name": name, "packageType": package_type, "segmentDurationSeconds": 6} | ({"encryption": _encryption(kind)} if kind else {})
            self.call("POST", f"/v1/packaging-groups/{GROUP}/packaging-configurations", body)
        for name, path in assets.items():
            self.call("POST", "/v1/assets", {"name": name, "packagingGroup": GROUP, "path": path, "contentId": name})
        deadline = time.monotonic() + 600
        while any((state := self.call("GET", f"/v1/assets/{name}"))["status"] != "PLAYABLE" for name in assets):
            if state["status"] == "FAILED" or time.monotonic() > deadline:
                raise RuntimeError(f"packorigin did not read its source: {state}")
            time.sleep(0.05)

    def get(self, url):
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()

    def addresses(self, asset, configuration):
        """The entry manifest, the media playlist of the best rendition (of HLS), its init segment (of DASH), and all media segments of
        pictures by height, as URLs."""
        endpoints = self.call("GET", f"/v1/assets/{asset}")["egressEndpoints"]
        entry = next(e["url"] for e in endpoints if e["packagingConfiguration"] == configuration)
        entry = self.playback + urlsplit(entry).path
        text = self.get(entry).decode()
        return _of_mpd(entry, text) if entry.endswith(".mpd") else self._of_playlists(entry, text)

    def _of_playlists(self, entry, text):
        found = {"entry": entry, "segments": {}}
        for height, uri in re.findall(r"#EXT-X-STREAM-INF:.*RESOLUTION=\d+x(\d+).*\n(.+)", text):
            media = urljoin(entry, uri)
            found.setdefault("media", media)
            lines = self.get(media).decode().splitlines()
            found["segments"].setdefault(int(height), [urljoin(media, line) for line in lines if line and not line.startswith("#")])
        return found


def _of_mpd(entry, text):
    found = {"entry": entry, "segments": {}}
    for adaptation in ET.fromstring(text).iterfind(".//d:AdaptationSet", MPD):
        for representation in adaptation.iterfind("d:Representation", MPD):
            template = representation.find("d:SegmentTemplate", MPD)
            template = adaptation.find("d:SegmentTemplate", MPD) if template is None else template
            height = representation.get("height") or adaptation.get("height")
            if height is None or adaptation.find("d:EssentialProperty", MPD) is not None:
                continue
            at, times = 0, []
            for stretch in template.iterfind("d:SegmentTimeline/d:S", MPD):
                at = int(stretch.get("t", at))
                for _ in range(int(stretch.get("r", 0)) + 1):
                    times.append(at)
                    at += int(stretch.get("d"))
            uri = template.get("media").replace("$RepresentationID$", representation.get("id"))
            found["segments"][int(height)] = [urljoin(entry, uri.replace("$Time$", str(t))) for t in times]
            found.setdefault("init", urljoin(entry, template.get("initialization").replace("$RepresentationID$", representation.get("id"))))
    return found
