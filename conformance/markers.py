#!/usr/bin/env python3
"""Markers say what the source says, at its time, and segments begin where breaks do.

usage: markers.py EXPECTED.json MASTER URL...

Proves that every media playlist has the same EXT-X-DATERANGE and dates that place them: each marker of EXPECTED.json at
its time from the first picture, with its durations and attributes, and no other; that each break begins and ends with a
segment in every rendition with pictures; that MPDs have each SCTE-35 section as an event at its time, in the period in
which that lies; that threefive, which made the sections, reads ours as what is expected; that sections of the source come
through byte for byte; that a clip has those markers alone that reach into it.

Cannot prove that a player or an advertisement server acts on them. MASTER is the source's master playlist.
"""
import base64
import datetime
import glob
import json
import os
import re
import sys
from fractions import Fraction

import presentation
from report import Report
from walkers import m3u8, mpd

SCHEME = "urn:scte:scte35:2014:xml+bin"
DASH, SCTE = "{urn:mpeg:dash:schema:mpd:2011}", "{http://www.scte.org/schemas/35/2016}"
MILLISECOND = Fraction(1, 1000)
SECTIONS = {"SCTE35-OUT": "out", "SCTE35-IN": "in", "SCTE35-CMD": "command"}
ALWAYS = {"ID", "START-DATE", "DURATION", "PLANNED-DURATION"} | set(SECTIONS)


def date(text):
    """Seconds since 1970, exactly."""
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return Fraction(round(at.replace(microsecond=0).timestamp())) + Fraction(at.microsecond, 1_000_000)


def read_section(data):
    """[command, event ID, out or type] as threefive reads it."""
    from threefive import Cue
    cue = Cue(data)
    cue.decode()
    command = cue.command
    if command.name == "Splice Insert":
        return [command.name, int(str(command.splice_event_id), 0), bool(command.out_of_network_indicator)]
    descriptor = cue.descriptors[0]
    return [command.name, int(str(descriptor.segmentation_event_id), 0), descriptor.segmentation_type_id]


def dated(playlist, judge):
    """(date, segment) of each segment: said or counted on."""
    text = presentation.fetch(playlist.url).decode()
    said, now = [], None
    for line in text.splitlines():
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            now = date(line.partition(":")[2])
        elif line and not line.startswith("#"):
            said.append(now)
            now = None
    judge.check("dates: the first segment has one", bool(said) and said[0] is not None, playlist.url)
    out, at = [], said[0] or Fraction(0)
    for segment, told in zip(playlist.segments, said):
        at = at if told is None else told
        out.append((at, segment))
        at += segment.duration
    return out


def ranges(playlist):
    faults = []
    found = [m3u8.attributes(value, faults, playlist.url) for value in playlist.tags.get("EXT-X-DATERANGE", [])]
    return found, faults


def source_sections(master):
    """Sections in the source's playlists, and those that threefive finds in segments of its own, in base64."""
    from threefive import Stream
    folder, out = os.path.dirname(master), set()
    for path in glob.glob(os.path.join(folder, "*.m3u8")):
        with open(path) as f:
            out |= set(re.findall(r"SCTE35:(\S+)", f.read()))
    take = lambda cue: cue.command.name != "Splice Null" and out.add(base64.b64encode(cue.bites).decode())
    for path in glob.glob(os.path.join(folder, "*", "*.ts")):
        Stream(path).decode(func=take)
    return out


def judge_hls(judge, out, expected, told):
    urls = {v["uri"] for v in out.master.variants + out.master.iframes} | {m["uri"] for m in out.master.media if "uri" in m}
    playlists = [m3u8.read(presentation.fetch(url), url) for url in sorted(urls)]
    first, faults = ranges(out.renditions[0].playlist)
    judge.check("date ranges: well formed", not faults, lambda: faults[0])
    for playlist in playlists:
        judge.equal("date ranges: the same in all playlists", ranges(playlist)[0], first, playlist.url)
        dated(playlist, judge)
    pictures = [r for r in out.renditions if r.kind in ("video", "muxed")]
    zero = dated(pictures[0].playlist, judge)[0][0]
    judge.equal("dates: those of the source, or from 1970 on", zero, date(expected["dates"] or "1970-01-01T00:00:00Z"))
    judge.equal("date ranges: each marker once", sorted(r["ID"] for r in first), sorted(expected["markers"]))
    for found in first:
        wanted = expected["markers"].get(found["ID"])
        if wanted is None:
            continue
        start = date(found["START-DATE"]) - zero
        judge.check("date ranges: at their time", abs(start - Fraction(wanted["start"])) <= MILLISECOND, f"{found['ID']}: {float(start)}")
        for name, key in (("DURATION", "duration"), ("PLANNED-DURATION", "planned")):
            value = Fraction(found[name]) if name in found else None
            judge.equal("date ranges: durations", value, Fraction(str(wanted[key])) if key in wanted else None, f"{found['ID']} {name}")
        judge.equal("date ranges: further attributes", {k: v for k, v in found.items() if k not in ALWAYS}, wanted.get("attributes", {}), found["ID"])
        for name, key in SECTIONS.items():
            section = bytes.fromhex(found[name][2:]) if name in found else None
            judge.equal("sections: as threefive reads them", read_section(section) if section else None, wanted.get(key), f"{found['ID']} {name}")
            told.setdefault((found["ID"], key), section)
    for rendition in pictures:
        begins = [at - zero for at, _ in dated(rendition.playlist, judge)]
        judge_cuts(judge, begins, expected, rendition.name)


