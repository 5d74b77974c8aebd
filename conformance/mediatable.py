"""Every presentation and every lone segment of the real-world media, in every package type: a table of what becomes of it.

usage: part of `run.py` (`--only media`); the table is printed and goes to out/media-table.md

Each is tried as an asset of its own: masters as they are, lone media playlists and lone files behind playlists made on
the spot, in a temporary source root. A cell says `plays`, `flagged` with the report's codes, `left out` where the
report says so, or `refused` with the code. What plays has to play right: decoded pictures and sound equal the source's
as ffmpeg decodes it, and the judges of boxes and TS are content. `FAILS` in a cell is a failure of the run.

What may differ, and why: pictures before the first random access point and after the last whole picture, and sound
frames cut by the ends of a file, for these are excerpts. A title with damage in it is compared as far as decoding goes
(`DAMAGED`). Nothing is known of these media but what ffmpeg says.
"""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import boxes
import decoded
import presentation
import quirks
import ts

CONFIGURATIONS = {"media-hls": ("HLS", 6), "media-cmaf": ("HLS_CMAF", 6), "media-dash": ("DASH", 6)}
EDGE = {"video": 3, "sound": 3}         # frames that a cut at an end may cost


def lines_of(path):
    with open(path, errors="replace") as f:
        return f.read()


def duration_of(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path], capture_output=True, text=True, timeout=60)
    try:
        return min(max(float(done.stdout.strip().splitlines()[0]), 0.1), 3600)
    except (ValueError, IndexError):
        return 1.0


