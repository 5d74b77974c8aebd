#!/usr/bin/env python3
"""Trick play: each I-frame decodes alone, to the picture that plays at its time, and manifests say what it is.

usage: trick.py [--source MASTER] URL...

Proves, for every rendition with pictures: each segment of its trick play, alone behind its init segment, is one picture
for ffmpeg, and that picture is the one which the source (or the rendition itself, where there is no source to compare with)
shows at that time; all keyframes of the ordinary segments have one; segments begin where the manifest says and last until
the next; a fragment has one sample, a transport stream PAT, PMT, a clock reference and one picture. EXT-X-I-FRAME-STREAM-INF
and I-frame playlists are well formed and their rates measured; trick-mode AdaptationSets name their main set and are
protected as it is.

Cannot prove that a player winds well with it.
"""
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import decode
import manifests
import presentation
from report import Report
from walkers import bmff, mpegts

TICK = Fraction(1, 90000)
MILLISECOND = Fraction(1, 1000)
DASH = "{urn:mpeg:dash:schema:mpd:2011}"
ATTRIBUTES = {"BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "VIDEO-RANGE", "URI", "SCORE", "SUPPLEMENTAL-CODECS", "HDCP-LEVEL", "VIDEO",
              "STABLE-VARIANT-ID", "PATHWAY-ID", "NAME", "ALLOWED-CPC", "REQ-VIDEO-LAYOUT"}
_shown = {}


def stream_of(url):
    """The number in `video-1`, `av-1` and `trick-1`: which stream of the source it is taken from."""
    names = [part.split(".")[0] for part in url.split("/")]
    return next(n.rpartition("-")[2] for n in reversed(names) if n.rpartition("-")[0] in ("video", "av", "trick"))


def shown_by(part):
    """(time since the first picture, in ticks of 90 kHz, and hash) of each picture."""
    mark = hash(part.joined)
    if mark not in _shown:
        rows, _ = decode.timed_hashes(part.joined, ".mp4" if part.init_url else ".ts")
        _shown[mark] = [(round((time - rows[0][0]) / TICK) % mpegts.WRAP, found) for time, found in rows]
    return _shown[mark]


def clock(part, segment):
    """When the first picture of a segment is shown, in ticks of 90 kHz on the part's own clock.

    Read from the container: ffmpeg moves the times of fragments whose pictures are decoded after others have been shown, and
    those of pictures of two fields.
    """
    data = part.segments[segment].data
    if not part.init_url:
        return min(mpegts.unwrap([p.pts for p in mpegts.read(data).units(mpegts.VIDEO)]))
    init = part.init
    return round(Fraction(min(s.pts for f in bmff.read_segment(data, init) for s in f.samples), init.timescale) / TICK)


