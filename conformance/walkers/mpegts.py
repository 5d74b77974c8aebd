"""MPEG-TS: packets, tables, PES packets and the frames in them.

Proves nothing by itself: `ts.py` judges what is read here, `frames.py` compares it. Reads leniently and keeps what is
wrong in `Stream.faults`, so that a judge can say all of it at once. Cannot read scrambled packets, sections longer
than one packet, or several programs at once (the first one is read, the number of them is kept).
"""
from dataclasses import dataclass, field

WRAP = 1 << 33
H264, HEVC, AAC, AC3, EAC3 = 0x1B, 0x24, 0x0F, 0x81, 0x87
ENCRYPTED_H264, ENCRYPTED_AAC, ENCRYPTED_AC3, ENCRYPTED_EAC3 = 0xDB, 0xCF, 0xC1, 0xC2      # SAMPLE-AES
VIDEO, AUDIO = {H264, HEVC, 0x01, 0x02, ENCRYPTED_H264}, {AAC, AC3, EAC3, 0x03, 0x04, 0x11, ENCRYPTED_AAC, ENCRYPTED_AC3, ENCRYPTED_EAC3}


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
    types: dict = field(default_factory=dict)          # pid → stream type
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


def read(data):
    """Reads one or several joined TS files."""
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
                stream.types[pid] = table[at]
                stream.descriptors[pid] = _descriptors(table[at + 5:at + 5 + length])
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


RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]


@dataclass
class AudioFrame:
    data: bytes                 # the raw access unit, no ADTS header
    pts: int | None             # 90 kHz, unwrapped; None where no PES says it
    rate: int
    channels: int
    object_type: int


def adts_frames(units):
    """Audio frames of one PID's PES packets, joined. Returns (frames, faults); frames may straddle PES packets."""
    data, starts = bytearray(), []
    for pes, pts in zip(units, unwrap([p.pts for p in units])):
        starts.append((len(data), pts))
        data += pes.payload
    frames, faults, at, mark = [], [], 0, 0
    while at + 7 <= len(data):
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            found = data.find(b"\xff", at + 1)
            faults.append(f"no ADTS header at byte {at} of the audio")
            at = len(data) if found < 0 else found
            continue
        header = 7 if data[at + 1] & 1 else 9
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length < header or at + length > len(data):
            faults.append(f"ADTS frame at byte {at} is cut short")
            break
        pts = None
        while mark < len(starts) and starts[mark][0] <= at:
            pts = starts[mark][1]
            mark += 1
        rate = RATES[data[at + 2] >> 2 & 15] if (data[at + 2] >> 2 & 15) < 13 else 0
        frames.append(AudioFrame(bytes(data[at + header:at + length]), pts, rate,
                                 (data[at + 2] & 1) << 2 | data[at + 3] >> 6, (data[at + 2] >> 6) + 1))
        at += length
    if at < len(data) and not faults:
        faults.append(f"{len(data) - at} bytes after the last ADTS frame")
    return frames, faults


def fill_times(frames):
    """PTS of every audio frame in 90 kHz (fractions allowed), counting on from the last PES that said one."""
    times, last = [], None
    for frame in frames:
        last = frame.pts if frame.pts is not None else (0 if last is None else last + 1024 * 90000 / frame.rate)
        times.append(last)
    return times
