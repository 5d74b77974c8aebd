#!/usr/bin/env python3
"""TS output is TS that hardware decoders take.

usage: ts.py URL...

Proves, with a walker of its own, for each segment: sync bytes, PAT and PMT first with right CRCs, continuity counters,
PCR no further apart than 100 ms, rising and never later than any DTS, PTS not before DTS, DTS rising, PES packets
aligned with frames, an AUD first in each picture, SPS and PPS before each IDR, an IDR first in each segment (or a recovery point
where the source has nothing else); that DTS rises over joins; and that `ffprobe -v warning` has nothing to say, for each segment and for all of them joined.

Cannot prove buffer conformance (T-STD) beyond PCR before DTS. Of codecs it reads H.264, field pairs too,
AAC, AC-3, E-AC-3 and MPEG audio, and it lets no other stream type pass.
"""
import sys

import decode
import presentation
from report import Report
from walkers import h264, mpegts

PCR_INTERVAL = 27_000_000 // 10
# RFC 8216 3.2 and Apple's authoring specification: neither HEVC nor LATM, nor anything by descriptor alone.
METADATA = 0x15         # ID3 tags
PLAYED = {METADATA} | {mpegts.H264, mpegts.AAC, mpegts.AC3, mpegts.EAC3} | mpegts.MPEG


def rising(values):
    return all(a < b for a, b in zip(values, values[1:]))


