"""Audio frames of any codec that a TS carries: the bytes that become one sample, its time, rate and channels.

AAC comes out of ADTS and LATM as raw access units; AC-3, E-AC-3 and MPEG audio keep their headers, as samples have
them. Reads leniently: what is wrong is told in faults. Of LATM it reads one program with one layer, the configuration
in-band (ISO/IEC 14496-3 1.7).
"""
from dataclasses import dataclass

from . import dolby
from .h264 import Bits

RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
MPEG_RATES = {3: [44100, 48000, 32000], 2: [22050, 24000, 16000], 0: [11025, 12000, 8000]}      # by version ID
MPEG_KBITS = {("1", 2): [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384], ("1", 3): [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
              ("2", 2): [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160], ("2", 3): [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]}


@dataclass
class AudioFrame:
    data: bytes                 # what a sample holds
    pts: int | None             # 90 kHz, unwrapped; None where no PES says it
    rate: int
    channels: int
    codec: str                  # aac, ac-3, ec-3, mp3, mp2
    samples: int = 1024
    object_type: int = 2        # of AAC
    header: object = None       # of Dolby: the first syncframe's

    @property
    def codecs(self):
        """The strings that a manifest may name it by."""
        return {"aac": {f"mp4a.40.{self.object_type}"}, "ac-3": {"ac-3"}, "ec-3": {"ec-3"}, "mp3": {"mp4a.40.34", "mp4a.6B", "mp4a.69"},
                "mp2": {"mp4a.40.33", "mp4a.6B", "mp4a.69"}}[self.codec]


class Joined:
    """PES payloads of one PID joined, and the time of each place that a PES packet begins at."""

    def __init__(self, units, times):
        self.data, self.starts, self.mark = bytearray(), [], 0
        for pes, pts in zip(units, times):
            self.starts.append((len(self.data), pts))
            self.data += pes.payload

    def time(self, at):
        """Of the frame that begins here, if a PES packet says it: it is the first that begins in that packet."""
        pts = None
        while self.mark < len(self.starts) and self.starts[self.mark][0] <= at:
            pts = self.starts[self.mark][1]
            self.mark += 1
        return pts


def adts(joined):
    data, frames, faults, at = joined.data, [], [], 0
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
        index = data[at + 2] >> 2 & 15
        frames.append(AudioFrame(bytes(data[at + header:at + length]), joined.time(at), RATES[index] if index < 13 else 0,
                                 (data[at + 2] & 1) << 2 | data[at + 3] >> 6, "aac", object_type=(data[at + 2] >> 6) + 1))
        at += length
    if at < len(data) and not faults:
        faults.append(f"{len(data) - at} bytes after the last ADTS frame")
    return frames, faults


def mpeg_header(b):
    """(bytes, rate, channels, layer, samples) of the frame that begins here; ValueError where none does."""
    if len(b) < 4 or b[0] != 0xFF or b[1] & 0xE0 != 0xE0:
        raise ValueError("no MPEG audio header")
    version, layer, kbits, rate = b[1] >> 3 & 3, 4 - (b[1] >> 1 & 3), b[2] >> 4, b[2] >> 2 & 3
    if version == 1 or layer in (1, 4) or kbits in (0, 15) or rate == 3:
        raise ValueError("no MPEG audio header of layer II or III")
    hertz = MPEG_RATES[version][rate]
    samples = 576 if layer == 3 and version != 3 else 1152
    size = samples // 8 * MPEG_KBITS["1" if version == 3 else "2", layer][kbits - 1] * 1000 // hertz + (b[2] >> 1 & 1)
    return size, hertz, 1 if b[3] >> 6 == 3 else 2, layer, samples


def mpeg(joined):
    data, frames, faults, at = joined.data, [], [], 0
    while at + 4 <= len(data):
        try:
            size, rate, channels, layer, samples = mpeg_header(data[at:at + 4])
        except ValueError as error:
            faults.append(f"{error} at byte {at} of the audio")
            at = data.find(b"\xff", at + 1)
            if at < 0:
                break
            continue
        if at + size > len(data):
            faults.append(f"MPEG audio frame at byte {at} is cut short")
            break
        frames.append(AudioFrame(bytes(data[at:at + size]), joined.time(at), rate, channels, f"mp{layer}", samples))
        at += size
    return frames, faults


def dolby_units(joined):
    units, faults = dolby.access_units(bytes(joined.data))
    return [AudioFrame(data, joined.time(at), first.rate, first.channels, "ec-3" if first.enhanced else "ac-3", 1536, header=first)
            for at, data, first, _ in units], faults


class Latm:
    """The configuration that the stream last told."""

    def __init__(self):
        self.rate = self.channels = self.object_type = None
        self.other = 0

    def value(self, bits):
        return bits.u(8 * (bits.u(2) + 1))

    def config(self, bits):
        version = bits.u(1)
        if version and bits.u(1):
            raise ValueError("LATM of version A1")
        if version:
            self.value(bits)
        bits.u(1)
        if bits.u(6) or bits.u(4) or bits.u(3):
            raise ValueError("LATM with several subframes, programs or layers")
        self.specific(bits, self.value(bits) if version else None)
        if bits.u(3):
            raise ValueError("LATM with frames of fixed length")
        bits.u(8)
        self.other = 0
        if bits.u(1):
            if version:
                self.other = self.value(bits)
            else:
                more = 1
                while more:
                    more = bits.u(1)
                    self.other = self.other << 8 | bits.u(8)
        if bits.u(1):
            bits.u(8)

    def specific(self, bits, length):
        before = bits.left
        self.object_type = bits.u(5)
        index = bits.u(4)
        self.rate = RATES[index] if index < 13 else bits.u(24)
        self.channels = bits.u(4)
        if self.object_type in (5, 29):
            index = bits.u(4)
            bits.u(24 if index == 15 else 0)
            core = bits.u(5)
        else:
            core = self.object_type
        if core != 2:
            raise ValueError(f"audio object type {core}")
        bits.u(1)
        if bits.u(1):
            bits.u(14)
        bits.u(1)
        if length is not None:
            bits.u(length - (before - bits.left))

    def element(self, data):
        bits = Bits.plain(data)
        if not bits.u(1):
            self.config(bits)
        if self.rate is None:
            raise ValueError("no configuration yet")
        size, byte = 0, 255
        while byte == 255:
            byte = bits.u(8)
            size += byte
        return bits.u(8 * size).to_bytes(size, "big")


def latm(joined):
    data, frames, faults, at, state = joined.data, [], [], 0, Latm()
    while at + 3 <= len(data):
        if data[at] != 0x56 or data[at + 1] & 0xE0 != 0xE0:
            faults.append(f"no LOAS syncword at byte {at} of the audio")
            at = data.find(b"\x56", at + 1)
            if at < 0:
                break
            continue
        size = (data[at + 1] & 31) << 8 | data[at + 2]
        if at + 3 + size > len(data):
            faults.append(f"LOAS frame at byte {at} is cut short")
            break
        pts = joined.time(at)
        try:
            raw = state.element(bytes(data[at + 3:at + 3 + size]))
            frames.append(AudioFrame(raw, pts, state.rate, state.channels, "aac", object_type=state.object_type))
        except ValueError as error:
            faults.append(f"{error} at byte {at} of the audio")
        at += 3 + size
    return frames, faults


# By stream type; the last three are those of SAMPLE-AES, whose headers are clear.
READERS = {0x0F: adts, 0x11: latm, 0x81: dolby_units, 0x87: dolby_units, 0x03: mpeg, 0x04: mpeg, 0xCF: adts, 0xC1: dolby_units, 0xC2: dolby_units}


def fill_times(frames):
    """PTS of every audio frame in 90 kHz (fractions allowed), counting on from the last PES that said one."""
    times, last, duration = [], None, 0
    for frame in frames:
        last = frame.pts if frame.pts is not None else (0 if last is None else last + duration)
        duration = frame.samples * 90000 / (frame.rate or 48000)
        times.append(last)
    return times
