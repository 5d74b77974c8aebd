"""MPEG-TS: packets, tables, PES packets and the frames in them.

Proves nothing by itself: `ts.py` judges what is read here, `frames.py` compares it. Reads leniently and keeps what is
wrong in `Stream.faults`, so that a judge can say all of it at once. Cannot read scrambled packets, sections longer
than one packet, or several programs at once (the first one is read, the number of them is kept).
"""
from dataclasses import dataclass, field

from . import sound

WRAP = 1 << 33
H264, HEVC, AAC, LATM, AC3, EAC3, MPEG = 0x1B, 0x24, 0x0F, 0x11, 0x81, 0x87, {0x03, 0x04}
ENCRYPTED_H264, ENCRYPTED_AAC, ENCRYPTED_AC3, ENCRYPTED_EAC3 = 0xDB, 0xCF, 0xC1, 0xC2      # SAMPLE-AES
VIDEO, AUDIO = {H264, HEVC, 0x01, 0x02, ENCRYPTED_H264}, {AAC, LATM, AC3, EAC3, ENCRYPTED_AAC, ENCRYPTED_AC3, ENCRYPTED_EAC3} | MPEG


@dataclass
class Pes:
    pid: int
    packet: int                 # number of the TS packet it starts in
    pts: int | None = None
    dts: int | None = None      # equals pts where the header has no DTS
    aligned: bool = False
    random_access: bool = False
    stated_length: int = 0
    payload: bytearray = field(default_factory=bytearray)


@dataclass
class Stream:
    packets: int = 0
    programs: int = 0
    pmt_pid: int | None = None
    pcr_pid: int | None = None
    types: dict = field(default_factory=dict)          # pid → stream type, that which descriptors mean where it is 0x06
    stated: dict = field(default_factory=dict)         # pid → stream type as the PMT has it
    descriptors: dict = field(default_factory=dict)    # pid → [(tag, bytes)]
    pes: dict = field(default_factory=dict)            # pid → [Pes]
    pcrs: list = field(default_factory=list)           # (packet number, 27 MHz value)
    order: list = field(default_factory=list)          # (packet number, pid), tables and payload starts only
    faults: list = field(default_factory=list)

    def pid(self, kinds):
        return next((p for p, t in self.types.items() if t in kinds), None)

    def units(self, kinds):
        return self.pes.get(self.pid(kinds), [])


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def timestamp(b):
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1


def _section(stream, packet, offset, name, number):
    start = offset + 1 + packet[offset]
    length = (packet[start + 1] & 0x0F) << 8 | packet[start + 2]
    section = packet[start:start + 3 + length]
    if len(section) < 3 + length:
        stream.faults.append(f"packet {number}: {name} section is longer than its packet")
    elif crc32(section) != 0:
        stream.faults.append(f"packet {number}: {name} has a wrong CRC")
    return section


def _descriptors(data):
    out, at = [], 0
    while at + 2 <= len(data):
        out.append((data[at], bytes(data[at + 2:at + 2 + data[at + 1]])))
        at += 2 + data[at + 1]
    return out


def _meant(kind, descriptors):
    """Private data (0x06) whose descriptors name a codec, as the stream type of that codec (ETSI EN 300 468 annex D)."""
    if kind != 0x06:
        return kind
    for tag, body in descriptors:
        known = {0x6A: AC3, 0x7A: EAC3}.get(tag) or (tag == 0x05 and {b"AC-3": AC3, b"EAC3": EAC3, b"HEVC": HEVC}.get(body[:4]))
        if known:
            return known
    return kind


def _pes_header(stream, pes, data):
    if data[:3] != b"\0\0\1" or len(data) < 9:
        stream.faults.append(f"packet {pes.packet}: PES of PID {pes.pid:#x} has no start code")
        return data
    pes.stated_length = data[4] << 8 | data[5]
    pes.aligned = bool(data[6] & 4)
    if data[6] & 0x30:
        stream.faults.append(f"packet {pes.packet}: PES is scrambled")
    if data[7] & 0x80:
        pes.pts = pes.dts = timestamp(data[9:14])
    if data[7] & 0x40:
        pes.dts = timestamp(data[14:19])
    return data[9 + data[8]:]


TRANSPORT_TIMESTAMP = b"com.apple.streaming.transportStreamTimestamp\0"


def _packed(data):
    """One or several joined files of packed audio as a stream: each ID3 tag with a timestamp begins a PES packet (RFC 8216 3.4)."""
    stream, starts, at = Stream(), [], data.find(TRANSPORT_TIMESTAMP)
    while at >= 0:
        tag = data.rfind(b"ID3", 0, at)
        size = 10 + (data[tag + 6] << 21 | data[tag + 7] << 14 | data[tag + 8] << 7 | data[tag + 9])
        value = at + len(TRANSPORT_TIMESTAMP)
        starts.append((tag, tag + size, int.from_bytes(data[value:value + 8], "big") & (1 << 33) - 1))
        at = data.find(TRANSPORT_TIMESTAMP, value)
    first = data[starts[0][1]:starts[0][1] + 2] if starts else data[:2]
    kind = 0x81 if first == b"\x0b\x77" else 0x0F if first[1:] and first[1] & 6 == 0 else 0x03
    stream.types, stream.pes = {0: kind}, {0: []}
    for number, (_, start, pts) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(data)
        stream.pes[0].append(Pes(0, number, pts=pts, dts=pts, payload=bytearray(data[start:end])))
    return stream


