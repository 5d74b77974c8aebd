#!/usr/bin/env python3
"""Cuts one TS at video frame numbers, wherever the keyframes are, as careless recorders do.

usage: cut.py WHOLE.ts FOLDER FPS FRAME...   writes 000.ts, 001.ts … and media.m3u8

Each file begins with the PAT and the PMT, then the first packet of the video PES that holds the given
frame (counted in file order, which is decoding order). Elementary streams are left as they are.
"""
import sys


def main(whole, folder, fps, cuts):
    data = open(whole, "rb").read()
    packets = [bytearray(data[i:i + 188]) for i in range(0, len(data), 188)]
    tables, parts, part, counters = {}, [], [], {}
    frame, pmt_pid, video_pid = 0, None, None
    for packet in packets:
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        starts = bool(packet[1] & 0x40)
        if pid == 0:
            pmt_pid = (packet[15] & 0x1F) << 8 | packet[16]
        if pid == pmt_pid:
            info = (packet[15] & 0x0F) << 8 | packet[16]
            first = 17 + info
            while packet[first] not in (0x1B, 0x24, 0x02):
                first += 5 + ((packet[first + 3] & 0x0F) << 8 | packet[first + 4])
            video_pid = (packet[first + 1] & 0x1F) << 8 | packet[first + 2]
        if pid in (0, pmt_pid):
            tables[pid] = packet
        elif pid == video_pid and starts:
            if frame in cuts:
                parts.append(part)
                part = [bytearray(tables[0]), bytearray(tables[pmt_pid])]
            frame += 1
        part.append(packet)
    parts.append(part)
    bounds = [0] + cuts + [frame]
    durations = [(b - a) / fps for a, b in zip(bounds, bounds[1:])]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-PLAYLIST-TYPE:VOD", f"#EXT-X-TARGETDURATION:{round(max(durations) + 0.5)}"]
    for number, (packets, duration) in enumerate(zip(parts, durations)):
        for packet in packets:  # the repeated tables count on
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if pid in (0, pmt_pid):
                counters[pid] = (counters.get(pid, -1) + 1) & 15
                packet[3] = packet[3] & 0xF0 | counters[pid]
        with open(f"{folder}/{number:03d}.ts", "wb") as out:
            out.write(b"".join(packets))
        lines += [f"#EXTINF:{duration:.3f},", f"{number:03d}.ts"]
    with open(f"{folder}/media.m3u8", "w") as out:
        out.write("\n".join(lines + ["#EXT-X-ENDLIST"]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), [int(a) for a in sys.argv[4:]])