def judge_clock(judge, stream, where):
    judge.check("PCR present", bool(stream.pcrs), where)
    if not stream.pcrs:
        return
    judge.check("PCR on the PID that the PMT names", all(p == stream.pcr_pid for _, _, p in stream.pcrs), where)
    base = mpegts.unwrap([v // 300 for _, v, _ in stream.pcrs])
    values = [b * 300 + v % 300 for b, (_, v, _) in zip(base, stream.pcrs)]
    judge.check("PCR rises", rising(values), where)
    gaps = [b - a for a, b in zip(values, values[1:])]
    judge.check("PCR at most 100 ms apart", max(gaps, default=0) <= PCR_INTERVAL,
                lambda: f"{where}: {max(gaps) / 27000:.1f} ms")
    spans = [mpegts.unwrap([u.dts for u in units if u.dts is not None]) for units in stream.pes.values()]
    longest = max((s[-1] - s[0] for s in spans if s), default=0) * 300
    judge.check("PCR at most 100 ms apart", values[-1] - values[0] >= longest - 2 * PCR_INTERVAL,
                lambda: f"{where}: PCR runs for {(values[-1] - values[0]) / 27e6:.2f} s, frames for {longest / 27e6:.2f} s")
    judge.check("PCR before the first frame", stream.pcrs[0][0] <= min((u[0].packet for u in stream.pes.values() if u), default=0), where)
    for pid, units in stream.pes.items():
        late = []
        dts = mpegts.unwrap([u.dts for u in units], base[0])
        for unit, time in zip(units, dts):
            clock = [v for (n, _, _), v in zip(stream.pcrs, values) if n <= unit.packet]
            if time is not None and clock and clock[-1] > time * 300:
                late.append(f"{where}: PID {pid:#x} packet {unit.packet} has DTS {time}, PCR stands at {clock[-1] // 300}")
        judge.check("PCR not after DTS", not late, lambda: late[0])


def judge_times(judge, stream, where):
    for pid, units in stream.pes.items():
        judge.check("every PES has a PTS", all(u.pts is not None for u in units), f"{where}: PID {pid:#x}")
        timed = [u for u in units if u.pts is not None]
        dts = mpegts.unwrap([u.dts for u in timed])
        judge.check("DTS rises", rising(dts), f"{where}: PID {pid:#x}")
        ahead = [((u.pts - u.dts + mpegts.WRAP // 2) % mpegts.WRAP) - mpegts.WRAP // 2 for u in timed]
        judge.check("PTS not before DTS", min(ahead, default=0) >= 0, f"{where}: PID {pid:#x}")


def judge_video(judge, stream, where, recovery):
    units = stream.units({mpegts.H264})
    if not units:
        return
    sps = next((h264.read_sps(n) for u in units for n in h264.annex_b(u.payload) if h264.kind(n) == h264.SPS), None)
    judge.check("first video PES is marked as random access", units[0].random_access, where)
    for number, pes in enumerate(units):
        nals = h264.annex_b(pes.payload)
        kinds = [h264.kind(n) for n in nals]
        here = f"{where}: video PES {number}"
        judge.check("a picture starts each video PES", pes.payload[:4] in (b"\0\0\0\1", b"\0\0\1\x09") or pes.payload[:3] == b"\0\0\1", here)
        judge.equal("one picture in each PES", len(h264.frames(nals, sps)), 1, here)
        judge.equal("both fields of a frame in one PES", h264.fields(nals, sps) if sps else 0, 0, here)
        judge.check("AUD first, and once", kinds[:1] == [h264.AUD] and kinds.count(h264.AUD) <= len(h264.access_units(nals)), lambda: f"{here}: NAL units {kinds[:6]}")
        if h264.IDR in kinds:
            before = kinds[:kinds.index(h264.IDR)]
            judge.check("SPS and PPS before each IDR", h264.SPS in before and h264.PPS in before, lambda: f"{here}: {before}")
        if number == 0:
            judge.check("begins with an IDR", h264.IDR in kinds or recovery and h264.recovery_point(nals), lambda: f"{here}: NAL units {kinds[:6]}")
            if recovery:
                judge.check("begins with SPS and PPS", {h264.SPS, h264.PPS} <= set(kinds), lambda: f"{here}: NAL units {kinds[:6]}")


def begins_frame(kind, payload):
    if kind == mpegts.AAC:
        return payload[:1] == b"\xff" and payload[1:2] and payload[1] & 0xF6 == 0xF0
    if kind in (mpegts.AC3, mpegts.EAC3):
        return payload[:2] == b"\x0b\x77"
    return payload[:1] == b"\xff" and payload[1:2] and payload[1] & 0xE0 == 0xE0


def judge_audio(judge, stream, where):
    units = stream.units(mpegts.AUDIO)
    if not units:
        return
    judge.check("audio PES begin with a frame", all(begins_frame(stream.types[u.pid], u.payload) for u in units), where)
    judge.check("audio PES lengths are stated and right", all(u.stated_length >= len(u.payload) + 3 for u in units), where)
    _, faults = mpegts.audio_frames(stream)
    judge.check("audio frames are whole", not faults, lambda: f"{where}: {faults[0]}")


def judge_segment(judge, data, where, recovery, gaps=False):
    stream = mpegts.read(data)
    judge.check("packets, counters and tables", not stream.faults, lambda: f"{where}: {stream.faults[0]} ({len(stream.faults)} faults)")
    judge.check("PAT, then PMT, then media", [p for _, p in stream.order[:2]] == [0, stream.pmt_pid]
                and [n for n, _ in stream.order[:2]] == [0, 1], lambda: f"{where}: {stream.order[:3]}")
    judge.equal("one program", stream.programs, 1, where)
    judge.check("stream types are those of HLS", set(stream.stated.values()) <= PLAYED, lambda: f"{where}: {stream.stated}")
    # Tags come when they come.
    media = {pid for pid, kind in stream.types.items() if kind != METADATA}
    judge.check("every PID of the PMT has data", media == set(stream.pes) & media or gaps and media > set(stream.pes) & media, where)
    judge_clock(judge, stream, where)
    judge_times(judge, stream, where)
    judge_video(judge, stream, where, recovery)
    judge_audio(judge, stream, where)
    complaint = decode.probe_warnings(data, ".ts")
    if gaps and set(stream.types) != set(stream.pes):
        complaint = "\n".join(line for line in complaint.splitlines() if "start time for stream" not in line and "no TS found" not in line and "no PTS found" not in line
                              and "Could not find codec parameters" not in line and "Consider increasing" not in line)
    judge.check("ffprobe has nothing to say", not complaint, lambda: f"{where}: {complaint[:300]}")
    return stream


def judge_rendition(judge, rendition, recovery, gaps):
    tables = set()
    for part in rendition.parts:
        last = {}
        for number, segment in enumerate(part.segments):
            where = f"{rendition.name} period {part.period} segment {number}"
            stream = judge_segment(judge, segment.data, where, recovery, gaps)
            for pid, units in stream.pes.items():
                dts = mpegts.unwrap([u.dts for u in units if u.dts is not None], last.get(pid))
                if pid in last and dts:
                    judge.check("DTS rises over joins", dts[0] > last[pid], f"{where}: PID {pid:#x}")
                if dts:
                    last[pid] = dts[-1]
            tables.add((part.period, tuple(sorted(stream.types.items()))))
        complaint = decode.probe_warnings(part.joined, ".ts")
        judge.check("ffprobe has nothing to say of all joined", not complaint, lambda: f"{rendition.name}: {complaint[:300]}")
    judge.equal("PIDs stay the same within a period", len(tables), len(rendition.parts), rendition.name)


def judge_ts(report, subject, out, recovery=False, gaps=False):
    """`recovery`: the source has recovery points instead of IDR pictures. `gaps`: it has segments without sound."""
    with report.judge("ts", subject) as judge:
        for rendition in out.renditions:
            judge.check("is TS", not rendition.cmaf, rendition.name)
            judge_rendition(judge, rendition, recovery, gaps)


def main(*urls):
    report = Report()
    for url in urls:
        judge_ts(report, url.rsplit("/", 1)[-1], presentation.load(url))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