def breaks(expected):
    """When breaks begin and end, in seconds from the first picture."""
    out = set()
    for marker in expected["markers"].values():
        if "out" in marker:
            start = Fraction(marker["start"])
            out |= {start, start + Fraction(str(marker.get("duration", marker.get("planned", 0))))}
    return sorted(out)


def judge_cuts(judge, begins, expected, where):
    for time in breaks(expected):
        judge.check("segments: one begins where a break does, and where it ends", any(abs(b - time) <= 2 * MILLISECOND for b in begins),
                    lambda: f"{where}: {float(time)} s: {[float(b) for b in begins]}")


def events(root):
    """(start in seconds, duration, id, section) of each event, and the bounds of its period."""
    out = []
    for period in root.iter(DASH + "Period"):
        start, length = mpd.seconds(period.get("start")), mpd.seconds(period.get("duration"))
        for stream in period.findall(DASH + "EventStream"):
            scale, offset = int(stream.get("timescale", 1)), int(stream.get("presentationTimeOffset", 0))
            for event in stream.findall(DASH + "Event"):
                at = Fraction(int(event.get("presentationTime", 0)) - offset, scale)
                length_of = event.get("duration") and Fraction(int(event.get("duration")), scale)
                binary = event.find(f"{SCTE}Signal/{SCTE}Binary")
                out.append((start + at, length_of, int(event.get("id")), base64.b64decode(binary.text), stream.get("schemeIdUri"), (start, start + length)))
    return out


def parsed(url):
    from xml.etree import ElementTree
    return ElementTree.fromstring(presentation.fetch(url))


def judge_dash(judge, out, expected, told):
    found = events(parsed(out.url))
    judge.check("events: scheme", all(e[4] == SCHEME for e in found), "")
    judge.check("events: in the period in which they begin", all(e[5][0] <= e[0] < e[5][1] for e in found), "")
    judge.equal("events: ids are unique", len({e[2] for e in found}), len(found))
    wanted = []
    for marker in expected["markers"].values():
        start, length = Fraction(marker["start"]), marker.get("duration", marker.get("planned"))
        for key in ("out", "command"):
            if key in marker:
                wanted.append((start, length and Fraction(str(length)), marker[key]))
        if "in" in marker:
            wanted.append((start + Fraction(str(length)), None, marker["in"]))
    mine = [(Fraction(round(at * 1000), 1000), length, read_section(section)) for at, length, _, section, _, _ in found]
    judge.equal("events: what happens, and when", sorted(mine, key=str), sorted(wanted, key=str))
    sections = {e[3] for e in found}
    judge.check("events: the sections of the playlists", not told or sections == {s for s in told.values() if s}, "")
    for rendition in out.of("video"):
        begins = []
        for part in rendition.parts:
            base = out.period_bounds[part.period][0]
            begins += [base + Fraction(s.time - part.offset, part.timescale) for s in part.segments]
        judge_cuts(judge, begins, expected, rendition.name)


def judge_clip(judge, out, expected):
    """What lasts into the first half, and nothing else."""
    middle = Fraction(round(out.duration / 2))
    url = f"{out.url}?start=0&end={float(middle)}"
    if out.mpd:
        whole, found, end = events(parsed(out.url)), events(parsed(url)), presentation.load(url).duration
        judge.equal("clip: the events in it", [e[:4] for e in found], [e[:4] for e in whole if e[0] < end])
    else:
        clip = presentation.load(url)
        found = sorted(r["ID"] for r in ranges(clip.renditions[0].playlist)[0])
        judge.equal("clip: the markers in it", found, sorted(n for n, m in expected["markers"].items() if m["start"] < clip.duration))


def judge_markers(report, subject, out, expected, master, told=None):
    try:
        import threefive    # noqa: F401
    except ImportError as error:
        report.skip("markers", subject, "all", f"{error} (pip install -r conformance/requirements.txt)")
        return
    told = {} if told is None else told
    with report.judge("markers", subject) as judge:
        (judge_dash if out.mpd else judge_hls)(judge, out, expected, told)
        stored = source_sections(master)
        if not out.mpd and stored:
            ours = {base64.b64encode(s).decode() for (name, _), s in told.items() if s}
            judge.check("sections: the source's, byte for byte", stored <= ours, lambda: f"{stored - ours}")
        judge_clip(judge, out, expected)


def main(expected, master, *urls):
    report = Report()
    with open(expected) as f:
        table = json.load(f)
    for url in urls:
        judge_markers(report, url.rsplit("/", 2)[-2], presentation.load(url), table, master)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
