"""How long an H.264 slice header is, in bytes of the NAL unit as it stands (ISO/IEC 14496-10, 7.3.3).

Encryption leaves headers clear and has to know their length to the byte; some decoders ignore what senc says and
measure on their own. Cannot read slice groups, SVC, MVC or slices of data partitioning.
"""
from dataclasses import dataclass

from .h264 import IDR, PPS, SLICE, SPS, Bits, kind

HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138)


@dataclass
class Sequence:
    id: int
    chroma: int
    planes: int                 # separate_colour_plane_flag
    frame_num_bits: int
    order: int                  # pic_order_cnt_type
    order_bits: int
    always_zero: int
    frames_only: int


@dataclass
class Picture:
    id: int
    sequence: int
    cabac: int
    order_present: int
    refs: tuple
    weighted: int
    biweighted: int
    deblocking: int
    redundant: int


def _scaling(bits, count):
    for index in range(count):
        if bits.u(1):
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.se()) % 256
                last = following or last


def read_sequence(nal):
    bits = Bits(nal[4:])
    number, chroma, planes = bits.ue(), 1, 0
    if nal[1] in HIGH:
        chroma = bits.ue()
        if chroma == 3:
            planes = bits.u(1)
        bits.ue(), bits.ue(), bits.u(1)
        if bits.u(1):
            _scaling(bits, 12 if chroma == 3 else 8)
    frame_num_bits, order, order_bits, always_zero = bits.ue() + 4, bits.ue(), 0, 0
    if order == 0:
        order_bits = bits.ue() + 4
    elif order == 1:
        always_zero = bits.u(1)
        bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    return Sequence(number, 0 if planes else chroma, planes, frame_num_bits, order, order_bits, always_zero, bits.u(1))


def read_picture(nal):
    bits = Bits(nal[1:])
    number, sequence, cabac, order_present = bits.ue(), bits.ue(), bits.u(1), bits.u(1)
    if bits.ue():
        raise ValueError("slice groups cannot be read")
    refs = (bits.ue() + 1, bits.ue() + 1)
    weighted, biweighted = bits.u(1), bits.u(2)
    bits.se(), bits.se(), bits.se()
    return Picture(number, sequence, cabac, order_present, refs, weighted, biweighted, bits.u(1), (bits.u(1), bits.u(1))[1])


class ParameterSets:
    """Those in force; feed it every SPS and PPS in the order in which they come."""

    def __init__(self):
        self.sequences, self.pictures = {}, {}

    def feed(self, nal):
        if kind(nal) == SPS:
            s = read_sequence(nal)
            self.sequences[s.id] = s
        elif kind(nal) == PPS:
            p = read_picture(nal)
            self.pictures[p.id] = p

    def feed_config(self, config):
        """What an avcC box holds."""
        at, count = 6, config[5] & 31
        for group in range(2):
            for _ in range(count):
                size = int.from_bytes(config[at:at + 2], "big")
                self.feed(config[at + 2:at + 2 + size])
                at += 2 + size
            if not group:
                count, at = config[at], at + 1


def _weights(bits, sequence, counts):
    bits.ue()
    if sequence.chroma:
        bits.ue()
    for count in counts:
        for _ in range(count):
            if bits.u(1):
                bits.se(), bits.se()
            if sequence.chroma and bits.u(1):
                for _ in range(4):
                    bits.se()


def _reordering(bits):
    if bits.u(1):
        while bits.ue() != 3:
            bits.ue()


def header_bits(nal, sets):
    """Bits of the slice header behind the NAL unit's first byte, emulation prevention taken out."""
    try:
        return _header_bits(nal, sets, 48)
    except ValueError:          # a long one
        return _header_bits(nal, sets, 800)


def _header_bits(nal, sets, most):
    if kind(nal) not in (SLICE, IDR):
        raise ValueError(f"NAL unit type {kind(nal)} is no slice")
    bits = Bits(nal[1:most])
    whole = bits.left
    bits.ue()
    slice_type = bits.ue() % 5                  # 0 P, 1 B, 2 I, 3 SP, 4 SI
    picture = sets.pictures[bits.ue()]
    sequence = sets.sequences[picture.sequence]
    if sequence.planes:
        bits.u(2)
    bits.u(sequence.frame_num_bits)
    field = 0
    if not sequence.frames_only:
        field = bits.u(1)
        if field:
            bits.u(1)
    if kind(nal) == IDR:
        bits.ue()
    if sequence.order == 0:
        bits.u(sequence.order_bits)
        if picture.order_present and not field:
            bits.se()
    if sequence.order == 1 and not sequence.always_zero:
        bits.se()
        if picture.order_present and not field:
            bits.se()
    if picture.redundant:
        bits.ue()
    if slice_type == 1:
        bits.u(1)
    refs = list(picture.refs)
    if slice_type in (0, 1, 3) and bits.u(1):
        refs[0] = bits.ue() + 1
        if slice_type == 1:
            refs[1] = bits.ue() + 1
    if slice_type not in (2, 4):
        _reordering(bits)
        if slice_type == 1:
            _reordering(bits)
    if picture.weighted and slice_type in (0, 3) or picture.biweighted == 1 and slice_type == 1:
        _weights(bits, sequence, refs[:2 if slice_type == 1 else 1])
    if nal[0] >> 5 & 3:
        if kind(nal) == IDR:
            bits.u(2)
        elif bits.u(1):
            while (operation := bits.ue()) != 0:
                if operation in (1, 3):
                    bits.ue()
                if operation in (2, 3, 4, 6):
                    bits.ue()
    if picture.cabac and slice_type not in (2, 4):
        bits.ue()
    bits.se()
    if slice_type in (3, 4):
        if slice_type == 3:
            bits.u(1)
        bits.se()
    if picture.deblocking and bits.ue() != 1:
        bits.se(), bits.se()
    return whole - bits.left


def is_slice(nal):
    return kind(nal) in (SLICE, IDR)


def header_sizes(nal, sets):
    """Bytes of NAL header and slice header, emulation prevention bytes among them counted: every value that is right.

    There are two where an emulation prevention byte stands exactly at the end, one otherwise.
    """
    return sizes_of(nal, 1, (header_bits(nal, sets) + 7) // 8)


def sizes_of(nal, at, wanted):
    """The same from the bytes of the slice header that are `wanted` behind the NAL unit's, which has `at` bytes."""
    read = zeros = 0
    while read < wanted:
        if zeros >= 2 and nal[at] == 3:
            zeros = 0
        else:
            zeros = zeros + 1 if nal[at] == 0 else 0
            read += 1
        at += 1
    return {at, at + 1} if zeros >= 2 and nal[at:at + 1] == b"\3" else {at}