def prepare(root, into):
    """Copies the media and gives masters to what has none. Returns name → path of the master, below `into`."""
    out = {}
    for kind in ("presentations", "segments"):
        shutil.copytree(os.path.join(root, kind), os.path.join(into, kind))
    for folder, _, files in os.walk(into):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    for folder in sorted(os.listdir(os.path.join(into, "presentations"))):
        path = os.path.join(into, "presentations", folder)
        playlists = sorted(n for n in os.listdir(path) if n.endswith(".m3u8"))
        masters = [n for n in playlists if "#EXT-X-STREAM-INF" in lines_of(os.path.join(path, n))]
        for name in masters:
            out[folder] = f"presentations/{folder}/{name}"
        for name in playlists if not masters else []:
            if "#EXT-X-I-FRAMES-ONLY" not in lines_of(os.path.join(path, name)):
                out[folder] = f"presentations/{folder}/made-{name}"
                with open(os.path.join(path, f"made-{name}"), "w") as f:
                    f.write(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{name}\n")
    for folder, _, files in sorted(os.walk(os.path.join(into, "segments"))):
        for name in sorted(files):
            stem = os.path.join(os.path.relpath(folder, os.path.join(into, "segments")).split("_")[0], name)
            made = os.path.join(into, "lone", stem)
            os.makedirs(made)
            shutil.copy(os.path.join(folder, name), made)
            seconds = duration_of(os.path.join(made, name))
            with open(os.path.join(made, "media.m3u8"), "w") as f:
                f.write(f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{round(seconds) + 1}\n#EXTINF:{seconds:.3f},\n{name}\n#EXT-X-ENDLIST\n")
            with open(os.path.join(made, "master.m3u8"), "w") as f:
                f.write(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={round(os.path.getsize(os.path.join(made, name)) * 8 / seconds)}\nmedia.m3u8\n")
            out[stem] = f"lone/{stem}/master.m3u8"
    return out


def asset_name(name):
    return "media-" + "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")


def trimmed(ours, theirs):
    """The source's frames without those before the first one that is ours: it may begin where nothing can be decoded."""
    for index, frame in enumerate(ours[:8]):
        if frame in theirs:
            return theirs[max(0, theirs.index(frame) - index):]
    return theirs


def judge_kind(judge, kind, what, ours, wanted, codec):
    best = None
    for theirs in wanted:
        full = theirs.frames
        theirs.frames = trimmed(ours.frames, full)
        mine, others = decoded.unmatched(ours.frames, theirs.frames)
        allowed = EDGE[what] + decoded.start_allowance(codec, ours, theirs) if what == "sound" else EDGE[what]
        entry = (len(mine) + len(others), len(mine), len(others), allowed, len(full), len(theirs.frames))
        best = min(best, entry) if best else entry
        theirs.frames = full
    if best:
        _, mine, others, allowed, full, left = best
        judge.check(f"decoded {what} is the source's", mine <= allowed and others <= allowed,
                    lambda: f"{others} of {left} missing, {mine} of our {len(ours.frames)} are others, allowed {allowed}; {full - left} before the first that is ours")
        judge.check(f"{what} does not begin late", full - left <= max(full // 2, 30), f"{full - left} of {full} left out at the start")


def source_parts(source, kinds):
    return [quirks.stretches(r) for r in source.of(*kinds)]


def judge_cell(report, subject, out, package_type, source, asset):
    """Whether it plays right."""
    before = len(report.rows)
    with report.judge("media", subject) as judge:
        videos = [decoded.Decoded(p, "video") for p in source_parts(source, ("video", "muxed"))]
        sounds = [decoded.Decoded(p, "audio") for p in source_parts(source, ("audio",)) + source_parts(source, ("muxed", "video"))]
        videos, sounds = [v for v in videos if v.frames], [s for s in sounds if s.frames]
        pictures = [decoded.Decoded(quirks.stretches(r), "video") for r in out.of("video", "muxed")]
        heard = [decoded.Decoded(quirks.stretches(r), "audio") for r in out.of("audio", "muxed")]
        left = bool(quirks.left_out(asset, package_type) or "track_left_out" in {c for c, _, _ in quirks.findings_of(asset)})
        judge.check("has pictures where the source has some, or the report says that they are left out", any(p.frames for p in pictures) or not videos or left, out.url)
        judge.check("has sound where the source has some, or the report says that it is left out", any(h.frames for h in heard) or not sounds or left
                    or "rendition_left_out" in {c for c, _, _ in quirks.findings_of(asset)}, out.url)
        for ours in pictures:
            if ours.frames:
                judge_kind(judge, "video", "video", ours, videos, None)
        for ours in heard:
            if ours.frames:
                judge_kind(judge, "audio", "sound", ours, sounds, "aac")
    recovery = True                         # what kind of random access real media have is theirs
    if package_type == "HLS":
        ts.judge_ts(report, subject, out, recovery)
    else:
        boxes.judge_boxes(report, subject, out, recovery)
    return [r for r in report.rows[before:] if r[1] == subject and r[3] == "FAIL"]


def row_of(report, name, asset, master):
    """Package type → what its cell says."""
    if asset["status"] != "PLAYABLE":
        failure = asset.get("failure") or {}
        with report.judge("media", name) as judge:
            judge.check("is refused in words", asset["status"] == "FAILED" and failure.get("code") and len(failure.get("detail", "").split()) >= 5, str(asset))
        return {t: f"refused {failure.get('code')}" for t, _ in CONFIGURATIONS.values()}
    urls = {e["packagingConfiguration"]: e.get("url") for e in asset["egressEndpoints"]}
    codes = sorted({code for code, severity, _ in quirks.findings_of(asset) if severity.lower() not in quirks.NOTES})
    row = {}
    source = presentation.load(master)
    for configuration, (package_type, _) in CONFIGURATIONS.items():
        subject = f"{name} {package_type}"
        cell = f"flagged {', '.join(codes)}" if codes else "plays"
        try:
            out = presentation.load(urls[configuration])
            failed = judge_cell(report, subject, out, package_type, source, asset)
            if failed:
                cell = f"FAILS {failed[0][0]}: {failed[0][2]}" + (f" and {len(failed) - 1} more" if len(failed) > 1 else "")
        except Exception as error:
            if quirks.left_out(asset, package_type):
                cell = "left out"
            else:
                report.add("media", subject, "manifests can be loaded", False, f"{type(error).__name__}: {error}")
                cell = "FAILS to load"
        row[package_type] = cell
    return row


def run(report, origin, masters, root, source, out):
    origin.configure("media", CONFIGURATIONS)
    assets = origin.ingest("media", {asset_name(n): (source, path) for n, path in masters.items()}, 300)
    with ThreadPoolExecutor(2) as pool:         # most of the time goes into ffmpeg
        rows = list(pool.map(lambda n: row_of(report, n, assets[asset_name(n)], os.path.join(root, masters[n])), masters))
    types = [t for t, _ in CONFIGURATIONS.values()]
    lines = ["| real-world media | " + " | ".join(types) + " |", "|---" * (len(types) + 1) + "|"]
    lines += [f"| {n} | " + " | ".join(row[t] for t in types) + " |" for n, row in zip(masters, rows)]
    count = {w: sum(row[t].startswith(w) for row in rows for t in types) for w in ("plays", "flagged", "left out", "refused", "FAILS")}
    lines += ["", ", ".join(f"{v} {k}" for k, v in count.items())]
    with open(os.path.join(out, "media-table.md"), "w") as f:
        f.write("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)
