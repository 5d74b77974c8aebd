#!/usr/bin/env python3
"""Every frame that went in comes out: once, whole, in order, and at its time.

usage: frames.py SOURCE_MASTER URL...

Proves, for each rendition: the decoded pictures (ffmpeg framemd5) equal the source's in number and hash; the audio
frames (raw ones of AAC) equal the source's in number, order and bytes, over segment joins too; distinct audio is offered once; the
distances between frames, and between sound and picture, are the source's. The source is read from its TS files alone.

Cannot prove that a player shows them (`players/`), and takes ffmpeg's decoder for true. Codecs: those that `sound.py`
of the walkers reads, and any pictures. Encrypted output needs decrypting first, in `presentation.Segment.data`.
"""
import hashlib
import sys

import decode
import presentation
from report import Report
from walkers import mpegts, sound

# Audio may be moved onto an unbroken sample clock: real encoders round each PES time on their own.
SYNC_TOLERANCE = 0.001
DRIFT_TOLERANCE = 0.015
VIDEO_TOLERANCE = 1.5 / 90000


class Track:
    """Frames of one rendition in one period: audio payloads, and times in seconds."""

    def __init__(self):
        self.audio, self.audio_times, self.video_times, self.faults = [], [], [], []


def from_ts(data):
    track = Track()
    stream = mpegts.read(data)
    video = [v for v in mpegts.unwrap([p.pts for p in stream.units(mpegts.VIDEO)]) if v is not None]
    track.video_times = sorted(v / 90000 for v in video)
    frames, track.faults = mpegts.audio_frames(stream)
    if frames:
        track.audio = [f.data for f in frames]
        times = sound.fill_times(frames)
        if video and times:
            shift = round((video[0] - times[0]) / mpegts.WRAP) * mpegts.WRAP
            times = [t + shift for t in times]
        track.audio_times = [t / 90000 for t in times]
    return track


def from_cmaf(part, kind):
    track, scale = Track(), part.init.timescale
    samples = part.samples()
    hidden = next((media for _, media in part.init.edit if media > 0), 0)    # packagers that use edit lists for B-frames
    times = [(s.pts - hidden - part.offset * scale // (part.timescale or scale)) / scale for s in samples]
    if kind == "audio":
        track.audio, track.audio_times = [bytes(s.data) for s in samples], times
    else:
        track.video_times = sorted(times)
    return track


_source_tracks = {}


def source_tracks(rendition):
    """Read once for each source, however many configurations are compared with it."""
    if rendition.playlist.url not in _source_tracks:
        _source_tracks[rendition.playlist.url] = [from_ts(p.joined) for p in rendition.parts]
    return _source_tracks[rendition.playlist.url]


def hashes(rendition):
    out, complaints = [], []
    for part in rendition.parts:
        suffix = ".mp4" if part.init_url else ".ts"
        frames, complaint = decode.frame_hashes(part.joined, suffix)
        out.append(frames)
        complaints += [complaint] if complaint else []
    return out, complaints


def flat(lists):
    return [x for y in lists for x in y]


def compare_frames(judge, check, got, want, where):
    a, b = flat(got), flat(want)
    judge.equal(f"{check} in number", len(a), len(b), where)
    first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), None)
    judge.check(f"{check} one by one", first is None, lambda: f"{where}: frame {first} of {len(a)} differs")
    if len(got) == len(want):
        judge.equal(f"{check} in each period", [len(x) for x in got], [len(x) for x in want], where)


def compare_times(judge, track, source, where):
    """Distances from the first picture (or the first sound where there is no picture)."""
    if source.video_times and len(track.video_times) == len(source.video_times):
        worst = max(abs((t - track.video_times[0]) - (s - source.video_times[0]))
                    for t, s in zip(track.video_times, source.video_times))
        judge.check("video times", worst <= VIDEO_TOLERANCE, f"{where}: a frame is {worst * 1000:.3f} ms off")
    if source.audio_times and track.audio_times and len(track.audio_times) == len(source.audio_times):
        zero, source_zero = (track.video_times or track.audio_times)[0], (source.video_times or source.audio_times)[0]
        off = [abs((t - zero) - (s - source_zero)) for t, s in zip(track.audio_times, source.audio_times)]
        judge.check("audio starts in sync", off[0] <= SYNC_TOLERANCE, f"{where}: {off[0] * 1000:.3f} ms off")
        judge.check("audio stays in sync", max(off) <= DRIFT_TOLERANCE, f"{where}: {max(off) * 1000:.3f} ms off")


