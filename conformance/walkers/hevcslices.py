"""How long an HEVC slice segment header is, in bytes of the NAL unit as it stands (ISO/IEC 23008-2, 7.3.6).

The same as `slices.py` is for H.264. Cannot read the extensions for range, scalability, 3D and screen content where they
change slice headers.
"""
from dataclasses import dataclass

from .h264 import Bits
from .hevc import IDR, IRAP, PPS, SPS, _scaling, is_slice, kind, read_hvcc
from .slices import sizes_of

B, P = 0, 1


@dataclass
class Sequence:
    id: int
    chroma: int                 # ChromaArrayType
    planes: int
    blocks: int                 # coding tree blocks of a picture
    order_bits: int
    sao: int
    sets: list                  # reference picture sets: [(distance, used)]
    long_terms: list | None     # whether those of the SPS are used; None without long-term pictures
    motion: int                 # sps_temporal_mvp_enabled_flag


@dataclass
class Picture:
    id: int
    sequence: int
    dependent: int
    output: int
    extra: int
    cabac: int
    refs: tuple
    chroma_offsets: int = 0
    weighted: int = 0
    biweighted: int = 0
    entries: int = 0            # tiles or wavefronts
    across: int = 0
    override: int = 0
    unfiltered: int = 0
    modified: int = 0
    extended: int = 0


def _width(count):
    return (count - 1).bit_length()


def _reference_set(bits, index, known, in_header):
    """One st_ref_pic_set: those before by falling distance, then those behind."""
    if not (index and bits.u(1)):
        before, behind, out, at = bits.ue(), bits.ue(), [], 0
        for number in range(before + behind):
            at = 0 if number == before else at
            at += (-1 if number < before else 1) * (bits.ue() + 1)
            out.append((at, bits.u(1)))
        return out
    source = known[index - (bits.ue() + 1 if in_header else 1)]
    sign = bits.u(1)
    by = (1 - 2 * sign) * (bits.ue() + 1)
    kept = []
    for distance in [d for d, _ in source] + [0]:
        used = bits.u(1)
        if used or bits.u(1):
            kept.append((distance + by, used))
    return sorted((k for k in kept if k[0] < 0), reverse=True) + sorted(k for k in kept if k[0] > 0)


