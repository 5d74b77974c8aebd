#!/usr/bin/env python3
"""Subtitles say what the source says, when the source says it.

usage: texts.py EXPECTED.json URL...

Proves that every segment of HLS holds exactly the cues that are shown during it, with their whole times, settings and
markup, on the clock that its pictures have; that segments lie where those of the pictures lie; that samples of DASH
follow each other without gap and show each cue for its whole time; that a file beside counts from the start of its
Period; that manifests name languages and purposes. ffmpeg reads every WebVTT file too. Where the source has TTML, its documents are
compared with those of segments and of files beside (`documents.py`); EXPECTED.json then says what WebVTT shows of them.

Cannot prove that a player shows them (`players/texts.mjs`). EXPECTED.json maps names to cues: start, end, text, settings, in
seconds from the first picture.
"""
import html
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from fractions import Fraction
from urllib.parse import urljoin

import documents
import presentation
from report import Report
from walkers import bmff, m3u8, mpegts, webvtt

CLOCK = 90000
MILLISECOND = Fraction(1, 1000)
DASH = "{urn:mpeg:dash:schema:mpd:2011}"
ROLE = "urn:mpeg:dash:role:2011"


def cues_of(expected):
    return [webvtt.Cue(Fraction(str(s)), Fraction(str(e)), text, settings) for s, e, text, settings in expected]


def plain(cue):
    """What has to agree; identifiers are not in the table, and times to half a millisecond."""
    return round(cue.start * 1000), round(cue.end * 1000), untimed(cue.payload), cue.settings


def untimed(text):
    """Times within the text count on the timeline, which may begin before the first picture."""
    return re.sub(r"<[\d:.]+>", "<t>", text)


def first_picture(out):
    """When the first picture is shown, on the clock of the output in seconds."""
    part = next(r for r in out.renditions if r.kind in ("video", "muxed")).parts[0]
    if part.init_url:
        return min(Fraction(s.pts, part.init.timescale) for f in bmff.read_segment(part.segments[0].data, part.init) for s in f.samples)
    return Fraction(min(p.pts for p in mpegts.read(part.segments[0].data).units(mpegts.VIDEO)), CLOCK)


def ffmpeg_reads(data):
    """(start, end, text) of each cue as ffmpeg has them; 5.1 knows no STYLE and REGION, so those are taken out."""
    kept = [b for b in data.decode().split("\n\n") if not b.startswith(("STYLE", "REGION"))]
    with tempfile.NamedTemporaryFile(suffix=".vtt") as f:
        f.write("\n\n".join(kept).encode())
        f.flush()
        told = subprocess.run(["ffprobe", "-v", "error", "-f", "webvtt", "-i", f.name, "-show_packets", "-show_data", "-of", "json"],
                              stdin=subprocess.DEVNULL, capture_output=True, check=True)
    out = []
    for packet in json.loads(told.stdout).get("packets", []):
        rows = [line.split(": ", 1)[1][:40].replace(" ", "") for line in packet.get("data", "").strip().splitlines()]
        out.append((packet["pts"], packet["pts"] + packet["duration"], bytes.fromhex("".join(rows)).decode()))
    return out


def judge_file(judge, data, where):
    file = webvtt.read(data)
    mine = [(round(c.start * 1000), round(c.end * 1000), c.payload) for c in file.cues]
    judge.equal("ffmpeg reads the same", sorted(ffmpeg_reads(data)), sorted(mine), where)
    return file


def judge_hls_documents(judge, out, source, playlist, media, name):
    """Segments of a playlist with fragments; names of segments are their times."""
    zero, at, inits = first_picture(out), Fraction(0), {}
    judge.check("every variant names its codec", all("stpp.ttml.im1t" in v.get("CODECS") for v in out.master.variants), name)
    for segment in playlist.segments:
        init = inits.get(segment.map["uri"])
        if not init:
            init = inits[segment.map["uri"]] = documents.judge_init(judge, presentation.fetch(segment.map["uri"]), media["LANGUAGE"], name)
        time = int(re.search(r"/(\d+)\.m4s", segment.uri).group(1))
        duration = round(segment.duration * CLOCK)
        data = documents.read_segment(judge, presentation.fetch(segment.uri), init, time, duration, segment.uri)
        documents.judge_document(judge, source, data, at, at + segment.duration, zero, segment.uri)
        at += segment.duration


