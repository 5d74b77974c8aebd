"""HLS playlists (RFC 8216 and its second edition), strictly: what is not in the RFC is a fault.

Faults are collected, not raised, so that `manifests.py` can say all of them at once; sources are read with the same
code and their faults ignored. Cannot judge whether what a playlist says is true.
"""
import re
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import urljoin

MASTER_TAGS = {"EXT-X-MEDIA", "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY",
               "EXT-X-CONTENT-STEERING"}
MEDIA_TAGS = {"EXTINF", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME",
              "EXT-X-DATERANGE", "EXT-X-GAP", "EXT-X-BITRATE", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE",
              "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-ENDLIST", "EXT-X-PLAYLIST-TYPE", "EXT-X-I-FRAMES-ONLY"}
BOTH_TAGS = {"EXTM3U", "EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START", "EXT-X-DEFINE"}
ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^,]*)(?:,|$)')
NUMERIC = {"BANDWIDTH": r"\d+", "AVERAGE-BANDWIDTH": r"\d+", "RESOLUTION": r"\d+x\d+", "FRAME-RATE": r"\d+(\.\d{1,3})?",
           "CODECS": r'".+"', "AUDIO": r'".+"', "SUBTITLES": r'".+"', "URI": r'".+"', "GROUP-ID": r'".+"', "NAME": r'".+"',
           "CHANNELS": r'".+"', "LANGUAGE": r'".+"', "DEFAULT": "YES|NO", "AUTOSELECT": "YES|NO",
           "CLOSED-CAPTIONS": r'".+"|NONE', "TYPE": "AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS",
           "VIDEO-RANGE": "SDR|HLG|PQ", "METHOD": "NONE|AES-128|SAMPLE-AES|SAMPLE-AES-CTR", "IV": "0[xX][0-9a-fA-F]{32}", "KEYID": "0[xX][0-9a-fA-F]{32}",
           "KEYFORMAT": r'".+"', "KEYFORMATVERSIONS": r'"\d+(/\d+)*"'}


@dataclass
class Segment:
    uri: str
    duration: Fraction
    discontinuity: bool = False
    gap: bool = False
    map: dict | None = None
    keys: tuple = ()                    # attributes of every EXT-X-KEY that holds here, one for each KEYFORMAT
    sequence: int = 0                   # media sequence number
    byterange: tuple | None = None      # (length, offset)
    line: int = 0


@dataclass
class Playlist:
    url: str
    tags: dict = field(default_factory=dict)        # name → [value]
    variants: list = field(default_factory=list)    # attribute dicts with "uri" resolved
    iframes: list = field(default_factory=list)     # attributes of each EXT-X-I-FRAME-STREAM-INF, "uri" resolved
    media: list = field(default_factory=list)
    segments: list = field(default_factory=list)
    uris: list = field(default_factory=list)        # as written
    session_keys: list = field(default_factory=list)    # attributes of each EXT-X-SESSION-KEY
    faults: list = field(default_factory=list)

    def number(self, tag, default=None):
        return int(self.tags[tag][0]) if tag in self.tags else default

    def parts(self):
        """Segments split at discontinuities."""
        out = []
        for segment in self.segments:
            if segment.discontinuity or not out:
                out.append([])
            out[-1].append(segment)
        return out


def attributes(text, faults, where):
    out, at = {}, 0
    for match in ATTRIBUTE.finditer(text):
        if match.start() != at:
            break
        name, value = match.groups()
        if name in out:
            faults.append(f"{where}: attribute {name} twice")
        if name in NUMERIC and not re.fullmatch(NUMERIC[name], value):
            faults.append(f"{where}: {name}={value} is no valid value")
        out[name] = value.strip('"')
        at = match.end()
    if at != len(text):
        faults.append(f"{where}: attribute list cannot be read from {text[at:at + 20]!r}")
    return out