def read_sequence(nal):
    bits = Bits(nal[2:])
    bits.u(4)
    layers = bits.u(3) + 1
    bits.u(1), bits.u(96)
    present = [(bits.u(1), bits.u(1)) for _ in range(layers - 1)]
    if layers > 1:
        bits.u(2 * (9 - layers))
    for has_profile, has_level in present:
        bits.u(88 * has_profile + 8 * has_level)
    number, chroma, planes = bits.ue(), bits.ue(), 0
    if chroma == 3:
        planes = bits.u(1)
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        bits.ue(), bits.ue(), bits.ue(), bits.ue()
    bits.ue(), bits.ue()
    order_bits = bits.ue() + 4
    for _ in range(layers if bits.u(1) else 1):
        bits.ue(), bits.ue(), bits.ue()
    size = 1 << (bits.ue() + 3 + bits.ue())
    bits.ue(), bits.ue(), bits.ue(), bits.ue()
    if bits.u(1) and bits.u(1):
        _scaling(bits)
    bits.u(1)
    sao = bits.u(1)
    if bits.u(1):
        bits.u(8), bits.ue(), bits.ue(), bits.u(1)
    sets = []
    for index in range(bits.ue()):
        sets.append(_reference_set(bits, index, sets, False))
    long_terms = None
    if bits.u(1):
        long_terms = [bits.u(order_bits + 1) & 1 for _ in range(bits.ue())]
    blocks = -(-width // size) * -(-height // size)
    return Sequence(number, 0 if planes else chroma, planes, blocks, order_bits, sao, sets, long_terms, bits.u(1))


def read_picture(nal):
    bits = Bits(nal[2:])
    out = Picture(bits.ue(), bits.ue(), bits.u(1), bits.u(1), bits.u(3), (bits.u(1), bits.u(1))[1], (bits.ue() + 1, bits.ue() + 1))
    bits.se(), bits.u(1), bits.u(1)
    if bits.u(1):
        bits.ue()
    bits.se(), bits.se()
    out.chroma_offsets, out.weighted, out.biweighted = bits.u(1), bits.u(1), bits.u(1)
    bits.u(1)
    tiles, waves = bits.u(1), bits.u(1)
    out.entries = tiles or waves
    if tiles:
        columns, rows = bits.ue(), bits.ue()
        if not bits.u(1):
            for _ in range(columns + rows):
                bits.ue()
        bits.u(1)
    out.across = bits.u(1)
    if bits.u(1):
        out.override, out.unfiltered = bits.u(1), bits.u(1)
        if not out.unfiltered:
            bits.se(), bits.se()
    if bits.u(1):
        _scaling(bits)
    out.modified = bits.u(1)
    bits.ue()
    out.extended = bits.u(1)
    if bits.u(1) and bits.u(8):
        raise ValueError("PPS extensions cannot be read")
    return out


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
        for _, units in read_hvcc(config).arrays.values():
            for unit in units:
                self.feed(unit)


def _references(bits, sequence):
    """Reads which pictures are referred to; how many of them this picture uses (NumPicTotalCurr)."""
    bits.u(sequence.order_bits)
    if not bits.u(1):
        pictures = _reference_set(bits, len(sequence.sets), sequence.sets, True)
    else:
        pictures = sequence.sets[bits.u(_width(len(sequence.sets)))]
    used = sum(u for _, u in pictures)
    if sequence.long_terms is not None:
        known = bits.ue() if sequence.long_terms else 0
        for number in range(known + bits.ue()):
            if number < known:
                used += sequence.long_terms[bits.u(_width(len(sequence.long_terms)))]
            else:
                used += bits.u(sequence.order_bits + 1) & 1
            if bits.u(1):
                bits.ue()
    return used


def _weights(bits, sequence, counts):
    bits.ue()
    if sequence.chroma:
        bits.se()
    for count in counts:
        luma = [bits.u(1) for _ in range(count)]
        chroma = [bits.u(1) if sequence.chroma else 0 for _ in range(count)]
        for a, b in zip(luma, chroma):
            for _ in range(2 * a + 4 * b):
                bits.se()


def _prediction(bits, sequence, picture, slice_type, used, motion):
    """What slices of type P and B alone have."""
    refs = list(picture.refs)
    if bits.u(1):
        refs[0] = bits.ue() + 1
        refs[1] = bits.ue() + 1 if slice_type == B else refs[1]
    refs = refs[:2 if slice_type == B else 1]
    if picture.modified and used > 1:
        for count in refs:
            if bits.u(1):
                bits.u(_width(used) * count)
    if slice_type == B:
        bits.u(1)
    bits.u(picture.cabac)
    if motion:
        first = bits.u(1) if slice_type == B else 1
        if refs[0 if first else 1] > 1:
            bits.ue()
    if picture.weighted and slice_type == P or picture.biweighted and slice_type == B:
        _weights(bits, sequence, refs)
    bits.ue()


def _independent(bits, nal, sequence, picture):
    bits.u(picture.extra)
    slice_type, used, motion, sao = bits.ue(), 0, 0, 0
    bits.u(picture.output)
    bits.u(2 * sequence.planes)
    if kind(nal) not in IDR:
        used = _references(bits, sequence)
        motion = bits.u(sequence.motion)
    if sequence.sao:
        sao = bits.u(2 if sequence.chroma else 1)
    if slice_type in (B, P):
        _prediction(bits, sequence, picture, slice_type, used, motion)
    bits.se()
    if picture.chroma_offsets:
        bits.se(), bits.se()
    unfiltered = picture.unfiltered
    if picture.override and bits.u(1):
        unfiltered = bits.u(1)
        if not unfiltered:
            bits.se(), bits.se()
    if picture.across and (sao or not unfiltered):
        bits.u(1)


def _header_bits(nal, sets, most):
    bits = Bits(nal[2:most])
    whole, first = bits.left, bits.u(1)
    if kind(nal) in IRAP:
        bits.u(1)
    picture = sets.pictures[bits.ue()]
    sequence = sets.sequences[picture.sequence]
    dependent = 0
    if not first:
        dependent = bits.u(picture.dependent)
        bits.u(_width(sequence.blocks))
    if not dependent:
        _independent(bits, nal, sequence, picture)
    if picture.entries:
        count = bits.ue()
        bits.u(count * (bits.ue() + 1) if count else 0)
    if picture.extended:
        bits.u(8 * bits.ue())
    if not bits.u(1) or bits.u(bits.left % 8):
        raise ValueError("no byte alignment where the slice header ends")
    return whole - bits.left


def header_sizes(nal, sets):
    """As `slices.header_sizes`, of a slice segment."""
    if not is_slice(nal):
        raise ValueError(f"NAL unit type {kind(nal)} is no slice")
    try:
        found = _header_bits(nal, sets, 64)
    except ValueError:          # a long one
        found = _header_bits(nal, sets, 4096)
    return sizes_of(nal, 2, found // 8)