def judge_hls(judge, out, expected, source):
    zero = first_picture(out)
    lead = out.renditions[0].playlist
    listed = {m["NAME"]: m for m in out.master.media if m.get("TYPE") == "SUBTITLES"}
    judge.equal("names are the source's", sorted(listed), sorted(expected))
    judge.check("every variant names the group", all(v.get("SUBTITLES") in {m["GROUP-ID"] for m in listed.values()} for v in out.master.variants), "")
    for name, media in listed.items():
        playlist = m3u8.read(presentation.fetch(media["uri"]), media["uri"])
        judge.check("playlist: strictly well formed", not playlist.faults, lambda: f"{name}: {playlist.faults[0]}")
        fragmented = name in source and bool(out.renditions[0].parts[0].init_url)
        judge.check("playlist: no keys, a map for fragments", all(not s.keys and bool(s.map) == fragmented for s in playlist.segments), name)
        judge.equal("playlist: as many parts as the pictures have", [len(p) for p in playlist.parts()], [len(p) for p in lead.parts()], name)
        for mine, other in zip(playlist.segments, lead.segments):
            judge.check("playlist: segments last as long as those of the pictures", abs(mine.duration - other.duration) < Fraction(1, 10), f"{name}: {mine.uri}")
        if fragmented:
            judge_hls_documents(judge, out, source[name], playlist, media, name)
            continue
        at, seen = Fraction(0), set()
        for segment in playlist.segments:
            file = judge_file(judge, presentation.fetch(segment.uri), segment.uri)
            clock, local = file.map
            shift = Fraction(clock, CLOCK) - local - zero
            shown = [webvtt.Cue(c.start + shift, c.end + shift, c.payload, c.settings, c.id) for c in file.cues]
            wanted = [c for c in expected.get(name, []) if c.start < at + segment.duration - MILLISECOND and c.end > at + MILLISECOND]
            judge.equal("segment: has the cues that are shown during it", sorted(map(plain, shown)), sorted(map(plain, wanted)), segment.uri)
            seen |= set(map(plain, shown))
            at += segment.duration
        judge.equal("all cues are there", seen, set(map(plain, expected.get(name, []))), name)


def judge_fragments(judge, group, representation, shown, where):
    """Adds what the samples show to `shown`: (name, cue) → stretches."""
    init = bmff.read_init(presentation.fetch(representation.init))
    root = bmff.file(presentation.fetch(representation.init))
    judge.equal("init: handler and entry", (init.handler, init.entry), ("text", "wvtt"), where)
    mdia = root.need("moov/trak/mdia")
    judge.check("init: nmhd", mdia.get("minf/nmhd") is not None, where)
    judge.equal("init: elng", mdia.need("elng").data[4:].rstrip(b"\0").decode(), group.attributes["lang"], where)
    entry = root.need("moov/trak/mdia/minf/stbl/stsd").children[0]
    described = dict(webvtt.boxes(entry.data[8:]))
    judge.check("init: vttC", list(described) == ["vttC", "vlab"] and described["vttC"].startswith(b"WEBVTT"), where)
    for segment in representation.segments:
        data = presentation.fetch(segment.url)
        fragments = bmff.read_segment(data, init)
        samples = [s for f in fragments for s in f.samples]
        judge.equal("segment: one fragment that begins at its time", [f.tfdt for f in fragments], [segment.time], segment.url)
        judge.equal("segment: samples cover it", sum(s.duration for s in samples), segment.duration, segment.url)
        judge.check("segment: no sample is empty of time", all(s.duration > 0 for s in samples), segment.url)
        for sample in samples:
            for number, name, settings, payload in webvtt.read_sample(sample.data):
                shown[number, name, settings, payload].append((sample.dts, sample.dts + sample.duration))


def judge_dash_documents(judge, out, source, period, group, representation, where):
    zero = Fraction(representation.offset, representation.timescale) - period.start
    if group.attributes.get("mimeType") == "application/mp4":
        judge.equal("MPD: codecs", group.attributes.get("codecs"), "stpp.ttml.im1t", where)
        init = documents.judge_init(judge, presentation.fetch(representation.init), group.attributes["lang"], where)
        for segment in representation.segments:
            data = documents.read_segment(judge, presentation.fetch(segment.url), init, segment.time, segment.duration, segment.url)
            start, end = (Fraction(t, representation.timescale) - zero for t in (segment.time, segment.time + segment.duration))
            documents.judge_document(judge, source, data, start, end, zero, segment.url)
        covered = sum(s.duration for s in representation.segments)
        judge.equal("MPD: the timeline covers the Period", round(period.duration * 1000), round(Fraction(covered, CLOCK) * 1000), where)
    else:
        judge.equal("MPD: mimeType", group.attributes.get("mimeType"), "application/ttml+xml", where)
        url = urljoin(out.url, representation.element.findtext(DASH + "BaseURL"))
        documents.judge_document(judge, source, presentation.fetch(url), period.start, period.start + period.duration, -period.start, url)


