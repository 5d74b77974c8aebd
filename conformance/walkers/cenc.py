"""Common Encryption (ISO/IEC 23001-7): what init segments and fragments say of how samples are encrypted.

Proves nothing by itself; `decrypt.py` judges and undoes. Structure errors raise `BoxError`. Cannot read key rotation
(sgpd, sbgp of type seig) or several senc boxes in one traf.
"""
from dataclasses import dataclass, field

from .bmff import BoxError, boxes, u

WIDEVINE, PLAYREADY = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "9a04f079-9840-4286-ab92-e65be0885f95"
FAIRPLAY, COMMON = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2", "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
CLEARKEY = "e2719d58-a985-b3c9-781a-b030af78d30e"
PLAIN_KEY_1, PLAIN_KEY_2 = "81376844-f976-481e-a84e-cc25d39b0b33", "3ea8778f-7742-4bf9-b18b-e834b2acbd47"


def uuid(data):
    h = bytes(data).hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


@dataclass
class Protection:
    """A sample entry's sinf."""
    original: str
    scheme: str
    scheme_version: int
    order: list                 # kinds of sinf's children
    tenc: bytes                 # payload
    version: int
    crypt: int
    skip: int
    protected: int
    iv_size: int                # per sample
    kid: bytes
    iv: bytes = b""             # the constant one


@dataclass
class Aux:
    """What senc says of one sample. Without subsamples all of it is protected."""
    iv: bytes
    subsamples: list | None     # (clear, protected)

    @property
    def size(self):
        return len(self.iv) + (0 if self.subsamples is None else 2 + 6 * len(self.subsamples))


@dataclass
class Pssh:
    system: str
    version: int
    kids: list = field(default_factory=list)
    data: bytes = b""
    box: bytes = b""


def read_protection(entry):
    """The protection of a sample entry; None where it has no sinf."""
    sinf = entry.get("sinf")
    if sinf is None:
        return None
    schm, tenc = sinf.need("schm"), sinf.need("schi/tenc").data
    if len(tenc) < 24:
        raise BoxError(f"tenc has {len(tenc)} bytes")
    out = Protection(sinf.need("frma").data.decode("latin1"), schm.data[4:8].decode("latin1"), u(schm.data, 8, 4),
                     [c.kind for c in sinf.children], tenc, tenc[0], tenc[5] >> 4, tenc[5] & 15, tenc[6], tenc[7], tenc[8:24])
    if out.protected and not out.iv_size:
        out.iv = tenc[25:25 + tenc[24]]
        if len(out.iv) != tenc[24] or len(tenc) != 25 + tenc[24]:
            raise BoxError(f"tenc says {tenc[24]} bytes of IV, and {len(tenc) - 25} follow")
    elif len(tenc) != 24:
        raise BoxError(f"tenc has {len(tenc) - 24} bytes too many")
    return out


def read_senc(box, iv_size):
    out, at, subsamples = [], 8, bool(box.flags & 2)
    for _ in range(u(box.data, 4, 4)):
        aux = Aux(box.data[at:at + iv_size], [] if subsamples else None)
        at += iv_size
        if subsamples:
            count = u(box.data, at, 2)
            at += 2
            for _ in range(count):
                aux.subsamples.append((u(box.data, at, 2), u(box.data, at + 2, 4)))
                at += 6
        out.append(aux)
    if at != len(box.data):
        raise BoxError(f"senc has {len(box.data)} bytes, its samples take {at}")
    return out


def read_saiz(box):
    """The size of auxiliary information of each sample."""
    at = 12 if box.flags & 1 else 4
    default, count = box.data[at], u(box.data, at + 1, 4)
    sizes = [default] * count if default else list(box.data[at + 5:at + 5 + count])
    if len(sizes) != count or len(box.data) != at + 5 + (0 if default else count):
        raise BoxError(f"saiz counts {count} samples in {len(box.data)} bytes")
    return sizes


def read_saio(box):
    at, wide = (12 if box.flags & 1 else 4), 8 if box.version else 4
    offsets = [u(box.data, at + 4 + i * wide, wide) for i in range(u(box.data, at, 4))]
    if len(box.data) != at + 4 + len(offsets) * wide:
        raise BoxError(f"saio counts {len(offsets)} offsets in {len(box.data)} bytes")
    return offsets


def read_pssh(box):
    d, at, kids = box.data, 20, []
    if box.version:
        count, at = u(d, 20, 4), 24
        kids = [d[at + 16 * i:at + 16 * i + 16] for i in range(count)]
        at += 16 * count
    size = u(d, at, 4)
    if at + 4 + size != len(d):
        raise BoxError(f"pssh says {size} bytes of data, {len(d) - at - 4} follow")
    return Pssh(uuid(d[4:20]), box.version, kids, d[at + 4:], (len(d) + 8).to_bytes(4, "big") + b"pssh" + d)


def pssh_boxes(data):
    """Boxes that stand alone, as manifests carry them."""
    return [read_pssh(b) for b in boxes(bytes(data)) if b.kind == "pssh"]


def ranges(aux, size):
    """The protected byte ranges of a sample, joined where they touch."""
    if aux.subsamples is None:
        return [(0, size)] if size else []
    out, at = [], 0
    for clear, protected in aux.subsamples:
        at += clear
        if protected:
            out.append((at, at + protected))
        at += protected
    return out
