"""ISO BMFF: the box tree, what an init segment says, and the samples of a fragment.

Proves nothing by itself: `boxes.py` judges what is read here. Structure errors raise `BoxError`. Cannot read 64-bit
box sizes in a moof, or media data that lies outside the segment. Of encrypted media it reads everything that is not
encrypted; `cenc.py` reads what says how the rest is.
"""
from dataclasses import dataclass, field

CONTAINERS = {"moov", "trak", "mdia", "minf", "stbl", "dinf", "mvex", "moof", "traf", "edts", "udta", "sinf", "schi"}
SAMPLE_ENTRIES = {"avc1": 78, "avc3": 78, "hvc1": 78, "hev1": 78, "encv": 78, "mp4a": 28, "ac-3": 28, "ec-3": 28, "enca": 28}


class BoxError(ValueError):
    pass


@dataclass
class Box:
    kind: str
    start: int                  # of the header, from the start of the file
    data: bytes                 # payload
    children: list = field(default_factory=list)
    header: int = 8

    @property
    def size(self):
        return self.header + len(self.data)

    def all(self, path):
        head, _, rest = path.partition("/")
        found = [c for c in self.children if c.kind == head]
        return [x for c in found for x in c.all(rest)] if rest else found

    def get(self, path):
        return next(iter(self.all(path)), None)

    def need(self, path):
        box = self.get(path)
        if box is None:
            raise BoxError(f"{self.kind} has no {path}")
        return box

    # full boxes
    @property
    def version(self):
        return self.data[0]

    @property
    def flags(self):
        return int.from_bytes(self.data[1:4], "big")


def boxes(data, start=0):
    out, at = [], 0
    while at < len(data):
        if at + 8 > len(data):
            raise BoxError(f"{len(data) - at} stray bytes at {start + at}")
        size, kind, header = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8].decode("latin1"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8:at + 16], "big"), 16
        if size == 0:
            size = len(data) - at
        if size < header or at + size > len(data):
            raise BoxError(f"box {kind!r} at {start + at} says {size} bytes, {len(data) - at} are left")
        box = Box(kind, start + at, data[at + header:at + size], header=header)
        skip = 0 if kind in CONTAINERS else 8 if kind == "stsd" else SAMPLE_ENTRIES.get(kind)
        if skip is not None:
            box.children = boxes(box.data[skip:], box.start + header + skip)
        out.append(box)
        at += size
    return out


def file(data):
    return Box("file", 0, bytes(data), boxes(bytes(data)), header=0)


def u(data, at, size):
    return int.from_bytes(data[at:at + size], "big")


def signed(value, bits=32):
    return value - (1 << bits) if value >> (bits - 1) else value


def brands(box):
    """Major brand and the set of all of them, of ftyp or styp."""
    names = [box.data[i:i + 4].decode("latin1") for i in range(0, len(box.data), 4)]
    return names[0], set(names[:1] + names[2:])


@dataclass
class Init:
    track: int
    timescale: int
    handler: str
    entry: str                  # sample entry type, the original one where it is encrypted
    width: int = 0
    height: int = 0
    rate: int = 0
    channels: int = 0
    config: bytes = b""         # payload of avcC, hvcC, dac3 or dec3, or the AudioSpecificConfig
    object_type: int = 0        # objectTypeIndication of esds
    colour: tuple | None = None # colr of type nclx: (primaries, transfer, matrix, full range)
    defaults: tuple = (1, 0, 0, 0)
    entries: list = field(default_factory=list)     # the boxes of stsd: one, or an encrypted one and its clear twin
    edit: list = field(default_factory=list)    # (duration, media time)


def _descriptor(data, at):
    tag, length = data[at], 0
    while True:
        at += 1
        length = length << 7 | data[at] & 0x7F
        if not data[at] & 0x80:
            return tag, at + 1, length


def decoder_config(esds):
    """(objectTypeIndication, AudioSpecificConfig or b"")."""
    data, at = esds.data, 4
    tag, at, _ = _descriptor(data, at)
    if tag != 3:
        raise BoxError("esds holds no ES descriptor")
    flags = data[at + 2]
    at += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
    if flags & 0x40:
        at += 1 + data[at]
    tag, at, _ = _descriptor(data, at)
    if tag != 4 or data[at] not in (0x40, 0x69, 0x6B):
        raise BoxError("esds holds no MPEG audio")
    kind = data[at]
    tag, at, length = _descriptor(data, at + 13)
    if kind != 0x40:
        return kind, b""
    if tag != 5:
        raise BoxError("esds holds no AudioSpecificConfig")
    return kind, data[at:at + length]


