"""What DRM systems put into pssh boxes: Widevine's protobuf message and the PlayReady object.

Reads strictly; what is not understood raises ValueError. Cannot read licence stores or custom attributes.
"""
import base64
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

WRM = "{http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader}"


@dataclass
class Widevine:
    kids: list = field(default_factory=list)
    provider: str = ""
    content: bytes = b""
    scheme: str = ""            # four characters, "" where it is not said (and means cenc)


def _varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def read_widevine(data):
    out, at = Widevine(), 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            value = data[at:at + length]
            at += length
            if len(value) != length:
                raise ValueError(f"field {number} is cut short")
        else:
            raise ValueError(f"field {number} has wire type {wire}")
        if number == 2:
            if len(value) != 16:
                raise ValueError(f"key ID of {len(value)} bytes")
            out.kids.append(bytes(value))
        elif number == 3:
            out.provider = value.decode()
        elif number == 4:
            out.content = bytes(value)
        elif number == 9:
            out.scheme = value.to_bytes(4, "big").decode("latin1")
        elif number not in (1, 5, 6, 7, 8):
            raise ValueError(f"field {number} is none of Widevine's")
    return out


@dataclass
class PlayReady:
    version: str
    kids: list                  # big-endian, as everywhere else
    algorithms: set
    checksums: dict             # key ID → 8 bytes
    text: str


def _key_id(text):
    data = base64.b64decode(text, validate=True)
    if len(data) != 16:
        raise ValueError(f"key ID of {len(data)} bytes")
    return uuid.UUID(bytes_le=data).bytes


def read_header(value):
    text = value.decode("utf-16-le")
    if text[:1] == "\ufeff" or not text.startswith("<WRMHEADER "):
        raise ValueError(f"WRMHEADER begins with {text[:12]!r}")
    root = ET.fromstring(text)
    version, data = root.get("version"), root.find(WRM + "DATA")
    info = data.find(WRM + "PROTECTINFO")
    if version == "4.0.0.0":
        kid = _key_id(data.findtext(WRM + "KID"))
        if info.findtext(WRM + "KEYLEN") != "16":
            raise ValueError("KEYLEN is not 16")
        found = [(kid, info.findtext(WRM + "ALGID"), data.findtext(WRM + "CHECKSUM"))]
    else:
        elements = info.findall(WRM + "KID") if version == "4.1.0.0" else info.findall(f"{WRM}KIDS/{WRM}KID")
        found = [(_key_id(e.get("VALUE")), e.get("ALGID"), e.get("CHECKSUM")) for e in elements]
    return PlayReady(version, [k for k, _, _ in found], {a for _, a, _ in found},
                     {k: base64.b64decode(c) for k, _, c in found if c}, text)


def read_playready(data):
    """The one WRMHEADER of a PlayReady object."""
    size, count, at, headers = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:6], "little"), 6, []
    if size != len(data) or size > 15 * 1024:
        raise ValueError(f"PlayReady object says {size} bytes and has {len(data)}")
    for _ in range(count):
        kind, length = int.from_bytes(data[at:at + 2], "little"), int.from_bytes(data[at + 2:at + 4], "little")
        if kind == 1:
            headers.append(read_header(data[at + 4:at + 4 + length]))
        at += 4 + length
    if at != len(data) or len(headers) != 1:
        raise ValueError(f"PlayReady object has {len(headers)} headers, and {len(data) - at} bytes after its records")
    return headers[0]