def read(text, url):
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    out = Playlist(url)
    faults = out.faults
    if text.startswith("\ufeff"):
        faults.append("begins with a byte order mark")
        text = text[1:]
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if not text.endswith("\n"):
        faults.append("the last line is not ended")
    lines = text.split("\n")
    if lines[0] != "#EXTM3U":
        faults.append("does not begin with #EXTM3U")
    pending, discontinuity, gap, current_map, keys, byterange, duration, end = None, False, False, None, {}, None, None, {}
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        if line != line.strip():
            faults.append(f"{where}: white space at an end")
            line = line.strip()
        if not line:
            continue
        if line.startswith("#EXT"):
            name, colon, value = line[1:].partition(":")
            out.tags.setdefault(name, []).append(value)
            if name not in MASTER_TAGS | MEDIA_TAGS | BOTH_TAGS:
                faults.append(f"{where}: {name} is no tag of the RFC")
            elif name == "EXTINF":
                if duration is not None:
                    faults.append(f"{where}: EXTINF twice for one segment")
                match = re.fullmatch(r"(\d+(?:\.\d+)?),.*", value)
                if not match:
                    faults.append(f"{where}: EXTINF:{value} is not well formed")
                duration = Fraction(match.group(1) if match else re.match(r"[\d.]*", value).group() or "0")
            elif name == "EXT-X-DISCONTINUITY":
                discontinuity = True
            elif name == "EXT-X-GAP":
                gap = True
            elif name == "EXT-X-BYTERANGE":
                length, _, offset = value.partition("@")
                start = int(offset) if offset else None
                byterange = (int(length), start)
            elif name == "EXT-X-MAP":
                current_map = attributes(value, faults, where)
                out.uris.append(current_map.get("URI", ""))
                current_map["uri"] = urljoin(url, current_map.get("URI", ""))
            elif name == "EXT-X-KEY":
                key = attributes(value, faults, where)
                keys = {} if key.get("METHOD") == "NONE" else keys | {key.get("KEYFORMAT", "identity"): key}
            elif name == "EXT-X-SESSION-KEY":
                out.session_keys.append(attributes(value, faults, where))
            elif name == "EXT-X-MEDIA":
                media = attributes(value, faults, where)
                if "URI" in media:
                    out.uris.append(media["URI"])
                    media["uri"] = urljoin(url, media["URI"])
                out.media.append(media)
            elif name == "EXT-X-I-FRAME-STREAM-INF":
                iframe = attributes(value, faults, where)
                out.uris.append(iframe.get("URI", ""))
                out.iframes.append(iframe | {"uri": urljoin(url, iframe.get("URI", ""))})
            elif name == "EXT-X-STREAM-INF":
                pending = attributes(value, faults, where)
        elif line.startswith("#"):
            continue
        elif pending is not None:
            out.uris.append(line)
            out.variants.append(pending | {"uri": urljoin(url, line), "relative": line})
            pending = None
        else:
            out.uris.append(line)
            if duration is None:
                faults.append(f"{where}: {line} has no EXTINF")
            target = urljoin(url, line)
            if byterange:
                byterange = (byterange[0], end.get(target, 0) if byterange[1] is None else byterange[1])
                end[target] = sum(byterange)
            out.segments.append(Segment(target, duration or Fraction(0), discontinuity, gap, current_map, tuple(keys.values()),
                                        out.number("EXT-X-MEDIA-SEQUENCE", 0) + len(out.segments), byterange, number))
            duration, discontinuity, gap, byterange = None, False, False, None
    if pending is not None:
        faults.append("EXT-X-STREAM-INF without a URI after it")
    for name in ("EXTM3U", "EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-ENDLIST",
                 "EXT-X-PLAYLIST-TYPE", "EXT-X-INDEPENDENT-SEGMENTS"):
        if len(out.tags.get(name, [])) > 1:
            faults.append(f"{name} more than once")
    kinds = {"master" for n in out.tags if n in MASTER_TAGS} | {"media" for n in out.tags if n in MEDIA_TAGS}
    if len(kinds) > 1:
        faults.append("mixes tags of master and media playlists")
    return out
