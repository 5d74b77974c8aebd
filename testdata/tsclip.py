"""MPEG-TS as frames that can be changed and written anew, for `quirks.py`.

`read` takes a TS as ffmpeg writes it apart: a `Clip` of tracks, each a list of access units with their times. `cut`
divides a clip, `Writer` makes packets of it in the way it is told, good or bad (ISO/IEC 13818-1 2.4). Lists of packets
are what the damage is done to. It reads nothing but what this folder's scripts make: one program, whole PES packets,
sections of one packet.
"""
import copy
from dataclasses import dataclass, field

PAT_PID, PMT_PID = 0, 0x1000
VIDEO_PID, AUDIO_PID = 0x100, 0x101
ADTS_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
MPEG_KBITS = {3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320], 2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384]}


@dataclass
class Unit:
    """One access unit, or what is to go into one PES packet."""
    data: bytes
    pts: int | None             # 90 kHz; may run over 33 bits, the writer wraps it
    dts: int | None
    key: bool = False
    order: int = 0              # where it goes among other tracks' units; its DTS, whatever is done to that


@dataclass
class Track:
    pid: int
    kind: int                   # stream type
    stream_id: int
    units: list = field(default_factory=list)
    descriptors: bytes = b""

    @property
    def video(self):
        return self.stream_id == 0xE0


@dataclass
class Clip:
    tracks: list

    @property
    def video(self):
        return next((t for t in self.tracks if t.video), None)

    @property
    def audio(self):
        return next((t for t in self.tracks if not t.video), None)

    def copy(self):
        return copy.deepcopy(self)

    def shift(self, ticks):
        for track in self.tracks:
            shift(track, ticks)
        return self


def shift(track, ticks):
    for unit in track.units:
        unit.order += ticks
        unit.pts = None if unit.pts is None else unit.pts + ticks
        unit.dts = None if unit.dts is None else unit.dts + ticks


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def pid_of(packet):
    return (packet[1] & 0x1F) << 8 | packet[2]


def payload_at(packet):
    return 5 + packet[4] if packet[3] & 0x20 else 4


def timestamp(b):
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1


# ---------------------------------------------------------------- reading

def read(path):
    with open(path, "rb") as f:
        data = f.read()
    pmt, tracks, raw = None, {}, {}
    for at in range(0, len(data), 188):
        packet = data[at:at + 188]
        pid, start, body = pid_of(packet), packet[1] & 0x40, packet[payload_at(packet):]
        entry = bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x40)
        if not packet[3] & 0x10:
            continue
        if pid == PAT_PID and start:
            pmt = (body[11] & 0x1F) << 8 | body[12]
        elif pid == pmt and start and not tracks:
            end, i = 1 + 3 + ((body[2] & 0x0F) << 8 | body[3]) - 4, 13 + ((body[11] & 0x0F) << 8 | body[12])
            while i < end:
                length = (body[i + 3] & 0x0F) << 8 | body[i + 4]
                tracks[(body[i + 1] & 0x1F) << 8 | body[i + 2]] = (body[i], body[i + 5:i + 5 + length])
                i += 5 + length
        elif pid in tracks:
            if start:
                raw.setdefault(pid, []).append((bytearray(), entry))
            raw[pid][-1][0].extend(body)
    out = []
    for pid, packets in raw.items():
        kind, descriptors = tracks[pid]
        track = Track(pid, kind, packets[0][0][3], descriptors=descriptors)
        for p, entry in packets:
            pts = timestamp(p[9:14])
            dts = timestamp(p[14:19]) if p[7] & 0x40 else pts
            track.units.append(Unit(bytes(p[9 + p[8]:]), pts, dts, entry, dts))
        if kind == 0x0F:
            track.units = frames(track.units, adts_length)
        elif kind in (3, 4):
            track.units = frames(track.units, mpeg_length)
        out.append(track)
    return Clip(sorted(out, key=lambda t: not t.video))


def adts_length(b):
    """Bytes and 90 kHz ticks of the ADTS frame that begins here."""
    return (b[3] & 3) << 11 | b[4] << 3 | b[5] >> 5, 1024 * 90000 / ADTS_RATES[b[2] >> 2 & 15]


def mpeg_length(b):
    """The same of MPEG-1 audio, layer II or III."""
    layer, rate = 4 - (b[1] >> 1 & 3), [44100, 48000, 32000][b[2] >> 2 & 3]
    return 144000 * MPEG_KBITS[layer][b[2] >> 4] // rate + (b[2] >> 1 & 1), 1152 * 90000 / rate


def frames(units, measure):
    """One unit for each audio frame, on an even clock from the first PES packet's time."""
    data, time, at, out = b"".join(u.data for u in units), float(units[0].pts), 0, []
    while at < len(data):
        length, ticks = measure(data[at:at + 8])
        out.append(Unit(data[at:at + length], round(time), round(time), True, round(time)))
        at, time = at + length, time + ticks
    return out


def nals(data):
    """NAL units of a byte stream, start codes and trailing zeros removed."""
    out, at = [], data.find(b"\0\0\1")
    while at >= 0:
        following = data.find(b"\0\0\1", at + 3)
        out.append(data[at + 3:following if following >= 0 else len(data)].rstrip(b"\0"))
        at = following
    return [n for n in out if n]


def byte_stream(units, start=b"\0\0\0\1"):
    return b"".join(start + n for n in units)


def renal(clip, change, start=b"\0\0\0\1"):
    """Every picture with its list of NAL units as `change` gives it back."""
    for number, unit in enumerate(clip.video.units):
        unit.data = byte_stream(change(nals(unit.data), number), start)
    return clip