def judge_pictures(judge, trick, main, source, where):
    """Every segment of one period, decoded alone. Returns when they are shown, in seconds from the first picture of all."""
    pictures = shown_by(source or main)
    start = clock(main, 0)
    # Where the source goes back by a moment, ffmpeg shows several pictures at the time that it has reached, and those
    # behind them later than they are.
    # Where it gives no decoding times, ffmpeg makes some up, and rounds: what is meant is less than half a picture away.
    steps = [following - t for (t, _), (following, _) in zip(pictures, pictures[1:])]
    slack = 22500 if 0 in steps else max(2, min(map(abs, steps), default=0) // 2 - 1)
    suffix = ".mp4" if trick.init_url else ".ts"
    with ThreadPoolExecutor(2) as pool:
        alone = list(pool.map(lambda s: decode.timed_hashes(trick.init_data + s.data, suffix), trick.segments))
    times = []
    for number, (rows, complaint) in enumerate(alone):
        here = f"{where} segment {number}"
        judge.check("decodes without complaint", not complaint, lambda: f"{here}: {complaint[:300]}")
        if not judge.equal("is one picture", len(rows), 1, here):
            continue
        ticks, found = (clock(trick, number) - start) % mpegts.WRAP, rows[0][1]
        times.append(ticks * TICK)
        there = [h for t, h in pictures if abs(t - ticks) <= slack]
        judge.check("is the picture that plays at its time", found in there,
                    lambda: f"{here}: at {float(ticks * TICK):.3f} s is {'another' if there else 'none'}; this one is shown at "
                            f"{[float(t * TICK) for t, h in pictures if h == found][:3]}")
    judge.check("pictures are shown one after another", times == sorted(set(times)), f"{where}: {[float(t) for t in times]}")
    return times


def judge_cmaf(judge, trick, main, where):
    init = trick.init
    judge.check("init segment is that of the pictures", trick.init_data == main.init_data, where)
    for number, segment in enumerate(trick.segments):
        here = f"{where} segment {number}"
        fragments = bmff.read_segment(segment.data, init)
        samples = [s for f in fragments for s in f.samples]
        judge.equal("one fragment with one sample", (len(fragments), len(samples)), (1, 1), here)
        judge.check("the sample is a sync sample that depends on none", samples[0].sync and samples[0].depends_on == 2, here)
        judge.check("decoded when shown, but for the first", samples[0].dts == samples[0].pts or number == 0, here)
        if segment.time is not None:
            judge.equal("manifest says when it begins", samples[0].dts, segment.time, here)
            judge.equal("manifest says how long it lasts", samples[0].duration, segment.ticks, here)


def judge_ts(judge, trick, where):
    for number, segment in enumerate(trick.segments):
        here = f"{where} segment {number}"
        stream = mpegts.read(segment.data)
        judge.check("packets and tables", not stream.faults, lambda: f"{here}: {stream.faults[0]}")
        judge.equal("begins with PAT and PMT", [int.from_bytes(segment.data[i + 1:i + 3], "big") & 0x5FFF for i in (0, 188)], [0x4000, 0x4000 | (stream.pmt_pid or 0)], here)
        judge.equal("one PES packet, of pictures", [len(units) for units in stream.pes.values()], [1], here)
        judge.check("announces nothing else", len(stream.types) == 1, f"{here}: {stream.types}")
        judge.check("has a clock reference", bool(stream.pcrs), here)


def judge_span(judge, trick, times, main, out, where):
    """What the manifest says of times and durations, against when pictures are shown."""
    stated = [s.duration for s in trick.segments]
    measured = [b - a for a, b in zip(times, times[1:])]
    # The first begins with the rendition, though its picture may be shown a little later.
    measured = [m + times[0] if not i else m for i, m in enumerate(measured)] if times and times[0] < 1 else measured
    worst = max((abs(a - b) for a, b in zip(stated, measured)), default=Fraction(0))
    judge.check("lasts until the next picture", len(stated) == len(measured) + 1 and worst <= MILLISECOND, f"{where}: {float(worst):.6f} s off")
    whole = sum((s.duration for s in main.segments), Fraction(0))
    late = times[0] if times and times[0] >= 1 else 0
    judge.check("the last lasts until the end", abs(sum(stated) + late - whole) <= MILLISECOND * (1 + len(stated) if out.master else 1),
                f"{where}: {float(sum(stated) + late):.6f} s, the pictures last {float(whole):.6f} s")


def judge_rates(judge, stated, average, parts, where):
    sizes, durations = [len(s.data) for p in parts for s in p.segments], [s.duration for p in parts for s in p.segments]
    low = manifests.peak(sizes, durations, Fraction(max(round(d) for d in durations) or 1))
    manifests.judge_rate(judge, "BANDWIDTH is the measured peak", stated, low, max(low, max(Fraction(s * 8) / d for s, d in zip(sizes, durations))) * Fraction(11, 10), where)
    if average is not None:
        mean = Fraction(sum(sizes) * 8) / sum(durations)
        manifests.judge_rate(judge, "AVERAGE-BANDWIDTH is measured", average, mean * Fraction(9, 10), mean * Fraction(11, 10), where)


def judge_hls(judge, trick, main):
    a, playlist, where = trick.attributes, trick.playlist, trick.name
    judge.check("EXT-X-I-FRAME-STREAM-INF: attributes", {"BANDWIDTH", "CODECS", "RESOLUTION", "URI"} <= set(a) - {"uri"} <= ATTRIBUTES, f"{where}: {sorted(a)}")
    judge.equal("EXT-X-I-FRAME-STREAM-INF: RESOLUTION", a.get("RESOLUTION"), main.attributes.get("RESOLUTION"), where)
    judge.equal("EXT-X-I-FRAME-STREAM-INF: VIDEO-RANGE", a.get("VIDEO-RANGE"), main.attributes.get("VIDEO-RANGE"), where)
    video = [c for c in main.attributes.get("CODECS", "").split(",") if c[:4] in ("avc1", "hvc1", "hev1")]
    judge.equal("EXT-X-I-FRAME-STREAM-INF: CODECS of pictures", a.get("CODECS", "").split(","), video, where)
    judge.check("EXT-X-I-FRAME-STREAM-INF: URI is relative", "://" not in a.get("URI", "") and not a.get("URI", "/").startswith("/"), where)
    judge_rates(judge, int(a.get("BANDWIDTH", 0)), int(a.get("AVERAGE-BANDWIDTH", 0)), trick.parts, where)
    judge.check("I-frame playlist: strictly well formed", not playlist.faults, lambda: f"{where}: {playlist.faults[0]}")
    judge.check("I-frame playlist: I-FRAMES-ONLY", "EXT-X-I-FRAMES-ONLY" in playlist.tags, where)
    judge.check("I-frame playlist: version", playlist.number("EXT-X-VERSION", 1) >= (6 if trick.cmaf else 4), playlist.tags.get("EXT-X-VERSION"))
    judge.check("I-frame playlist: ENDLIST and VOD", "EXT-X-ENDLIST" in playlist.tags and playlist.tags.get("EXT-X-PLAYLIST-TYPE") == ["VOD"], where)
    longest = max(s.duration for s in playlist.segments)
    judge.check("I-frame playlist: TARGETDURATION", int(longest + Fraction(1, 2)) == playlist.number("EXT-X-TARGETDURATION", 0), f"{where}: longest {float(longest)}")
    judge.check("I-frame playlist: EXT-X-MAP", all(bool(s.map) == trick.cmaf for s in playlist.segments if not s.gap), where)
    judge.check("I-frame playlist: whole resources", not any(s.byterange for s in playlist.segments) and len(set(playlist.uris)) == len(playlist.uris), where)
    judge.equal("I-frame playlist: discontinuities are the rendition's", len(playlist.parts()), len(main.playlist.parts()), where)
    judge.equal("I-frame playlist: keys are the rendition's", sorted({(k.get("METHOD"), k.get("URI"), k.get("KEYFORMAT")) for s in playlist.segments for k in s.keys}),
                sorted({(k.get("METHOD"), k.get("URI"), k.get("KEYFORMAT")) for s in main.playlist.segments for k in s.keys}), where)


def judge_dash(judge, out, trick):
    for part in trick.parts:
        period, group, where = out.mpd.periods[part.period], part.representation.set, f"Period {part.period} {trick.name}"
        a = part.representation.attributes
        main = [s for s in period.sets if s.attributes.get("id") == group.trick_of]
        if judge.equal("trick mode names a set of its Period", [s.content_type for s in main], ["video"], where):
            judge.check("and that has the rendition", any(stream_of(r.init) == stream_of(part.init_url) for r in main[0].representations), where)
            judge.equal("trick mode is protected like its main set", protection(group), protection(main[0]), where)
        ids = [s.attributes.get("id") for s in period.sets + period.tricks]
        judge.check("ids of AdaptationSets differ", len(set(ids)) == len(ids) and all(ids), f"{where}: {ids}")
        judge.equal("codingDependency", a.get("codingDependency"), "false", where)
        judge.check("maxPlayoutRate", int(a.get("maxPlayoutRate", 0)) >= 1, where)
        judge.equal("startWithSAP", a.get("startWithSAP"), "1", where)
        judge.check("no Role of a main set", not group.element.findall(DASH + "Role"), where)
        judge_rates(judge, int(a.get("bandwidth", 0)), None, [part], where)


def protection(group):
    return [(sorted(e.attrib.items()), [(c.tag, c.text) for c in e]) for e in group.element.findall(DASH + "ContentProtection")]


def judge_trick(report, subject, out, source=None, every=True, encrypted=False):
    """`every`: whether all renditions with pictures have trick play; else they need none. `encrypted`: only what can be seen from
    outside; `decrypt.py` does the rest.
    """
    with report.judge("trick", subject) as judge:
        videos = [r for r in out.of("video", "muxed") if r.kind == "video" or "RESOLUTION" in r.attributes]
        mains = {stream_of(v.parts[0].segments[0].url): (v, number) for number, v in enumerate(videos)}
        tricks = {stream_of(t.parts[0].segments[0].url): t for t in out.tricks}
        judge.check("trick play of every rendition with pictures", set(tricks) == set(mains) if every else set(tricks) <= set(mains), f"{sorted(tricks)} of {sorted(mains)}")
        for stream, trick in tricks.items():
            main, number = mains[stream]
            originals = source.renditions[number].parts if source else [None] * len(main.parts)
            judge_hls(judge, trick, main) if out.master else judge_dash(judge, out, trick)
            for part in trick.parts:
                where = f"{trick.name} period {part.period}"
                whole = next(p for p in main.parts if p.period == part.period)
                if part.init_url:
                    judge_cmaf(judge, part, whole, where)
                if encrypted:
                    continue
                if not part.init_url:
                    judge_ts(judge, part, where)
                times = judge_pictures(judge, part, whole, originals[main.parts.index(whole)], where)
                judge_span(judge, part, times, whole, out, where)


def main(*args):
    source, urls = (presentation.load(args[1]), args[2:]) if args[0] == "--source" else (None, args)
    report = Report()
    for url in urls:
        judge_trick(report, url.rsplit("/", 1)[-1], presentation.load(url), source)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
