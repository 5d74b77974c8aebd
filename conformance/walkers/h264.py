"""H.264 syntax that judges need: NAL units, the SPS, and what kind of slice starts a picture.

Cannot read SPS extensions for SVC or MVC. HEVC is read by `hevc.py`.
"""
from dataclasses import dataclass

SLICE, IDR, SEI, SPS, PPS, AUD, FILLER = 1, 5, 6, 7, 8, 9, 12


def annex_b(data):
    """NAL units of a byte stream with start codes, trailing zeros removed."""
    units, at = [], data.find(b"\0\0\1")
    while at >= 0:
        following = data.find(b"\0\0\1", at + 3)
        end = len(data) if following < 0 else following
        unit = bytes(data[at + 3:end]).rstrip(b"\0")
        if unit:
            units.append(unit)
        at = following
    return units


def length_prefixed(data, size=4):
    """NAL units of a sample. Raises ValueError where lengths do not fit."""
    units, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at:at + size], "big")
        at += size
        if length == 0 or at + length > len(data):
            raise ValueError(f"NAL unit of {length} bytes at byte {at} of a sample of {len(data)}")
        units.append(bytes(data[at:at + length]))
        at += length
    return units


def kind(unit):
    return unit[0] & 31


class Bits:
    def __init__(self, nal):
        raw, zeros = bytearray(), 0
        for byte in nal:
            if zeros >= 2 and byte == 3:
                zeros = 0
                continue
            zeros = zeros + 1 if byte == 0 else 0
            raw.append(byte)
        self.value, self.left = int.from_bytes(raw, "big"), len(raw) * 8

    @classmethod
    def plain(cls, data):
        """Bits of what has no emulation prevention bytes."""
        out = cls(b"")
        out.value, out.left = int.from_bytes(data, "big"), len(data) * 8
        return out

    def u(self, n):
        self.left -= n
        if self.left < 0:
            raise ValueError("parameter set ends early")
        return self.value >> self.left & ((1 << n) - 1)

    def ue(self):
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self):
        k = self.ue()
        return (k + 1) // 2 if k & 1 else -(k // 2)


@dataclass
class Sps:
    profile: int
    constraints: int
    level: int
    width: int
    height: int
    frame_num_bits: int = 4
    frames_only: bool = True

    @property
    def codec(self):
        return f"avc1.{self.profile:02x}{self.constraints:02x}{self.level:02x}"


def read_sps(nal):
    profile, constraints, level = nal[1], nal[2], nal[3]
    bits, chroma = Bits(nal[4:]), 1
    bits.ue()
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138):
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    last = following = 8
                    for _ in range(16 if index < 6 else 64):
                        if following:
                            following = (last + bits.se()) % 256
                        last = following or last
    frame_num_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.u(1)
    width, height = (bits.ue() + 1) * 16, (bits.ue() + 1) * 16
    frames_only = bits.u(1)
    height *= 2 - frames_only
    if not frames_only:
        bits.u(1)
    bits.u(1)
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        step_x, step_y = (1 if chroma in (0, 3) else 2), (2 if chroma == 1 else 1) * (2 - frames_only)
        width, height = width - (left + right) * step_x, height - (top + bottom) * step_y
    return Sps(profile, constraints, level, width, height, frame_num_bits, bool(frames_only))


def first_slice(unit):
    """Whether this slice is the first of its picture (first_mb_in_slice is 0)."""
    return kind(unit) in (SLICE, IDR) and len(unit) > 1 and bool(unit[1] & 0x80)


def access_units(units):
    """Lists of NAL units, one list a picture. A new one opens at an AUD, or at SPS, PPS, SEI or a first slice after a slice."""
    out, current, has_slice = [], [], False
    for unit in units:
        k = kind(unit)
        if current and (k == AUD or has_slice and (k in (SEI, SPS, PPS) or first_slice(unit))):
            out.append(current)
            current, has_slice = [], False
        current.append(unit)
        has_slice = has_slice or k in (SLICE, IDR)
    return out + [current] if current else out


def field(unit, sps):
    """(frame_num, whether it is the bottom field) of a slice of a field; None of a frame's."""
    bits = Bits(unit[1:24])
    bits.ue(), bits.ue(), bits.ue()
    number = bits.u(sps.frame_num_bits)
    return (number, bits.u(1)) if not sps.frames_only and bits.u(1) else None


def frames(units, sps):
    """Access units with the two fields of a frame joined: of one frame_num and of different parity."""
    out, open_field = [], None
    for unit in access_units(units):
        first = next((n for n in unit if kind(n) in (SLICE, IDR)), None)
        mine = field(first, sps) if first and sps else None
        if mine and open_field and mine[0] == open_field[0] and mine[1] != open_field[1]:
            out[-1] += unit
            open_field = None
        else:
            out.append(unit)
            open_field = mine
    return out


def fields(units, sps):
    """How many fields are here without their partner."""
    firsts = [n for n in units if first_slice(n)]
    found = [field(n, sps) for n in firsts] if not sps.frames_only else []
    return sum(f is not None for f in found) % 2


def recovery_point(units):
    """Whether an SEI message says that decoding can begin here (D.2.8), be it after some pictures."""
    for unit in units:
        if kind(unit) == SEI:
            at = 1
            while at + 1 < len(unit) and unit[at] != 0x80:
                if unit[at] == 6:
                    return True
                size = 0
                at += 1
                while at < len(unit) and unit[at] == 255:
                    size, at = size + 255, at + 1
                at += 1 + size + (unit[at] if at < len(unit) else 0)
    return False