def read(data):
    """Reads one or several joined TS files, or such of packed audio."""
    if data[:3] == b"ID3":
        return _packed(data)
    stream, counters = Stream(), {}
    if len(data) % 188:
        stream.faults.append(f"{len(data)} bytes are no whole number of 188-byte packets")
    for number in range(len(data) // 188):
        packet = data[number * 188:number * 188 + 188]
        stream.packets += 1
        if packet[0] != 0x47:
            stream.faults.append(f"packet {number}: no sync byte")
            continue
        pid, starts = (packet[1] & 0x1F) << 8 | packet[2], bool(packet[1] & 0x40)
        has_adaptation, has_payload = bool(packet[3] & 0x20), bool(packet[3] & 0x10)
        if packet[1] & 0x80:
            stream.faults.append(f"packet {number}: transport error indicator is set")
        if packet[3] & 0xC0:
            stream.faults.append(f"packet {number}: scrambled")
        if pid == 0x1FFF:
            continue
        offset, discontinuity, random_access = 4, False, False
        if has_adaptation:
            length = packet[4]
            if length > (182 if has_payload else 183):
                stream.faults.append(f"packet {number}: adaptation field of {length} bytes")
                continue
            if length:
                discontinuity, random_access = bool(packet[5] & 0x80), bool(packet[5] & 0x40)
                if packet[5] & 0x10:
                    b = packet[6:12]
                    base = b[0] << 25 | b[1] << 17 | b[2] << 9 | b[3] << 1 | b[4] >> 7
                    stream.pcrs.append((number, base * 300 + ((b[4] & 1) << 8 | b[5]), pid))
            offset = 5 + length
        counter = packet[3] & 15
        if pid in counters and not discontinuity:
            expected = (counters[pid] + 1) & 15 if has_payload else counters[pid]
            if counter != expected:
                stream.faults.append(f"packet {number}: PID {pid:#x} counts {counter}, expected {expected}")
        counters[pid] = counter
        if not has_payload:
            continue
        if pid == 0 and starts:
            stream.order.append((number, pid))
            table = _section(stream, packet, offset, "PAT", number)
            entries = [table[i:i + 4] for i in range(8, len(table) - 4, 4)]
            programs = [e for e in entries if e[0] or e[1]]
            stream.programs = max(stream.programs, len(programs))
            if programs:
                stream.pmt_pid = (programs[0][2] & 0x1F) << 8 | programs[0][3]
        elif pid == stream.pmt_pid and starts:
            stream.order.append((number, pid))
            table = _section(stream, packet, offset, "PMT", number)
            stream.pcr_pid = (table[8] & 0x1F) << 8 | table[9]
            at = 12 + ((table[10] & 0x0F) << 8 | table[11])
            while at < len(table) - 4:
                pid, length = (table[at + 1] & 0x1F) << 8 | table[at + 2], (table[at + 3] & 0x0F) << 8 | table[at + 4]
                stream.stated[pid] = table[at]
                stream.descriptors[pid] = _descriptors(table[at + 5:at + 5 + length])
                stream.types[pid] = _meant(table[at], stream.descriptors[pid])
                at += 5 + ((table[at + 3] & 0x0F) << 8 | table[at + 4])
        elif pid in stream.types:
            units = stream.pes.setdefault(pid, [])
            if starts:
                stream.order.append((number, pid))
                pes = Pes(pid, number, random_access=random_access)
                pes.payload += _pes_header(stream, pes, packet[offset:])
                units.append(pes)
            elif units:
                units[-1].payload += packet[offset:]
            else:
                units.append(Pes(pid, number, payload=bytearray(packet[offset:])))
                stream.order.append((number, pid))
    return stream


def unwrap(values, start=None):
    """33-bit clock values as steadily counting ones; each is taken to be the nearest to the one before."""
    out, last = [], start
    for value in values:
        if value is None:
            out.append(None)
            continue
        if last is not None:
            value += round((last - value) / WRAP) * WRAP
        out.append(value)
        last = value
    return out


def audio_frames(stream):
    """(frames, faults) of the first audio PID that can be read; frames may straddle PES packets."""
    pid = stream.pid(AUDIO)
    units = stream.pes.get(pid, [])
    if not units:
        return [], []
    return sound.READERS[stream.types[pid]](sound.Joined(units, unwrap([p.pts for p in units])))
