"""Samples of streams: random access, codecs by another name, framing, clocks, damage.

Each is a clip that ffmpeg encoded, with one thing changed in its frames (`changed`) or in its packets (`spoiled`).
"""
import os

import tsclip
from quirk_case import AAC, case, thirds, written
from tsclip import Unit, Writer, cut, joined, nals, renal

SECOND, WRAP = 90000, 1 << 33


def changed(name, **options):
    """A case that changes the frames of `plain` and writes them, with these options of the writer."""
    def add(change):
        @case(name)
        def make(folder):
            clip = folder.clip()
            clip = change(clip) or clip
            folder.title(written(thirds(clip), Writer(**options)))
        return change
    return add


def spoiled(name, **options):
    """A case that changes the packets of `plain`, which it gets as three lists."""
    def add(change):
        @case(name)
        def make(folder):
            segments = written(thirds(folder.clip()), Writer(**options))
            folder.title(change(segments) or segments)
        return change
    return add


def kinds(unit):
    return [n[0] & 31 for n in nals(unit.data)]


@changed("plain")
def _(clip):
    """Nothing is wrong with this one."""


# ---------------------------------------------------------------- random access

def keys(clip):
    return [n for n, u in enumerate(clip.video.units) if u.key]


@case("open-gop")
def _(folder):
    clip = folder.clip("open-gop")
    bounds = keys(clip)[2:5:2]
    folder.title(written(cut(clip, bounds)), [(b - a) / 25 for a, b in zip([0] + bounds, bounds + [150])])


@case("recovery-points-without-idr")
def _(folder):
    clip = folder.clip("open-gop")
    clip = cut(clip, [keys(clip)[1]])[1]
    bounds = keys(clip)[2:5:2]
    folder.title(written(cut(clip, bounds)), [(b - a) / 25 for a, b in zip([0] + bounds, bounds + [len(clip.video.units)])])


@case("intra-refresh")
def _(folder):
    folder.title(written(thirds(folder.clip("intra-refresh"))))


@case("no-random-access")
def _(folder):
    folder.title(written(cut(cut(folder.clip("one-keyframe"), [50])[1], [50])))


@case("field-pairs")
def _(folder):
    import fields
    clip = fields.paired(folder.clip("fields"), folder.clip())
    folder.title(written(cut(clip, [50])), (2, 2), size="160x96")


# ---------------------------------------------------------------- codecs by another name

def named(name, source, kind, codec, descriptors=b""):
    """Sound whose stream type, or descriptor, ffmpeg's muxer does not write in segments, or that a case below changes."""
    @case(name)
    def make(folder):
        clip = folder.clip(source)
        clip.audio.kind, clip.audio.descriptors = kind, descriptors
        folder.title(written(cut(clip, [50]), Writer(sound_per_pes=1)), codecs=codec)


# ETSI EN 300 468 annex D.3 and D.5: no flag set.
named("ac3-dvb-descriptor", "ac3", 0x06, "ac-3", b"\x6a\x01\x00")
named("eac3-dvb-descriptor", "eac3", 0x06, "ec-3", b"\x7a\x01\x00")
named("latm", "latm", 0x11, AAC)
named("mp3", "mp3", 0x03, "mp4a.40.34")


def efficient(name, codec):
    """HE-AAC of the raw samples beside the folders, over and over, as no encoder at hand makes it."""
    @case(name)
    def make(folder):
        clip = folder.clip()
        with open(os.path.join(folder.path, "..", name + ".aac"), "rb") as f:
            first = Unit(f.read() * 4, clip.audio.units[0].pts, None)
        end = max(u.pts for u in clip.video.units)
        clip.audio.units = [u for u in tsclip.frames([first], tsclip.adts_length) if u.pts < end]
        folder.title(written(thirds(clip)), codecs=codec)


efficient("he-aac", "mp4a.40.5")
efficient("he-aac-v2", "mp4a.40.29")


# ---------------------------------------------------------------- framing

def together(units, count):
    """`count` pictures in one PES packet, which says the times of the first; a keyframe begins a new one."""
    out, group = [], []
    for unit in units:
        if group and (unit.key or len(group) == count):
            out.append(group)
            group = []
        group.append(unit)
    return [Unit(b"".join(u.data for u in g), g[0].pts, g[0].dts, g[0].key, g[0].order) for g in out + [group]]


