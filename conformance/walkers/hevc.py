"""HEVC syntax that judges need: NAL units, access units, SPS with VUI, SEI of HDR10, and hvcC (ISO/IEC 23008-2, 14496-15 8.3.3).

Cannot read extensions for scalability or 3D, nor the VUI's default display window and HRD beyond what lies before them.
"""
from dataclasses import dataclass, field

from .h264 import Bits

VPS, SPS, PPS, AUD, FILLER, SEI, SUFFIX_SEI = 32, 33, 34, 35, 38, 39, 40
EOS, EOB = 36, 37
IDR = {19, 20}
CRA = 21
RASL = {8, 9}
IRAP = set(range(16, 24))
MASTERING, LIGHT = 137, 144
ALTERNATIVE_TRANSFER = 147


def kind(unit):
    return unit[0] >> 1 & 63


def is_slice(unit):
    return kind(unit) < 32


def first_slice(unit):
    return is_slice(unit) and len(unit) > 2 and bool(unit[2] & 0x80)


def access_units(units):
    """Lists of NAL units, one list a picture (7.4.2.4.4)."""
    out, current, has_slice = [], [], False
    for unit in units:
        k = kind(unit)
        opens = k in (VPS, SPS, PPS, AUD, SEI) or 41 <= k <= 44 or 48 <= k <= 55
        if current and (k == AUD or has_slice and (opens or first_slice(unit))):
            out.append(current)
            current, has_slice = [], False
        current.append(unit)
        has_slice = has_slice or is_slice(unit)
    return out + [current] if current else out


@dataclass
class Profile:
    space: int
    tier: int
    idc: int
    compatibility: int
    constraints: bytes
    level: int

    @property
    def codec(self):
        flags = int(f"{self.compatibility:032b}"[::-1], 2)
        used = self.constraints.rstrip(b"\0")
        return f"hvc1.{['', 'A', 'B', 'C'][self.space]}{self.idc}.{flags:X}.{'LH'[self.tier]}{self.level}" + "".join(f".{b:X}" for b in used)


def read_profile(data):
    """From the 12 bytes of general profile, tier and level."""
    return Profile(data[0] >> 6, data[0] >> 5 & 1, data[0] & 31, int.from_bytes(data[1:5], "big"), bytes(data[5:11]), data[11])


@dataclass
class Sps:
    profile: Profile
    width: int
    height: int
    chroma: int
    depths: tuple
    layers: int
    nested: bool
    colour: tuple | None = None     # (primaries, transfer, matrix, full range)

    @property
    def codec(self):
        return self.profile.codec


def _scaling(bits):
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.u(1):
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.se()


def _reference_sets(bits, count):
    deltas = []
    for index in range(count):
        if index and bits.u(1):
            bits.u(1), bits.ue()
            number = 0
            for _ in range(deltas[index - 1] + 1):
                used = bits.u(1)
                number += bool(used or bits.u(1))
            deltas.append(number)
        else:
            negative, positive = bits.ue(), bits.ue()
            for _ in range(negative + positive):
                bits.ue(), bits.u(1)
            deltas.append(negative + positive)


def read_sps(nal):
    bits = Bits(nal[2:])
    bits.u(4)
    layers, nested = bits.u(3) + 1, bool(bits.u(1))
    profile = read_profile(bytes(bits.u(8) for _ in range(12)))
    present = [(bits.u(1), bits.u(1)) for _ in range(layers - 1)]
    if layers > 1:
        bits.u(2 * (9 - layers))
    for has_profile, has_level in present:
        bits.u(88 * has_profile + 8 * has_level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    sps = Sps(profile, width, height, chroma, (bits.ue() + 8, bits.ue() + 8), layers, nested)
    order_bits = bits.ue() + 4
    for _ in range(layers if bits.u(1) else 1):
        bits.ue(), bits.ue(), bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.u(1) and bits.u(1):
        _scaling(bits)
    bits.u(2)
    if bits.u(1):
        bits.u(8), bits.ue(), bits.ue(), bits.u(1)
    _reference_sets(bits, bits.ue())
    if bits.u(1):
        for _ in range(bits.ue()):
            bits.u(order_bits + 1)
    bits.u(2)
    if bits.u(1):
        if bits.u(1) and bits.u(8) == 255:
            bits.u(32)
        if bits.u(1):
            bits.u(1)
        if bits.u(1):
            bits.u(3)
            full = bits.u(1)
            if bits.u(1):
                sps.colour = (bits.u(8), bits.u(8), bits.u(8), full)
    return sps


def sei(units, wanted):
    """The first payload of this type in SEI messages; None where there is none."""
    for unit in units:
        if kind(unit) != SEI:
            continue
        data = unescaped(unit[2:])
        at = 0
        while at + 2 < len(data):
            numbers = []
            for _ in range(2):
                number = 0
                while data[at] == 255:
                    number, at = number + 255, at + 1
                numbers.append(number + data[at])
                at += 1
            if numbers[0] == wanted:
                return data[at:at + numbers[1]]
            at += numbers[1]
    return None


def unescaped(data):
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte == 3:
            zeros = 0
            continue
        zeros = zeros + 1 if byte == 0 else 0
        out.append(byte)
    return bytes(out)


@dataclass
class Hvcc:
    version: int
    profile: Profile
    chroma: int
    depths: tuple
    layers: int
    nested: bool
    length_size: int
    arrays: dict = field(default_factory=dict)      # NAL unit type → (complete, [NAL units])
    left: int = 0                                   # bytes after the last array


def read_hvcc(data):
    out = Hvcc(data[0], read_profile(data[1:13]), data[16] & 3, ((data[17] & 7) + 8, (data[18] & 7) + 8), data[21] >> 3 & 7, bool(data[21] >> 2 & 1),
               (data[21] & 3) + 1)
    at = 23
    for _ in range(data[22]):
        complete, k, count = bool(data[at] & 0x80), data[at] & 63, int.from_bytes(data[at + 1:at + 3], "big")
        at += 3
        units = []
        for _ in range(count):
            size = int.from_bytes(data[at:at + 2], "big")
            units.append(bytes(data[at + 2:at + 2 + size]))
            at += 2 + size
        out.arrays[k] = (complete, units)
    out.left = len(data) - at
    return out
