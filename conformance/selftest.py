#!/usr/bin/env python3
"""Do the judges notice? Each spoils one thing in what was served and must make the check fail that is there for it.

usage: selftest.py SOURCE_MASTER URL...      (a sample with sound; at best one URL of each package type)

Media and manifests are fetched once and spoiled in memory; nothing is sent back. Proves that a check can fail, not
that it fails for every such fault. A check that fails on the unspoiled presentation too is skipped.
The source must have another URL than what is spoiled.
"""
import sys

import boxes
import frames
import manifests
import presentation
import ts
from report import Report
from walkers import bmff, mpegts


def box_at(data, path):
    """(start, box) of the first box of this path."""
    return bmff.file(data).need(path)


def patch(data, at, new):
    return data[:at] + new + data[at + len(new):]


def in_box(path, offset, change):
    """Changes bytes of a box's payload. change: payload bytes from `offset` → new bytes of the same length."""
    def spoil(data):
        box = box_at(data, path)
        at = box.start + box.header + offset
        return patch(data, at, change(data[at:]))
    return spoil


def plus(size, by=1):
    return lambda d: (int.from_bytes(d[:size], "big") + by).to_bytes(size, "big", signed=False)


def tfdt_later(data):
    box = box_at(data, "moof/traf/tfdt")
    return in_box("moof/traf/tfdt", 4, plus(8 if box.version else 4))(data)


def first_flags(data):
    """Marks the first sample as not sync."""
    box = box_at(data, "moof/traf/trun")
    at = box.start + box.header
    flags, offset = box.flags, 8 + (4 if box.flags & 1 else 0)
    if flags & 4:
        return patch(data, at + offset, b"\x01\x01\x00\x00")
    offset += (4 if flags & 0x100 else 0) + (4 if flags & 0x200 else 0)
    return patch(data, at + offset, b"\x01\x01\x00\x00")


def without_styp(data):
    return data[box_at(data, "styp").size:]