def judge_sound_alone(judge, out, source):
    """A title without pictures: every sound of the source once, in any container."""
    if out.of("audio"):
        nothing = [Track() for _ in source.renditions[0].parts]
        judge_audio_group(judge, out, source, nothing, nothing)
        return
    judge.equal("renditions in number", len(out.renditions), len(source.renditions))
    for got, want in zip(out.renditions, source.renditions):
        mine, theirs = [from_ts(p.joined) for p in got.parts], source_tracks(want)
        compare_frames(judge, "audio frames", [t.audio for t in mine], [t.audio for t in theirs], got.name)
        for track, other in zip(mine, theirs):
            judge.check("audio is whole", not track.faults, lambda: f"{got.name}: {track.faults[0]}")
            compare_times(judge, track, other, got.name)


def digest(lists):
    h = hashlib.sha256()
    for frame in flat(lists):
        h.update(len(frame).to_bytes(4, "big") + frame)
    return h.hexdigest()


def judge_frames(report, subject, out, source):
    with report.judge("frames", subject) as judge:
        videos, variants = out.of("video", "muxed"), source.of("video", "muxed")
        if not any(t.video_times for v in variants for t in source_tracks(v)):
            judge_sound_alone(judge, out, source)
            return
        judge.equal("renditions in number", len(videos), len(variants))
        tracks = {}
        for got, want in zip(videos, variants):
            where = got.name
            judge.equal("periods in number", len(got.parts), len(want.parts), where)
            pictures, complaints = hashes(got)
            expected, _ = hashes(want)
            judge.check("decodes without complaint", not complaints, lambda: f"{where}: {complaints[0][:300]}")
            compare_frames(judge, "pictures", pictures, expected, where)
            judge.check("pictures differ from each other", len(set(flat(expected))) > len(flat(expected)) // 2,
                        "the sample cannot tell frames apart")
            sources = source_tracks(want)
            tracks[got.name] = mine = [from_cmaf(p, "video") if p.init_url else from_ts(p.joined) for p in got.parts]
            if got.kind == "muxed":
                compare_frames(judge, "audio frames", [t.audio for t in mine], [t.audio for t in sources], where)
                faults = flat(t.faults for t in mine)
                judge.check("audio is whole", not faults, lambda: f"{where}: {faults[0]}")
            if len(mine) == len(sources):
                for track, s in zip(mine, sources):
                    compare_times(judge, track, s, where)
        if all(r.kind == "video" for r in videos) and videos:
            judge_audio_group(judge, out, source, tracks[videos[0].name], source_tracks(variants[0]))


def judge_audio_group(judge, out, source, video_tracks, source_video_tracks):
    wanted = {}
    for variant in source.renditions:
        tracks = source_tracks(variant)
        if any(t.audio for t in tracks):
            wanted.setdefault(digest([t.audio for t in tracks]), tracks)
    audios = out.of("audio")
    judge.equal("distinct audio is offered once", len(audios), len(wanted))
    left = dict(wanted)
    for rendition in audios:
        mine = [from_cmaf(p, "audio") if p.init_url else from_ts(p.joined) for p in rendition.parts]
        key = digest([t.audio for t in mine])
        match = left.pop(key, None) or next(iter(left.values()), None) or next(iter(wanted.values()), None)
        if match is None:
            continue
        compare_frames(judge, "audio frames", [t.audio for t in mine], [t.audio for t in match], rendition.name)
        if len(mine) == len(match) == len(video_tracks):
            for track, s, video, source_video in zip(mine, match, video_tracks, source_video_tracks):
                track.video_times = video.video_times
                s.video_times = s.video_times or source_video.video_times
                compare_times(judge, track, s, rendition.name)


def main(master, *urls):
    report, source = Report(), presentation.load(master)
    for url in urls:
        judge_frames(report, url.rsplit("/", 1)[-1], presentation.load(url), source)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
