"""WebVTT files and the samples of `wvtt` tracks.

Strict: what a correct writer would not write raises `VttError`. Cannot read cues without a blank line between them.
"""
import re
from dataclasses import dataclass
from fractions import Fraction

TIME = re.compile(r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})")
MAP = re.compile(r"X-TIMESTAMP-MAP=MPEGTS:(\d+),LOCAL:(\S+)")


class VttError(ValueError):
    pass


@dataclass(frozen=True)
class Cue:
    start: Fraction
    end: Fraction
    payload: str
    settings: str = ""
    id: str = ""


@dataclass
class File:
    map: tuple | None           # (MPEGTS, LOCAL in seconds)
    header: list                # lines
    blocks: list                # STYLE and REGION
    cues: list


def time(text):
    match = TIME.fullmatch(text)
    if not match:
        raise VttError(f"{text!r} is no time")
    hours, minutes, seconds, thousandths = match.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + Fraction(int(thousandths), 1000)


def read(data):
    text = data.decode("utf-8")
    if "\r" in text or not text.endswith("\n\n"):
        raise VttError("lines end otherwise than with line feeds, or there is no blank line at the end")
    first, *blocks = text.rstrip("\n").split("\n\n")
    lines = first.split("\n")
    if lines[0] != "WEBVTT":
        raise VttError(f"begins with {lines[0]!r}")
    out = File(None, [], [], [])
    for line in lines[1:]:
        match = MAP.fullmatch(line)
        if match:
            out.map = (int(match.group(1)), time(match.group(2)))
        else:
            out.header.append(line)
    for block in filter(None, blocks):
        lines = block.split("\n")
        if lines[0] in ("STYLE", "REGION"):
            if out.cues:
                raise VttError("a style behind cues")
            out.blocks.append(block)
            continue
        name = "" if "-->" in lines[0] else lines.pop(0)
        start, _, rest = lines[0].partition(" --> ")
        end, _, settings = rest.partition(" ")
        out.cues.append(Cue(time(start), time(end), "\n".join(lines[1:]), settings, name))
    if any(a.start > b.start for a, b in zip(out.cues, out.cues[1:])):
        raise VttError("cues are not in order")
    return out


def boxes(data):
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if size < 8 or at + size > len(data):
            raise VttError(f"a box of {size} bytes, {len(data) - at} are left")
        yield data[at + 4:at + 8].decode("latin1"), data[at + 8:at + size]
        at += size


def read_sample(data):
    """Cues of a sample as (source number, id, settings, payload)."""
    out = []
    for kind, body in boxes(data):
        if kind == "vttc":
            parts = dict(boxes(body))
            text = {name: parts.get(name, b"").decode("utf-8") for name in ("iden", "sttg", "payl")}
            out.append((int.from_bytes(parts["vsid"], "big"), text["iden"], text["sttg"], text["payl"]))
        elif kind != "vtte" or body or len(data) != 8:
            raise VttError(f"a sample has {kind}")
    if not data:
        raise VttError("a sample is empty")
    return out