@case("several-pictures-per-pes")
def _(folder):
    parts = thirds(folder.clip())
    for part in parts:
        part.video.units = together(part.video.units, 3)
    folder.title(written(parts))


@case("pes-split-in-nal")
def _(folder):
    parts = thirds(folder.clip())
    for part in parts:
        part.video.units = [half for u in part.video.units for half in
                            (Unit(u.data[:len(u.data) // 2], u.pts, u.dts, u.key, u.order), Unit(u.data[len(u.data) // 2:], None, None, False, u.order))]
    folder.title(written(parts, Writer(aligned=False)))


@case("picture-begins-in-pes")
def _(folder):
    parts = thirds(folder.clip())
    for part in parts:
        rest, out = b"", []
        for u in part.video.units:      # each PES packet: the end of the picture before, the beginning of this one, whose times it says
            middle = len(u.data) // 2
            out.append(Unit(rest + u.data[:middle], u.pts, u.dts, u.key, u.order))
            rest = u.data[middle:]
        part.video.units = out + [Unit(rest, None, None, False, out[-1].order + 1)]
    folder.title(written(parts, Writer(aligned=False)))


def chopped(units, size):
    """PES packets of `size` bytes, each with the time of the first frame that begins in it."""
    data, begins, at = b"".join(u.data for u in units), [], 0
    for u in units:
        begins.append((at, u))
        at += len(u.data)
    out = []
    for at in range(0, len(data), size):
        first = next((u for b, u in begins if at <= b < at + size), None)
        out.append(Unit(data[at:at + size], first and first.pts, first and first.dts, True, first.order if first else out[-1].order + 1))
    return out


@case("audio-cut-by-pes")
def _(folder):
    parts = thirds(folder.clip())
    for part in parts:
        part.audio.units = chopped(part.audio.units, 500)
    folder.title(written(parts, Writer(sound_per_pes=1, aligned=False)))


@case("audio-cut-by-segments")
def _(folder):
    parts = thirds(folder.clip())
    for before, after in zip(parts, parts[1:]):
        last = before.audio.units.pop()
        middle = len(last.data) // 2
        before.audio.units.append(Unit(last.data[:middle], last.pts, last.dts, True, last.order))
        first = after.audio.units[0]
        first.data = last.data[middle:] + first.data
    folder.title(written(parts, Writer(aligned=False)))


@changed("pes-header-in-two-packets", first=10)
def _(clip):
    pass


@changed("pes-without-length", bounded={"video": False, "audio": False})
def _(clip):
    pass


@changed("no-aud")
def _(clip):
    renal(clip, lambda units, _: [n for n in units if n[0] & 31 != 9])


@changed("aud-after-sps")
def _(clip):
    def move(units, _):
        sps = [n for n in units if n[0] & 31 == 7]
        return sps + [n for n in units if n[0] & 31 != 7]
    renal(clip, move)


@changed("parameter-sets-before-aud")
def _(clip):
    renal(clip, lambda units, _: [n for n in units if n[0] & 31 in (7, 8)] + [n for n in units if n[0] & 31 not in (7, 8)])


@changed("filler-data")
def _(clip):
    renal(clip, lambda units, number: units + [b"\x0c" + b"\xff" * (20 + number % 7) + b"\x80"])


@changed("three-byte-start-codes")
def _(clip):
    renal(clip, lambda units, _: units, b"\0\0\1")


@changed("trailing-zeros")
def _(clip):
    for number, unit in enumerate(clip.video.units):
        unit.data = b"".join(b"\0\0\1" + n + b"\0" * (1 + number % 6) for n in nals(unit.data))


@case("eight-slices")
def _(folder):
    folder.title(written(thirds(folder.clip("eight-slices"))), size="160x128")


@case("parameter-sets-once")
def _(folder):
    clip = folder.clip()
    renal(clip, lambda units, number: units if number == 0 else [n for n in units if n[0] & 31 not in (7, 8)])
    folder.title(written(thirds(clip)))


@case("mp3-cut-by-pes")
def _(folder):
    parts = cut(folder.clip("mp3"), [50])
    for part in parts:
        part.audio.units = chopped(part.audio.units, 700)
    folder.title(written(parts, Writer(sound_per_pes=1, aligned=False)), (2, 2), codecs="mp4a.40.34")


# ---------------------------------------------------------------- clocks

@changed("wrap-between-dts-and-pts")
def _(clip):
    unit = next(u for u in clip.video.units[60:] if u.pts - u.dts > 3000)
    clip.shift(WRAP - 1000 - unit.dts)


@changed("missing-dts")
def _(clip):
    for unit in clip.video.units:
        unit.dts = unit.pts


@changed("repeated-dts")
def _(clip):
    video = clip.video.units
    for a, b in list(zip(video, video[1:]))[10::20]:
        b.dts = a.dts


@changed("dts-goes-back")
def _(clip):
    video = clip.video.units
    for a, b in list(zip(video, video[1:]))[10::20]:
        a.dts, b.dts = min(b.dts, a.pts), a.dts


@changed("pcr-on-another-pid", pcr_pid=0x1F0)
def _(clip):
    pass


@changed("pcr-absent", pcr=None, pcr_pid=0x1FFF)
def _(clip):
    pass


@changed("pcr-wrong", pcr=lambda dts: dts * 3 + 500000)
def _(clip):
    pass


@changed("audio-late")
def _(clip):
    start = min(u.pts for u in clip.video.units)
    clip.audio.units = [u for u in clip.audio.units if u.pts >= start + 36000]


@changed("audio-early")
def _(clip):
    start = clip.audio.units[0].pts
    tsclip.shift(clip.video, start + 27000 - min(u.pts for u in clip.video.units))


@changed("audio-drift")
def _(clip):
    start = clip.audio.units[0].pts
    for unit in clip.audio.units:
        unit.pts = unit.dts = start + round((unit.pts - start) * 1.005)


def joint(name, ticks, which=2):
    """The clock moves by so much at a join, and nothing says so."""
    @case(name)
    def make(folder):
        parts = thirds(folder.clip())
        for part in parts[which:]:
            part.shift(ticks)
        folder.title(written(parts))


joint("gap-at-join", 3 * SECOND)
joint("overlap-at-join", -18000)
joint("jump-forward", 1000 * SECOND)
joint("jump-back", -4 * SECOND)


# ---------------------------------------------------------------- damage

NOISE = bytes((i * 73 + 29) % 251 | 0x80 for i in range(400))


def find(segment, pid, start=None, after=0):
    """Numbers of the packets of one PID; `start`: only those that do, or do not, begin a PES packet."""
    return [n for n, p in enumerate(segment) if tsclip.pid_of(p) == pid and n >= after and (start is None or bool(p[1] & 0x40) == start)]


def second_packet(segment, pid):
    """A packet in the middle of a PES packet of a picture that is no keyframe, or of sound, well inside the segment."""
    for n in find(segment, pid, False, len(segment) // 3):
        begin = max(find(segment[:n], pid, True))
        if not (segment[begin][3] & 0x20 and segment[begin][4] and segment[begin][5] & 0x40):
            return n
    raise ValueError("no such packet")


@spoiled("garbage-between-packets")
def _(segments):
    middle = len(segments[1]) // 2
    segments[1][middle:middle] = [NOISE[:77]]
    segments[2][0:0] = [NOISE[:211]]


@spoiled("lost-video-packet")
def _(segments):
    del segments[1][second_packet(segments[1], 0x100)]


@spoiled("lost-audio-packet")
def _(segments):
    del segments[1][second_packet(segments[1], 0x101)]


@spoiled("duplicate-packets")
def _(segments):
    for segment in segments:
        # A PCR may differ in a duplicate; without one it is the same to the byte (2.4.3.3).
        for n in reversed(range(7, len(segment), 11)):
            if not segment[n][3] & 0x20 and tsclip.pid_of(segment[n]) in (0x100, 0x101):
                segment.insert(n, segment[n])


@spoiled("stuck-pmt-counter", repeat=9000)
def _(segments):
    return [[p[:3] + bytes([p[3] & 0xF0]) + p[4:] if tsclip.pid_of(p) == tsclip.PMT_PID else p for p in s] for s in segments]


@spoiled("transport-errors")
def _(segments):
    for pid in (0x100, 0x101):
        n = second_packet(segments[1], pid)
        p = segments[1][n]
        at = tsclip.payload_at(p)
        segments[1][n] = p[:1] + bytes([p[1] | 0x80]) + p[2:at] + NOISE[:188 - at]


@spoiled("scrambled-packets")
def _(segments):
    for n in find(segments[1], 0x100, after=len(segments[1]) * 3 // 4):
        p = segments[1][n]
        at = tsclip.payload_at(p)
        segments[1][n] = p[:3] + bytes([p[3] | 0x80]) + p[4:at] + bytes(b ^ 0x5A for b in p[at:])


@spoiled("tables-in-the-middle")
def _(segments):
    for segment in segments[1:]:
        segment[:42] = segment[2:42] + segment[:2]


@spoiled("tables-once")
def _(segments):
    return [segments[0]] + [s[2:] for s in segments[1:]]


@case("pmt-version-changes")
def _(folder):
    writer, segments = Writer(), []
    for version, part in enumerate(thirds(folder.clip())):
        writer.version = version
        segments.append(writer.write(part))
    folder.title(segments)


@case("pmt-moves-pids")
def _(folder):
    parts, writer = thirds(folder.clip()), Writer()
    segments = [writer.write(p) for p in parts[:2]]
    for track in parts[2].tracks:
        track.pid += 0x100
    writer.version, writer.pcr_pid = 1, 0x200
    folder.title(segments + [writer.write(parts[2])])


@case("announced-without-data")
def _(folder):
    clip = folder.clip()
    extra = tsclip.Track(0x102, 0x0F, 0xC1)
    writer = Writer()
    folder.title([writer.write(p, clip.tracks + [extra]) for p in thirds(clip)])


@case("unannounced-pid")
def _(folder):
    clip = folder.clip()
    stranger = tsclip.Track(0x150, 0x06, 0xBD, [Unit(NOISE[:120], u.pts, u.pts, False, u.order) for u in clip.video.units[::10]])
    named = list(clip.tracks)
    clip.tracks.append(stranger)
    writer = Writer(sound_per_pes=1)
    for track in named:
        if not track.video:
            track.units = joined(track.units, 8)
    folder.title([writer.write(p, named) for p in thirds(clip)])


def emptied(name, which, video):
    @case(name)
    def make(folder):
        parts = thirds(folder.clip())
        tracks = list(parts[which].tracks)
        parts[which].tracks = [t for t in tracks if t.video != video]
        writer = Writer()
        folder.title([writer.write(p, tracks) for p in parts])


emptied("audio-empty-in-the-middle", 1, False)
emptied("video-empty-at-the-end", 2, True)


def changes(name, video, audio):
    """The last segment's pictures or sound are of another kind, on the clock that goes on."""
    @case(name)
    def make(folder):
        parts, other = thirds(folder.clip()), folder.clip("other")
        last = parts[2]
        start = last.video.units[0].order
        heard = last.video.units[0].pts
        other.shift(start - other.video.units[0].order)
        for n, track in enumerate(last.tracks):
            if video if track.video else audio:
                last.tracks[n] = other.video if track.video else other.audio
                last.tracks[n].units = [u for u in last.tracks[n].units if (start if track.video else heard) <= u.pts]
        folder.title(written(parts))


changes("picture-size-changes", True, False)
changes("audio-rate-changes", False, True)


@spoiled("truncated-packet")
def _(segments):
    segments[2][-1] = segments[2][-1][:100]


@spoiled("truncated-segment")
def _(segments):
    middle = len(segments[1]) // 2
    segments[1][middle:] = [segments[1][middle][:50]]


@spoiled("trailing-bytes")
def _(segments):
    segments[1].append(NOISE[:40])


@spoiled("packets-of-192-bytes")
def _(segments):
    return [b"".join((n * 4000 & 0x3FFFFFFF).to_bytes(4, "big") + p for n, p in enumerate(s)) for s in segments]


@spoiled("packets-of-204-bytes")
def _(segments):
    return [b"".join(p + NOISE[:16] for p in s) for s in segments]


@case("raw-adts")
def _(folder):
    segments = []
    for part in thirds(folder.clip()):
        units = part.audio.units
        owner = b"com.apple.streaming.transportStreamTimestamp\0" + units[0].pts.to_bytes(8, "big")
        frame = b"PRIV" + len(owner).to_bytes(4, "big") + b"\0\0" + owner
        size = len(frame)
        segments.append(b"ID3\4\0\0" + bytes([0, 0, size >> 7, size & 127]) + frame + b"".join(u.data for u in units))
    folder.title(segments, codecs=AAC, size=None)
