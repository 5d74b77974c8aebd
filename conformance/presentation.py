"""A presentation as judges see it: one shape for HLS with TS, HLS with CMAF, DASH, and the stored source.

`load(url)` fetches every manifest over HTTP (or from a file: URL, for sources and references) and resolves every
segment the way a player does. Media bytes are fetched when first asked for and kept for the run.
"""
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from fractions import Fraction

from walkers import bmff, m3u8, mpd

_bytes = {}


def fetch(url, byterange=None):
    if url not in _bytes:
        with urllib.request.urlopen(url, timeout=60) as answer:
            _bytes[url] = answer.read()
    data = _bytes[url]
    return data if byterange is None else data[byterange[1]:byterange[1] + byterange[0]]


def forget():
    _bytes.clear()


@dataclass
class Segment:
    url: str
    duration: Fraction          # as the manifest says, in seconds
    time: int | None = None     # DASH $Time$
    ticks: int | None = None    # DASH S@d
    byterange: tuple | None = None
    keys: tuple = ()            # HLS: attributes of each EXT-X-KEY that holds here
    sequence: int = 0           # HLS: media sequence number
    gap: bool = False           # HLS: EXT-X-GAP

    @property
    def data(self):
        return fetch(self.url, self.byterange)


@dataclass
class Part:
    """One rendition inside one period."""
    period: int
    segments: list
    init_url: str | None = None
    init_range: tuple | None = None
    offset: int = 0             # presentationTimeOffset, in `timescale`
    timescale: int | None = None
    representation: object = None

    @property
    def init_data(self):
        return fetch(self.init_url, self.init_range) if self.init_url else b""

    @property
    def init(self):
        return bmff.read_init(self.init_data)

    @property
    def joined(self):
        return self.init_data + b"".join(s.data for s in self.segments)

    def samples(self):
        """All CMAF samples in order."""
        init = self.init
        return [x for s in self.segments for f in bmff.read_segment(s.data, init) for x in f.samples]


@dataclass
class Rendition:
    kind: str                   # video, audio, muxed or trick
    name: str
    attributes: dict
    parts: list
    playlist: object = None

    @property
    def cmaf(self):
        return self.parts[0].init_url is not None


@dataclass
class Presentation:
    url: str
    format: str                 # HLS, HLS_CMAF or DASH
    renditions: list = field(default_factory=list)
    tricks: list = field(default_factory=list)      # renditions of single I-frames
    master: object = None       # m3u8.Playlist
    mpd: object = None
    period_bounds: list = field(default_factory=list)   # DASH: (start, duration)

    def of(self, *kinds):
        return [r for r in self.renditions if r.kind in kinds]

    @property
    def duration(self):
        if self.mpd:
            return self.mpd.duration
        return sum((s.duration for p in self.renditions[0].parts for s in p.segments), Fraction(0))


def _hls_rendition(kind, name, attributes, url):
    playlist = m3u8.read(fetch(url), url)
    parts = []
    for number, segments in enumerate(playlist.parts()):
        first = segments[0].map
        byterange = None
        if first and "BYTERANGE" in first:
            length, _, offset = first["BYTERANGE"].partition("@")
            byterange = (int(length), int(offset or 0))
        parts.append(Part(number, [Segment(s.uri, s.duration, byterange=s.byterange, keys=s.keys, sequence=s.sequence, gap=s.gap) for s in segments],
                          first["uri"] if first else None, byterange))
    return Rendition(kind, name, attributes, parts, playlist)


def _load_hls(url):
    master = m3u8.read(fetch(url), url)
    if not master.variants:
        raise ValueError("master playlist lists no stream: " + "; ".join(master.faults[:2]))
    out = Presentation(url, "HLS", master=master)
    groups = {m["GROUP-ID"] for m in master.media if m.get("TYPE") == "AUDIO" and "uri" in m}
    seen = set()
    for number, v in enumerate(master.variants):
        if v["uri"] in seen:        # the same video with another audio group
            continue
        seen.add(v["uri"])
        out.renditions.append(_hls_rendition("video" if v.get("AUDIO") in groups else "muxed", f"v{number}", v, v["uri"]))
    for number, m in enumerate(m for m in master.media if m.get("TYPE") == "AUDIO" and "uri" in m):
        if m["uri"] not in seen:
            seen.add(m["uri"])
            out.renditions.append(_hls_rendition("audio", f"a{number}", m, m["uri"]))
    for v in master.iframes:
        trick = _hls_rendition("trick", v["uri"].rsplit("/", 1)[-1].split(".")[0], v, v["uri"])
        for part in trick.parts:        # a period without such pictures is a gap
            part.segments = [s for s in part.segments if not s.gap]
        trick.parts = [p for p in trick.parts if p.segments]
        out.tricks.append(trick)
    if any(p.init_url for r in out.renditions for p in r.parts):
        out.format = "HLS_CMAF"
        for r in out.renditions:    # video alone without any audio group, or sound alone
            if r.kind == "muxed" and r.cmaf:
                r.kind = "audio" if r.parts[0].init.handler == "soun" else "video"
    return out


def _dash_part(renditions, kind, name, period, r):
    rendition = next((x for x in renditions if x.name == name), None)
    if rendition is None:
        rendition = Rendition(kind, name, r.attributes, [])
        renditions.append(rendition)
    rendition.parts.append(Part(period, [Segment(s.url, Fraction(s.duration, r.timescale), s.time, s.duration) for s in r.segments],
                                r.init, None, r.offset, r.timescale, r))


def _load_dash(url):
    manifest = mpd.read(fetch(url), url)
    out = Presentation(url, "DASH", mpd=manifest, period_bounds=[(p.start, p.duration) for p in manifest.periods])
    for number, period in enumerate(manifest.periods):
        counts = {}
        for group in period.tricks:
            for r in group.representations:
                _dash_part(out.tricks, "trick", r.id, number, r)
        for group in period.sets:
            if group.content_type == "text":       # `texts.py` reads it from the MPD
                continue
            for r in group.representations:
                index = counts[group.content_type] = counts.get(group.content_type, -1) + 1
                name = f"{group.content_type[0]}{index}"
                _dash_part(out.renditions, group.content_type, name, number, r)
    return out


def load(url):
    if "://" not in url:
        url = "file://" + os.path.abspath(url)
    return _load_dash(url) if url.split("?")[0].endswith(".mpd") else _load_hls(url)