def read_init(data):
    root = file(data)
    traks = root.all("moov/trak")
    if len(traks) != 1:
        raise BoxError(f"init segment has {len(traks)} tracks")
    trak = traks[0]
    tkhd, mdhd, hdlr = trak.need("tkhd"), trak.need("mdia/mdhd"), trak.need("mdia/hdlr")
    entries = trak.need("mdia/minf/stbl/stsd").children
    if len(entries) != 1 and not (len(entries) == 2 and entries[0].kind in ("encv", "enca")):
        raise BoxError(f"stsd has {len(entries)} entries")
    entry = entries[0]
    frma = entry.get("sinf/frma")
    init = Init(u(tkhd.data, 20 if tkhd.version else 12, 4), u(mdhd.data, 20 if mdhd.version else 12, 4),
                hdlr.data[8:12].decode("latin1"), frma.data.decode("latin1") if frma else entry.kind, entries=entries)
    if SAMPLE_ENTRIES.get(entry.kind) == 78:
        init.width, init.height = u(entry.data, 24, 2), u(entry.data, 26, 2)
    elif SAMPLE_ENTRIES.get(entry.kind) == 28:
        init.channels, init.rate = u(entry.data, 16, 2), u(entry.data, 24, 4) >> 16
    config = next(filter(None, map(entry.get, ("avcC", "hvcC", "dac3", "dec3"))), None)
    if config:
        init.config = config.data
    elif entry.get("esds"):
        init.object_type, init.config = decoder_config(entry.get("esds"))
    colr = next((c.data for c in entry.all("colr") if c.data[:4] == b"nclx"), None)
    if colr:
        init.colour = (u(colr, 4, 2), u(colr, 6, 2), u(colr, 8, 2), colr[10] >> 7)
    trex = root.need("moov/mvex/trex")
    init.defaults = tuple(u(trex.data, 8 + 4 * i, 4) for i in range(4))
    elst = trak.get("edts/elst")
    if elst:
        wide = elst.version == 1
        step = 20 if wide else 12
        for at in range(8, 8 + u(elst.data, 4, 4) * step, step):
            init.edit.append((u(elst.data, at, 8), signed(u(elst.data, at + 8, 8), 64)) if wide else
                             (u(elst.data, at, 4), signed(u(elst.data, at + 4, 4))))
    return init


@dataclass
class Sample:
    dts: int
    duration: int
    offset: int                 # composition offset
    flags: int
    start: int                  # in the file
    data: bytes

    @property
    def pts(self):
        return self.dts + self.offset

    @property
    def sync(self):
        return not self.flags >> 16 & 1

    @property
    def depends_on(self):       # 1: on others, 2: on none
        return self.flags >> 24 & 3


@dataclass
class Fragment:
    root: Box
    moof: Box
    sequence: int
    track: int
    tfhd_flags: int
    tfdt: int
    tfdt_version: int
    truns: list                 # (version, flags, data offset or None, sample count)
    samples: list
    description: int = 1        # which entry of stsd, from 1


def read_fragment(moof, root, raw, init):
    traf, mfhd = moof.need("traf"), moof.need("mfhd")
    tfhd, tfdt = traf.need("tfhd"), traf.need("tfdt")
    flags, at = tfhd.flags, 8
    if flags & 1:
        at += 8
    fields = []
    for bit, default in ((2, init.defaults[0]), (8, init.defaults[1]), (16, init.defaults[2]), (32, init.defaults[3])):
        fields.append(u(tfhd.data, at, 4) if flags & bit else default)
        at += 4 if flags & bit else 0
    time = u(tfdt.data, 4, 8 if tfdt.version else 4)
    fragment = Fragment(root, moof, u(mfhd.data, 4, 4), u(tfhd.data, 4, 4), flags, time, tfdt.version, [], [], fields[0])
    position = moof.start
    for trun in traf.all("trun"):
        tf, count, at, data_offset, first_flags = trun.flags, u(trun.data, 4, 4), 8, None, None
        if tf & 1:
            data_offset, at = signed(u(trun.data, at, 4)), at + 4
            position = moof.start + data_offset
        if tf & 4:
            first_flags, at = u(trun.data, at, 4), at + 4
        fragment.truns.append((trun.version, tf, data_offset, count))
        for index in range(count):
            duration, size, sample_flags, offset = fields[1], fields[2], fields[3], 0
            if tf & 0x100:
                duration, at = u(trun.data, at, 4), at + 4
            if tf & 0x200:
                size, at = u(trun.data, at, 4), at + 4
            if tf & 0x400:
                sample_flags, at = u(trun.data, at, 4), at + 4
            elif index == 0 and first_flags is not None:
                sample_flags = first_flags
            if tf & 0x800:
                offset, at = u(trun.data, at, 4), at + 4
                offset = signed(offset) if trun.version else offset
            fragment.samples.append(Sample(time, duration, offset, sample_flags, position, raw[position:position + size]))
            time += duration
            position += size
        if at != len(trun.data):
            raise BoxError(f"trun has {len(trun.data) - at} bytes that its flags do not explain")
    return fragment


def read_segment(raw, init):
    """The fragments of a media segment."""
    root = file(raw)
    return [read_fragment(moof, root, raw, init) for moof in root.all("moof")]