def cut(clip, bounds):
    """Clips that begin at these pictures (decoding order); sound goes with the pictures it is heard with."""
    video = clip.video.units
    starts = [0] + bounds + [len(video)]
    out = []
    for a, b in zip(starts, starts[1:]):
        low = video[a].pts if a else -1 << 40
        high = video[b].pts if b < len(video) else 1 << 40
        out.append(Clip([Track(t.pid, t.kind, t.stream_id, video[a:b] if t.video else [u for u in t.units if low <= u.order < high], t.descriptors)
                         for t in clip.tracks]))
    return out


# ---------------------------------------------------------------- writing

def stamp(mark, value):
    value &= (1 << 33) - 1
    return bytes([mark << 4 | value >> 29 & 0x0E | 1, value >> 22 & 255, value >> 14 & 0xFE | 1, value >> 7 & 255, value << 1 & 0xFE | 1])


def pes(stream_id, unit, bounded=True, aligned=True):
    dts = unit.dts if unit.dts != unit.pts else None
    times = b"" if unit.pts is None else stamp(2, unit.pts) if dts is None else stamp(3, unit.pts) + stamp(1, dts)
    flags = 0 if unit.pts is None else 0x80 if dts is None else 0xC0
    length = 3 + len(times) + len(unit.data)
    return (b"\0\0\1" + bytes([stream_id]) + (length if bounded and length < 65536 else 0).to_bytes(2, "big")
            + bytes([0x84 if aligned else 0x80, flags, len(times)]) + times + unit.data)


def section(table, key, body, version=0):
    head = bytes([table]) + (0xB000 | len(body) + 9).to_bytes(2, "big") + key.to_bytes(2, "big") + bytes([0xC1 | version << 1, 0, 0])
    return head + body + crc32(head + body).to_bytes(4, "big")


class Writer:
    """Counts continuity over all it writes, so that segments of one title follow each other."""

    def __init__(self, **options):
        self.counters = {}
        self.bounded = {"video": True, "audio": True}
        self.pcr_pid, self.pcr, self.version = VIDEO_PID, lambda dts: dts - 18000, 0
        self.sound_per_pes, self.tables, self.repeat, self.first = 8, True, None, None
        self.aligned, self.program_info = True, b""
        self.__dict__.update(options)

    def packets(self, pid, data, pcr=None, random_access=False, first=None):
        out, at = [], 0
        while at < len(data) or (pcr is not None and not out):
            field_ = b""
            if not out and (pcr is not None or random_access):
                field_ = bytes([(0x10 if pcr is not None else 0) | (0x40 if random_access else 0)])
                if pcr is not None:
                    base = pcr & (1 << 33) - 1
                    field_ += (base << 15 | 0x7E00).to_bytes(6, "big")
            room = 184 - (len(field_) + 1 if field_ else 0)
            take = min(room, len(data) - at, first if first and not out else room)
            stuffing = room - take
            if stuffing and field_:
                field_ += b"\xff" * stuffing
            elif stuffing > 1:
                field_ = b"\0" + b"\xff" * (stuffing - 2)
            has_field = bool(field_) or stuffing == 1
            counter = self.counters.get(pid, -1) + bool(take) & 15
            self.counters[pid] = counter
            out.append(bytes([0x47, (0x40 if at == 0 and take else 0) | pid >> 8, pid & 255, (0x20 if has_field else 0) | (0x10 if take else 0) | counter])
                       + (bytes([len(field_)]) + field_ if has_field else b"") + data[at:at + take])
            at += take
        return out

    def pat(self):
        return self.packets(PAT_PID, (b"\0" + section(0, 1, b"\0\1" + (0xE000 | PMT_PID).to_bytes(2, "big"))).ljust(184, b"\xff"))

    def pmt(self, tracks):
        body = (0xE000 | self.pcr_pid).to_bytes(2, "big") + (0xF000 | len(self.program_info)).to_bytes(2, "big") + self.program_info
        for t in tracks:
            body += bytes([t.kind]) + (0xE000 | t.pid).to_bytes(2, "big") + (0xF000 | len(t.descriptors)).to_bytes(2, "big") + t.descriptors
        return self.packets(PMT_PID, (b"\0" + section(2, 1, body, self.version)).ljust(184, b"\xff"))

    def write(self, clip, announced=None):
        """The packets of one segment. `announced`: the tracks that the PMT names, if not the clip's."""
        tracks = announced or clip.tracks
        out = self.pat() + self.pmt(tracks) if self.tables else []
        jobs = []
        for t in clip.tracks:
            units = t.units if t.video or t.kind == 0x15 else joined(t.units, self.sound_per_pes)
            jobs += [(u.order, not t.video, n, t, u) for n, u in enumerate(units)]
        due = since = None
        for order, _, _, t, unit in sorted(jobs, key=lambda j: j[:3]):
            if self.repeat and since is not None and order - since >= self.repeat:
                out += self.pat() + self.pmt(tracks)
                since = None
            since = order if since is None else since
            clock = None
            if self.pcr and (due is None or order >= due):
                if t.pid == self.pcr_pid:
                    clock, due = self.pcr(order), order + 3000
                elif self.pcr_pid not in {x.pid for x in clip.tracks}:
                    out += self.packets(self.pcr_pid, b"", self.pcr(order))
                    due = order + 3000
            data = pes(t.stream_id, unit, self.bounded["video" if t.video else "audio"], self.aligned)
            out += self.packets(t.pid, data, clock, unit.key and t.video, self.first)
        return out


def joined(units, count):
    """Units of `count` frames each."""
    out = []
    for i in range(0, len(units), count):
        group = units[i:i + count]
        out.append(Unit(b"".join(u.data for u in group), group[0].pts, group[0].dts, True, group[0].order))
    return out
