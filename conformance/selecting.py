#!/usr/bin/env python3
"""Clips and filters: what a query leaves of a title is exactly that, frame for frame.

usage: selecting.py SOURCE_MASTER URL...      (of a title in one period whose URLs give segments of 6 s)

Proves, for each clip: the decoded pictures (ffmpeg) are those of the source between the two boundaries, no more and no
fewer; the frames of sound are a stretch of the source's, which begins and ends within half a frame of the pictures; the
clip's segments are the whole's, by URL; `EXT-X-MEDIA-SEQUENCE` is the whole's. That ffmpeg, which reads playlists by
itself, comes to the same pictures. Of exact clips: `EXT-X-START`, or the period and its offset, name the very point.
For each filter: which renditions are left, as their own media has it.

Cannot prove what players make of `EXT-X-START`.
"""
import subprocess
import sys
from fractions import Fraction

import frames
import presentation
from manifests import segment_urls
from report import Report

# (query, start and end of what has to come out)
CLIPS = [("start=6&end=18", 6, 18), ("start=5.5&end=19", 6, 18), ("start=12.0", 12, None), ("end=30.1", 0, 30)]
# The same, and the exact points in it.
EXACT = [("start=7.25&end=17&precise=true", 6, 18, Fraction(29, 4), 17)]
FRAME = Fraction(1024, 48000)
HEIGHTS = [(0, 240), (360, 2147483647), (144, 144)]


def inside(times, start, end):
    """The indices of the times from `start` to `end`, counted from the first; times are a tick off at most."""
    near = 0.001
    return [i for i, t in enumerate(times) if start - near <= t - times[0] and (end is None or t - times[0] < end - near)]


def stretch(frames_of_clip, frames_of_source):
    """Where the clip's frames lie in the source's, one behind the other; None where they do not."""
    if not frames_of_clip:
        return None
    for at, frame in enumerate(frames_of_source):
        if frame == frames_of_clip[0] and frames_of_source[at:at + len(frames_of_clip)] == frames_of_clip:
            return at
    return None


def judge_sound(judge, where, track, source, start, end):
    """Sound is cut at the frame nearest to the pictures."""
    at = stretch(track.audio, source.audio)
    if not judge.check("sound is a stretch of the source's", at is not None, f"{where}: {len(track.audio)} frames"):
        return
    zero = source.video_times[0]
    limit = float(FRAME) / 2 + 0.001
    first = source.audio_times[at] - zero
    judge.check("sound begins beside the pictures", start == 0 and at == 0 or abs(first - start) <= limit, lambda: f"{where}: at {first} s")
    after = at + len(track.audio)
    if end is None or after >= len(source.audio):
        judge.equal("sound ends with the source", (end, after), (None, len(source.audio)), where)
    else:
        last = source.audio_times[after] - zero
        judge.check("sound ends beside the pictures", abs(last - end) <= limit, lambda: f"{where}: at {last} s")


def judge_clip(judge, whole, clip, source, start, end):
    judge.check("segments are the whole's", segment_urls(clip) < segment_urls(whole), "others are named")
    for got, full, want in zip(clip.of("video", "muxed"), whole.of("video", "muxed"), source.renditions):
        judge.equal("periods in number", len(got.parts), 1, got.name)
        wanted = frames.source_tracks(want)[0]
        kept = inside(wanted.video_times, start, end)
        pictures, complaints = frames.hashes(got)
        expected, _ = frames.hashes(want)
        judge.check("decodes without complaint", not complaints, lambda: f"{got.name}: {complaints[0][:300]}")
        frames.compare_frames(judge, "pictures", pictures, [[frames.flat(expected)[i] for i in kept]], got.name)
        if got.playlist:
            first = next(i for i, s in enumerate(full.parts[0].segments) if s.url == got.parts[0].segments[0].url)
            judge.equal("EXT-X-MEDIA-SEQUENCE", got.parts[0].segments[0].sequence, first, got.name)
        if got.kind == "muxed":
            judge_sound(judge, got.name, frames.from_ts(got.parts[0].joined), wanted, start, end)
    first = frames.source_tracks(source.renditions[0])[0]
    for got in clip.of("audio"):
        part = got.parts[0]
        judge_sound(judge, got.name, frames.from_cmaf(part, "audio") if part.init_url else frames.from_ts(part.joined), first, start, end)


def judge_exact(judge, clip, whole, start, end, exact_start, exact_end):
    if clip.mpd:
        bounds = [(Fraction(0), exact_end - exact_start)]
        judge.equal("the period lasts from point to point", [tuple(map(Fraction, b)) for b in clip.period_bounds], bounds)
        for got, full in zip(clip.renditions, whole.renditions):
            offset = Fraction(got.parts[0].offset - full.parts[0].offset, got.parts[0].timescale)
            judge.equal("presentationTimeOffset is the point", offset, exact_start, got.name)
    else:
        text = presentation.fetch(clip.url).decode()
        line = next((x for x in text.splitlines() if x.startswith("#EXT-X-START:")), "")
        judge.equal("EXT-X-START is the point", line, f"#EXT-X-START:TIME-OFFSET={float(exact_start - start):.6f},PRECISE=YES")


def ffmpeg_pictures(url):
    """Hashes of all pictures of the best rendition, which ffmpeg finds through playlists by itself."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-i", url, "-map", "0:v:0", "-fps_mode", "passthrough",
                           "-f", "framemd5", "-"], capture_output=True, text=True, timeout=300)
    return [line.split(",")[5].strip() for line in done.stdout.splitlines() if line and not line.startswith("#")]


def judge_filter(judge, whole, url, low, high):
    height = lambda r: int((r.attributes.get("height") or r.attributes["RESOLUTION"].split("x")[1]))
    left = presentation.load(f"{url}?filter=video_height:{low}-{high}")
    wanted = [height(r) for r in whole.of("video", "muxed") if low <= height(r) <= high]
    judge.equal("renditions that a filter leaves", [height(r) for r in left.of("video", "muxed")], wanted, f"{low} to {high}")
    judge.equal("sound that a filter leaves", len(left.of("audio")), len(whole.of("audio")), f"{low} to {high}")
    judge.check("segments are the whole's", segment_urls(left) <= segment_urls(whole), "others are named")


def judge_selecting(report, subject, url, source):
    with report.judge("selecting", subject) as judge:
        whole = presentation.load(url)
        for low, high in HEIGHTS:
            judge_filter(judge, whole, url, low, high)
        for query, start, end in CLIPS:
            judge_clip(judge, whole, presentation.load(f"{url}?{query}"), source, start, end)
        for query, start, end, exact_start, exact_end in EXACT:
            clip = presentation.load(f"{url}?{query}")
            judge_clip(judge, whole, clip, source, start, end)
            judge_exact(judge, clip, whole, start, end, exact_start, exact_end)
        if whole.master:
            best = source.renditions[0]
            kept = inside(frames.source_tracks(best)[0].video_times, 6, 18)
            expected = frames.flat(frames.hashes(best)[0])
            judge.equal("ffmpeg's own reading of a clip", ffmpeg_pictures(f"{url}?start=6&end=18&filter=video_height:{HEIGHTS[1][0]}-{HEIGHTS[1][1]}"),
                        [expected[i] for i in kept])


def main(master, *urls):
    report, source = Report(), presentation.load(master)
    for url in urls:
        judge_selecting(report, url.rsplit("/", 1)[-1], url, source)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