def packet_where(data, wanted, skip=0):
    stream_pids = mpegts.read(data)
    for number in range(len(data) // 188):
        packet = data[number * 188:number * 188 + 188]
        pid, starts = (packet[1] & 0x1F) << 8 | packet[2], bool(packet[1] & 0x40)
        if wanted(stream_pids, packet, pid, starts):
            if not skip:
                return number * 188
            skip -= 1
    raise ValueError("no such packet")


def of_kind(kinds, start=None):
    return lambda s, packet, pid, starts: s.types.get(pid) in kinds and (start is None or starts == start)


def drop(kinds, start=None, skip=0):
    def spoil(data):
        at = packet_where(data, of_kind(kinds, start), skip)
        return data[:at] + data[at + 188:]
    return spoil


def without_pcr(data):
    """Clears every PCR flag but the first."""
    seen, out = False, bytearray(data)
    for at in range(0, len(out), 188):
        if out[at + 3] & 0x20 and out[at + 4] and out[at + 5] & 0x10:
            if seen:
                out[at + 5] &= 0xEF
            seen = True
    return bytes(out)


def pcr_late(data):
    """Moves every PCR on by ten seconds."""
    out = bytearray(data)
    for at in range(0, len(out), 188):
        if out[at + 3] & 0x20 and out[at + 4] and out[at + 5] & 0x10:
            base = int.from_bytes(out[at + 6:at + 10], "big") + 450_000
            out[at + 6:at + 10] = (base & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)


def nal_type(old, new):
    """Turns the first NAL unit of one type into another type."""
    def spoil(data):
        for code in (b"\0\0\1" + bytes([b]) for b in (old, old | 0x20, old | 0x60)):
            at = data.find(code)
            if at >= 0:
                return patch(data, at + 3, bytes([data[at + 3] & 0xE0 | new]))
        raise ValueError(f"no NAL unit of type {old}")
    return spoil


def pat_crc(data):
    at = packet_where(data, lambda s, p, pid, starts: pid == 0)
    return patch(data, at + 10, bytes([data[at + 10] ^ 1]))


def counter(data):
    at = packet_where(data, of_kind(mpegts.VIDEO), 3)
    return patch(data, at + 3, bytes([data[at + 3] & 0xF0 | (data[at + 3] + 5) & 15]))


def text(old, new, count=1):
    def spoil(data):
        if old.encode() not in data:
            raise ValueError(f"{old!r} is not in it")
        return data.replace(old.encode(), new.encode(), count)
    return spoil


def number(key, change):
    """Changes the first number after a key such as 'BANDWIDTH='."""
    def spoil(data):
        at = data.index(key.encode()) + len(key)
        end = at
        while data[end:end + 1].isdigit():
            end += 1
        return data[:at] + str(change(int(data[at:end]))).encode() + data[end:]
    return spoil


def flip_payload(data):
    box = box_at(data, "mdat")
    at = box.start + box.header + len(box.data) // 2
    return patch(data, at, bytes(b ^ 0x55 for b in data[at:at + 40]))


def timescale_doubled(data):
    """mdhd's timescale stands behind two times, which are longer in version 1."""
    box = box_at(data, "moov/trak/mdia/mdhd")
    return in_box("moov/trak/mdia/mdhd", 20 if box.data[0] == 1 else 12, lambda d: (int.from_bytes(d[:4], "big") * 2).to_bytes(4, "big"))(data)


# what to spoil: (target, spoiler, judge, check that has to fail)
CMAF = [
    ("segment", tfdt_later, "boxes", "tfdt is"),
    ("segment", in_box("moof/traf/trun", 0, lambda d: b"\0"), "boxes", "trun version 1"),
    ("segment", in_box("moof/traf/tfhd", 1, lambda d: bytes([d[0] & 0xFD])), "boxes", "default-base-is-moof"),
    ("segment", in_box("moof/mfhd", 4, lambda d: bytes(4)), "boxes", "mfhd has a sequence number"),
    ("segment", in_box("moof/traf/trun", 8, plus(4)), "boxes", "data offset"),
    ("segment", first_flags, "boxes", "first sample is a sync sample"),
    ("segment", without_styp, "boxes", "styp first"),
    ("segment", lambda d: d[:-5], "boxes", "can be read"),
    ("segment", lambda d: d + d[box_at(d, "moof").start:], "boxes", "one moof and one mdat"),
    ("segment", in_box("moof/traf/trun", 4, lambda d: (int.from_bytes(d[:4], "big") - 1).to_bytes(4, "big")), "boxes", "can be read"),
    ("segment", flip_payload, "frames", "pictures one by one"),
    ("audio segment", flip_payload, "frames", "audio frames one by one"),
    ("audio segment", tfdt_later, "boxes", "tfdt is"),
    ("init", timescale_doubled, "manifests", ""),
    ("init", in_box("moov/trak/mdia/minf/stbl/stsd/avc1", 24, lambda d: b"\1\1"), "boxes", "init: picture size"),
    ("init", in_box("moov/trak/mdia/minf/stbl/stsd/avc1/avcC", 1, lambda d: b"\x42"), "boxes", "init: avcC profile"),
    ("init", in_box("ftyp", 0, lambda d: b"qt  " * (len(d) // 4)), "boxes", ""),
    ("swap", None, "frames", "pictures one by one"),
]
HLS = [
    ("master", number("AVERAGE-BANDWIDTH=", lambda n: n // 2), "manifests", "variant: AVERAGE-BANDWIDTH"),
    ("master", number(":BANDWIDTH=", lambda n: n * 2), "manifests", "variant: BANDWIDTH"),
    ("master", number("RESOLUTION=", lambda n: n + 2), "manifests", "variant: RESOLUTION"),
    ("master", number("FRAME-RATE=", lambda n: n + 1), "manifests", "variant: FRAME-RATE"),
    ("master", text("avc1.", "avc1.4d"), "manifests", "variant: CODECS"),
    ("master", text("#EXT-X-STREAM-INF:", "#EXT-X-NEWS:1\n#EXT-X-STREAM-INF:"), "manifests", "master: strictly well formed"),
    ("playlist", text("#EXT-X-ENDLIST\n", ""), "manifests", "playlist: ENDLIST"),
    ("playlist", number("#EXT-X-TARGETDURATION:", lambda n: n // 2), "manifests", "playlist: TARGETDURATION"),
    ("playlist", number("#EXTINF:", lambda n: n + 1), "manifests", "playlist: EXTINF is the media's duration"),
    ("playlist", text("#EXTINF:", "#EXTINF "), "manifests", "playlist: strictly well formed"),
    ("playlist", text("#EXTINF:", "#EXT-X-DISCONTINUITY\n#EXTINF:", 9), "manifests", "playlist: discontinuities"),
]
TS = [
    ("segment", counter, "ts", "packets, counters and tables"),
    ("segment", pat_crc, "ts", "packets, counters and tables"),
    ("segment", lambda d: d[188:], "ts", "PAT, then PMT, then media"),
    ("segment", lambda d: d[:-10], "ts", "packets, counters and tables"),
    ("segment", without_pcr, "ts", "PCR at most 100 ms apart"),
    ("segment", pcr_late, "ts", "PCR not after DTS"),
    ("segment", nal_type(9, 12), "ts", "AUD first, and once"),
    ("segment", nal_type(7, 12), "ts", "SPS and PPS before each IDR"),
    ("segment", nal_type(5, 1), "ts", "begins with an IDR"),
    ("segment", drop(mpegts.AUDIO, True, 2), "frames", "audio frames in number"),
    ("segment", drop(mpegts.VIDEO, False, 5), "ts", "ffprobe has nothing to say"),
    ("segment", drop(mpegts.VIDEO, False, 5), "frames", ""),
    ("swap", None, "ts", "DTS rises over joins"),
    ("swap", None, "frames", "pictures one by one"),
]
DASH = [
    ("master", text('type="static"', 'type="dynamic"'), "manifests", "MPD: type"),
    ("master", number(' d="', lambda n: n - 1), "boxes", "durations sum to the manifest's"),
    ("master", number('bandwidth="', lambda n: n // 2), "manifests", "Representation: bandwidth"),
    ("master", number(' width="', lambda n: n + 2), "manifests", "Representation: size"),
    ("master", number('mediaPresentationDuration="PT', lambda n: n + 1), "manifests", "MPD: "),
    ("master", text("AudioChannelConfiguration", "AudioConfiguration", 2), "manifests", "Representation: AudioChannelConfiguration"),
    ("master", number('audioSamplingRate="', lambda n: n - 1), "manifests", "Representation: audioSamplingRate"),
    ("master", text('codecs="avc1.', 'codecs="avc1.7'), "manifests", "Representation: codecs"),
    ("master", text("isoff-live", "isoff-main"), "manifests", "MPD: profiles"),
]


def failing(judge, url, source):
    report, out = Report(), None
    try:
        out = presentation.load(url)
    except Exception as error:      # noticed, if bluntly
        return {f"cannot be loaded: {error}"}
    if judge == "frames":
        frames.judge_frames(report, "x", out, source)
    elif judge == "boxes":
        boxes.judge_boxes(report, "x", out)
    elif judge == "ts":
        ts.judge_ts(report, "x", out)
    else:
        manifests.judge_manifests(report, "x", out, source, 6)
    return {r[2] for r in report.rows if r[3] == "FAIL"}


def spoil(target, change, out):
    """Puts spoiled bytes where the fetched ones were; returns what was there."""
    video = out.of("video", "muxed")[0].parts[0]
    if target == "swap":
        a, b = video.segments[0].url, video.segments[1].url
        kept = {a: presentation.fetch(a), b: presentation.fetch(b)}
        presentation._bytes.update({a: kept[b], b: kept[a]})
        return kept
    url = {"segment": lambda: video.segments[:2][-1].url, "init": lambda: video.init_url, "master": lambda: out.url,
           "playlist": lambda: out.renditions[0].playlist.url, "audio segment": lambda: out.of("audio")[0].parts[0].segments[1].url}[target]()
    kept = {url: presentation.fetch(url)}
    presentation._bytes[url] = change(kept[url])
    return kept


def judge_judges(report, subject, url, source):
    out = presentation.load(url)
    plan = {"HLS": TS + HLS, "HLS_CMAF": CMAF + HLS, "DASH": CMAF + DASH}[out.format]
    clean = {}
    with report.judge("selftest", subject) as judge:
        for index, (target, change, name, check) in enumerate(plan):
            label = f"{name} notices {index}: {check or 'something'} ({target})"
            if name not in clean:
                clean[name] = failing(name, url, source)
            try:
                kept = spoil(target, change, out)
            except (ValueError, IndexError) as error:
                judge.skip(label, f"cannot be spoiled: {error}")
                continue
            try:
                found = failing(name, url, source)
            finally:
                presentation._bytes.update(kept)
            fresh = found - clean[name]
            noticed = any(f.startswith(check) or "be read" in f or "be loaded" in f for f in fresh)
            if not noticed and any(f.startswith(check) for f in clean[name]):
                judge.skip(label, "fails on the unspoiled presentation too")
            else:
                judge.check(label, noticed, f"fails are {sorted(fresh)}")


def main(master, *urls):
    report, source = Report(), presentation.load(master)
    for url in urls:
        judge_judges(report, url.rsplit("/", 1)[-1], url, source)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