def judge_dash(judge, out, expected, source):
    fragments, cues = defaultdict(lambda: defaultdict(list)), defaultdict(set)
    zero, names = {}, set()
    for number, period in enumerate(out.mpd.periods):
        for group in (s for s in period.sets if s.content_type == "text"):
            name = group.element.findtext(DASH + "Label")
            names.add(name)
            representation, = group.representations
            where = f"Period {number} {name}"
            if name in source:
                judge_dash_documents(judge, out, source[name], period, group, representation, where)
                continue
            if group.attributes.get("mimeType") == "application/mp4":
                judge.equal("MPD: codecs", group.attributes.get("codecs"), "wvtt", where)
                end = representation.segments[-1].time + representation.segments[-1].duration - representation.offset
                judge.check("MPD: the timeline covers the Period", representation.segments[0].time == representation.offset
                            and abs(Fraction(end, representation.timescale) - period.duration) <= MILLISECOND, where)
                zero.setdefault(name, representation.offset)
                judge_fragments(judge, group, representation, fragments[name], where)
            else:
                judge.equal("MPD: mimeType", group.attributes.get("mimeType"), "text/vtt", where)
                judge.check("MPD: no presentationTimeOffset", group.element.find(".//" + DASH + "SegmentTemplate") is None, where)
                url = urljoin(out.url, representation.element.findtext(DASH + "BaseURL"))
                file = judge_file(judge, presentation.fetch(url), url)
                judge.equal("file beside: has no map", file.map, None, url)
                for cue in file.cues:
                    cues[name].add((period.start + cue.start, period.start + cue.end, untimed(cue.payload), cue.settings))
    judge.equal("MPD: names are the source's", sorted(names), sorted(expected))
    for name, shown in fragments.items():
        for (_, _, settings, payload), stretches in shown.items():
            stretches.sort()
            judge.check("samples show a cue without a gap", all(a[1] == b[0] for a, b in zip(stretches, stretches[1:])), f"{name}: {payload}")
            start, end = (Fraction(t - zero[name], CLOCK) for t in (stretches[0][0], stretches[-1][1]))
            cues[name].add((start, end, untimed(payload), settings))
    for name, wanted in expected.items():
        if name in source:
            continue
        joined = join(cues[name])
        judge.equal("all cues are shown at their times", sorted(joined), sorted(plain(c) for c in wanted), name)


def join(cues):
    """Stretches of one text that a Period cut in two, in milliseconds. A file beside has the whole end in the first."""
    out = []
    for start, end, payload, settings in sorted(cues, key=lambda c: (c[2], c[3], c[0])):
        if out and out[-1][2:] == [payload, settings] and start <= out[-1][1] + MILLISECOND:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([start, end, payload, settings])
    return [(round(s * 1000), round(e * 1000), p, t) for s, e, p, t in out]


def judge_words(judge, out):
    """What `testdata/subtitles` says of its renditions."""
    if out.master:
        media = {m["NAME"]: m for m in out.master.media if m.get("TYPE") == "SUBTITLES"}
        told = {n: (m.get("LANGUAGE"), m.get("DEFAULT"), m.get("FORCED", "NO"), m.get("CHARACTERISTICS", "").count("public.")) for n, m in media.items()}
        wanted = {"English": ("en", "YES", "NO", 0), "Deutsch": ("de", "NO", "NO", 0), "English (SDH)": ("en", "NO", "NO", 2), "Signs": ("fr", "NO", "YES", 0)}
        judge.equal("ASSOC-LANGUAGE", media["Deutsch"].get("ASSOC-LANGUAGE"), "gsw")
    else:
        sets = [s for s in out.mpd.periods[0].sets if s.content_type == "text"]
        told = {s.element.findtext(DASH + "Label"): (s.attributes.get("lang"), *(r.get("value") for r in s.element.findall(DASH + "Role") if r.get("schemeIdUri") == ROLE))
                for s in sets}
        wanted = {"English": ("en", "subtitle", "main"), "Deutsch": ("de", "subtitle"), "English (SDH)": ("en", "caption"), "Signs": ("fr", "forced-subtitle")}
    judge.equal("languages and purposes", told, wanted)


def judge_texts(report, subject, out, expected, words=False, source=None):
    """`source`: name → documents, for texts that are TTML in the source."""
    expected = {name: cues_of(cues) for name, cues in expected.items()}
    with report.judge("texts", subject) as judge:
        (judge_dash if out.mpd else judge_hls)(judge, out, expected, source or {})
        if words:
            judge_words(judge, out)


def moments(expected, duration):
    """Just before and just behind each change: the time in seconds, and what is shown then as plain text."""
    def shown(at):
        texts = {" ".join(html.unescape(re.sub(r"<[^>]*>", "", c.payload)).split()) for c in expected if c.start <= at < c.end}
        return sorted(texts)
    beside = Fraction(15, 100)
    times = {t + d for c in expected for t in (c.start, c.end) for d in (-beside, beside)}
    return [[float(t), shown(t)] for t in sorted(times) if beside <= t < duration - 2 * beside]


def player_jobs(player, subject, url, expected, duration):
    expected = {name: cues_of(cues) for name, cues in expected.items()}
    return [{"player": player, "subject": subject, "url": url, "duration": float(duration), "names": sorted(expected), "name": name, "moments": moments(cues, duration)}
            for name, cues in expected.items()]


def main(args):
    with open(args[0]) as f:
        expected = json.load(f)
    report = Report()
    for url in args[1:]:
        judge_texts(report, url.rsplit("/", 2)[-2], presentation.load(url), expected)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
