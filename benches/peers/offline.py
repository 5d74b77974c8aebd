"""Whole processes from tmpfs to tmpfs: packaging a title, and reading one in.

Each packager makes segments of 6 s, but for ffmpeg's encrypted file, which is one file of fragments of 6 s: it has no more. `cp`
and `cat` are what moving the bytes costs. packorigin's export reads the index that its ingest made; what that costs is a row of
its own. Debian's ffmpeg may encrypt in software.
"""
import os
import platform
import shutil
import statistics

import machine
from content import LONG, SEGMENT_SECONDS
from origin import IV, KEY, KEY_ID

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(HERE, "..", "..", "conformance", "players", "node_modules")
ASSET = "best"


def packager():
    """Shaka Packager's own program, without the script that starts it; None where it is not installed."""
    kind = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "")
    path = os.path.join(MODULES, "shaka-packager", "bin", f"packager-linux-{kind}")
    return os.path.realpath(path) if os.access(path, os.X_OK) else None


def shaka(program, source, scheme):
    command = [program, *(f"in={source},stream={stream},init_segment={stream}-init.mp4,segment_template={stream}-$Number$.m4s" for stream in ("video", "audio")),
               "--segment_duration", str(SEGMENT_SECONDS), "--mpd_output", "manifest.mpd", "--quiet"]
    if scheme:
        command += ["--enable_raw_key_encryption", "--protection_scheme", scheme, "--clear_lead", "0",
                    "--keys", f"label=:key_id={KEY_ID.replace('-', '')}:key={KEY}", "--iv", IV if scheme == "cbcs" else IV[:16]]
    return command


def ffmpeg(source, *rest):
    return ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-threads", "1", "-i", source, "-c", "copy", *rest]


def rows(binary, data, content):
    """(what is compared, who) → command. Commands run in an empty folder on tmpfs."""
    source = os.path.join(content, LONG)
    adts = ["-bsf:a", "aac_adtstoasc"]
    export = lambda name: [binary, "export", "--data-dir", data, "--source", f"default=file://{content}", "--asset", ASSET, "--configuration", name, "--to", "."]
    found = {("clear", "packorigin"): export("dash"), ("cenc", "packorigin"): export("dash-cenc"), ("cbcs", "packorigin"): export("dash-cbcs"),
             ("HLS TS", "packorigin"): export("ts")}
    found[("clear", "ffmpeg")] = ffmpeg(source, *adts, "-tag:v", "avc1", "-tag:a", "mp4a", "-f", "dash", "-seg_duration", str(SEGMENT_SECONDS), "manifest.mpd")
    found[("cenc", "ffmpeg")] = ffmpeg(source, *adts, "-movflags", "empty_moov+default_base_moof", "-frag_duration", str(SEGMENT_SECONDS * 1_000_000),
                                       "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY_ID.replace("-", ""), "out.mp4")
    found[("HLS TS", "ffmpeg")] = ffmpeg(source, "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod", "-hls_segment_filename", "%05d.ts", "media.m3u8")
    if program := packager():
        found |= {(scheme or "clear", "Shaka Packager"): shaka(program, source, scheme) for scheme in (None, "cenc", "cbcs")}
    found[("clear", "cp")] = ["cp", source, "out.ts"]
    found[("ingest", "packorigin")] = [binary, "inspect", os.path.join(content, "best.m3u8")]
    found[("ingest", "ffmpeg -f null")] = ffmpeg(source, "-f", "null", "-")
    found[("ingest", "ffprobe")] = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", source]
    found[("ingest", "cat")] = ["cat", source]
    return found


def measure(binary, data, content, scratch, rounds, core):
    """(what, who) → samples."""
    size = os.path.getsize(os.path.join(content, LONG))
    commands, samples = rows(binary, data, content), {}
    for turn in range(rounds):
        for key, command in commands.items():
            def sample():
                folder = os.path.join(scratch, "out")
                shutil.rmtree(folder, ignore_errors=True)
                os.makedirs(folder)
                # Shaka Packager renames its manifest from there, which must be the same file system.
                return machine.run(command, core, {"TMPDIR": folder}, cwd=folder)
            measured = machine.quietly(sample)
            samples.setdefault(key, []).append(measured | {"rate": size / 1e6 / measured["cpu"]})
    shutil.rmtree(os.path.join(scratch, "out"), ignore_errors=True)
    return samples


def table(samples):
    """Markdown: the rate of each, and how many times faster packorigin is."""
    own = {what: statistics.median(s["rate"] for s in taken) for (what, who), taken in samples.items() if who == "packorigin"}
    lines = ["| what | who | MB of TS per CPU-second | packorigin's rate | wall s | peak MiB |", "|---|---|---|---|---|---|"]
    for (what, who), taken in sorted(samples.items(), key=lambda item: (list(own).index(item[0][0]), item[0][1] != "packorigin")):
        rates = [s["rate"] for s in taken]
        rate = statistics.median(rates)
        against = "" if who == "packorigin" else f"{own[what] / rate:.2f} ×"
        noise = "" if not any(s["noisy"] for s in taken) else " (noisy)"
        lines.append(f"| {what} | {who} | {rate:.0f} [{min(rates):.0f}–{max(rates):.0f}]{noise} | {against} | "
                     f"{statistics.median(s['wall'] for s in taken):.2f} | {max(s['memory'] for s in taken) / 2**20:.0f} |")
    return "\n".join(lines)
