#!/usr/bin/env python3
"""Puts SCTE-35 sections into the segments of `markers/`, or prints those of the tags of `markers-tags/`.

usage: markers.py FOLDER...         each with NNN.ts, as ffmpeg's HLS muxer writes them
       markers.py --tag NAME        a section in base64

The sections are made by threefive (PyPI), which has nothing in common with packorigin. Times are seconds from the first
picture; encoders tell a splice some seconds before it, more than once, and show signs of life between.
"""
import base64
import glob
import sys

from threefive.encode import mk_splice_insert, mk_splice_null, mk_time_signal
from threefive import Cue
from threefive.descriptors import SegmentationDescriptor

from tsclip import crc32, pid_of

SPLICE_PID, VIDEO_PID, PMT_PID = 0x1F0, 0x100, 0x1000
CLOCK = 90000


def section(cue):
    return base64.b64decode(cue.encode())


def insert(event, time=None, duration=None, out=True):
    return section(mk_splice_insert(event, pts=time, duration=duration, out=out))


def signal(time, type_id, event, duration=None, upid="0x123"):
    """A time_signal with one segmentation descriptor."""
    cue = Cue(mk_time_signal(time).encode())
    descriptor = SegmentationDescriptor()
    descriptor.load({
        "tag": 2, "identifier": "CUEI", "name": "Segmentation Descriptor", "segmentation_event_id": hex(event), "segmentation_event_cancel_indicator": False,
        "segmentation_event_id_compliance_indicator": True, "program_segmentation_flag": True, "segmentation_duration_flag": duration is not None,
        "segmentation_duration": duration, "delivery_not_restricted_flag": True, "segmentation_upid_type": 8, "segmentation_upid_length": 8,
        "segmentation_upid": upid, "segmentation_type_id": type_id, "segment_num": 1, "segments_expected": 1})
    cue.descriptors.append(descriptor)
    return section(cue)


def planned(zero):
    """(when it comes, the section), in seconds of the segments' clock from their first picture."""
    out = insert(1001, zero + 7, 8.0)
    back = insert(1001, zero + 15, out=False)
    start = signal(zero + 19, 0x34, 2002, 2.0)
    end = signal(zero + 21, 0x35, 2002)
    chapter = signal(zero + 11, 0x20, 3003)
    null = section(mk_splice_null())
    return [(1, null), (3, out), (5, out), (6, null), (9, chapter), (12, back), (13, back), (16, start), (17, start), (20, end), (22, null)]


TAGS = {"out": lambda: insert(4004, 100.0, 4.0), "back": lambda: insert(4004, 104.0, out=False)}


def timestamp(b):
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1


def times_of(packet):
    """PTS and DTS where a PES packet of pictures begins."""
    if pid_of(packet) != VIDEO_PID or not packet[1] & 0x40:
        return None
    at = 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)
    flags, head = packet[at + 7] >> 6, packet[at + 9:]
    return timestamp(head), timestamp(head[5:]) if flags == 3 else timestamp(head)


def announced(packet):
    """The PMT with another stream in it."""
    at = 5
    length = int.from_bytes(packet[at + 1:at + 3], "big") & 0xFFF
    info = int.from_bytes(packet[at + 10:at + 12], "big") & 0xFFF
    body = packet[at:at + 3 + length - 4]
    body = body[:10] + (0xF000 | info + 6).to_bytes(2, "big") + body[12:12 + info] + b"\x05\x04CUEI" + body[12 + info:]
    body += bytes([0x86]) + (0xE000 | SPLICE_PID).to_bytes(2, "big") + b"\xf0\0"
    body = body[:1] + (0xB000 | len(body) + 1).to_bytes(2, "big") + body[3:]
    return (packet[:at] + body + crc32(body).to_bytes(4, "big")).ljust(188, b"\xff")


def main(folder):
    files = sorted(glob.glob(f"{folder}/*.ts"))
    segments = [[d[n:n + 188] for n in range(0, len(d), 188)] for d in (open(f, "rb").read() for f in files)]
    zero = min(t[0] for t in map(times_of, segments[0]) if t)
    left, counter = planned(zero / CLOCK), 0
    for file, packets in zip(files, segments):
        out = []
        for packet in packets:
            times = times_of(packet)
            while times and left and times[1] >= zero + left[0][0] * CLOCK:
                data = b"\0" + left.pop(0)[1]
                while data:
                    head = bytes([0x47, (0x40 if data[:1] == b"\0" and len(data) > 1 and data[1] == 0xFC else 0) | SPLICE_PID >> 8, SPLICE_PID & 255, 0x10 | counter])
                    out.append((head + data[:184]).ljust(188, b"\xff"))
                    data, counter = data[184:], counter + 1 & 15
            out.append(announced(packet) if pid_of(packet) == PMT_PID else packet)
        with open(file, "wb") as f:
            f.write(b"".join(out))


if __name__ == "__main__":
    if sys.argv[1] == "--tag":
        print(base64.b64encode(TAGS[sys.argv[2]]()).decode())
    else:
        for name in sys.argv[1:]:
            main(name)
