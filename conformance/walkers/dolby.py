"""AC-3 and E-AC-3: frames, access units, and the boxes dac3 and dec3 (ETSI TS 102 366 4.3, E.1.2, F.4, F.6; TS 103 420 8.3 for JOC).

Cannot decode. Of E-AC-3 it reads what lies before the mixing metadata, and chan_loc and the flag of JOC from dec3 alone;
that a stream has JOC is seen in its emdf payloads by nobody here but ffprobe.
"""
from dataclasses import dataclass

from .h264 import Bits

RATES = [48000, 44100, 32000]
KBITS = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640]
MAIN = [2, 1, 2, 3, 3, 4, 4, 5]
BLOCKS = [1, 2, 3, 6]
LOCATIONS = [2, 2, 1, 1, 2, 2, 2, 1, 1]         # channels of each bit of chan_loc, from the lowest


@dataclass
class Header:
    """One syncframe."""
    size: int
    rate: int
    enhanced: bool
    bsid: int
    acmod: int
    lfe: int
    bsmod: int = 0
    dependent: bool = False
    substream: int = 0
    blocks: int = 6
    code: int = 0               # AC-3: frmsizecod >> 1
    fscod: int = 0

    @property
    def channels(self):
        return MAIN[self.acmod] + self.lfe


def read_header(data):
    """The syncframe that begins here; ValueError where none does."""
    if len(data) < 8 or data[:2] != b"\x0b\x77":
        raise ValueError("no syncword of AC-3")
    bsid = data[5] >> 3
    if bsid <= 10:
        fscod, size_code = data[4] >> 6, data[4] & 63
        if fscod == 3 or size_code > 37:
            raise ValueError("a reserved value in syncinfo")
        kbits = KBITS[size_code >> 1]
        words = {0: kbits * 2, 1: kbits * 320 // 147 + (size_code & 1), 2: kbits * 3}[fscod]
        acmod = data[6] >> 5
        skip = 3 + 2 * (acmod & 1 and acmod != 1) + 2 * bool(acmod & 4) + 2 * (acmod == 2)
        lfe = (data[6] << 8 | data[7]) >> (15 - skip) & 1
        return Header(words * 2, RATES[fscod] >> max(0, bsid - 8), False, bsid, acmod, lfe, data[5] & 7, code=size_code >> 1, fscod=fscod)
    if bsid > 16:
        raise ValueError(f"bsid {bsid}")
    kind, substream, words = data[2] >> 6, data[2] >> 3 & 7, ((data[2] & 7) << 8 | data[3]) + 1
    fscod = data[4] >> 6
    half = fscod == 3
    rate, blocks = (RATES[data[4] >> 4 & 3] // 2, 6) if half else (RATES[fscod], BLOCKS[data[4] >> 4 & 3])
    return Header(words * 2, rate, True, bsid, data[4] >> 1 & 7, data[4] & 1, 0, kind == 1, substream, blocks, fscod=fscod)


def syncframes(data):
    """(start, header) of every syncframe and faults, over bytes that begin with one."""
    out, faults, at = [], [], 0
    while at + 8 <= len(data):
        try:
            header = read_header(data[at:at + 8])
        except ValueError as error:
            faults.append(f"{error} at byte {at} of the audio")
            at = data.find(b"\x0b\x77", at + 1)
            if at < 0:
                break
            continue
        if at + header.size > len(data):
            faults.append(f"syncframe at byte {at} is cut short")
            break
        out.append((at, header))
        at += header.size
    return out, faults


def access_units(data):
    """(start, bytes, first header, all headers) of what makes one sample: 1536 PCM samples and what depends on them."""
    frames, faults = syncframes(data)
    out, group, blocks = [], [], 0
    for at, header in frames:
        opens = not header.dependent and header.substream == 0
        if group and opens and blocks >= 6:
            out.append(group)
            group, blocks = [], 0
        group.append((at, header))
        blocks += header.blocks if opens else 0
    if group:
        if blocks >= 6:
            out.append(group)
        else:
            faults.append(f"the last access unit has {blocks} blocks")
    return [(g[0][0], bytes(data[g[0][0]:g[-1][0] + g[-1][1].size]), g[0][1], [h for _, h in g]) for g in out], faults


@dataclass
class Dac3:
    fscod: int
    bsid: int
    bsmod: int
    acmod: int
    lfe: int
    code: int


def read_dac3(data):
    if len(data) != 3:
        raise ValueError(f"dac3 of {len(data)} bytes")
    value = int.from_bytes(data, "big")
    return Dac3(value >> 22, value >> 17 & 31, value >> 14 & 7, value >> 11 & 7, value >> 10 & 1, value >> 5 & 31)


@dataclass
class Substream:
    fscod: int
    bsid: int
    bsmod: int
    acmod: int
    lfe: int
    dependents: int
    locations: int

    @property
    def channels(self):
        return MAIN[self.acmod] + self.lfe + sum(c for bit, c in enumerate(LOCATIONS) if self.locations >> bit & 1)


@dataclass
class Dec3:
    kbits: int
    substreams: list
    joc: int | None             # complexity index, where the extension says that there is JOC
    left: int                   # bytes that nothing explains


def read_dec3(data):
    bits = Bits.plain(data)
    kbits, count, out = bits.u(13), bits.u(3) + 1, []
    for _ in range(count):
        fscod, bsid = bits.u(2), bits.u(5)
        bits.u(2)               # reserved, asvc
        bsmod, acmod, lfe = bits.u(3), bits.u(3), bits.u(1)
        bits.u(3)
        dependents = bits.u(4)
        out.append(Substream(fscod, bsid, bsmod, acmod, lfe, dependents, bits.u(9) if dependents else bits.u(1) * 0))
    joc = None
    if bits.left >= 16:
        bits.u(7)
        if bits.u(1):
            joc = bits.u(8)
        else:
            bits.u(8)
    return Dec3(kbits, out, joc, bits.left // 8)
