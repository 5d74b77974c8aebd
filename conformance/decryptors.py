#!/usr/bin/env python3
"""Decryptors that others wrote make of an encrypted presentation what they make of the clear one.

usage: decryptors.py KEYS.json CLEAR_URL ENCRYPTED_URL       KEYS: {"32 hex digits": "32 hex digits"}, key IDs to keys

Proves: Shaka Packager and ffmpeg, each given the keys, decrypt every CMAF rendition (cenc and cbcs), and the decoded
pictures and the audio packets hash like the clear ones; ffmpeg plays AES-128 and SAMPLE-AES playlists, fetching the key
over HTTP, with the same result.

Shaka Packager comes from npm (`npm ci` in players/), ffmpeg 7 or later from the PATH or from PyPI (imageio-ffmpeg). What
is missing is skipped. README.md says what each cannot do. These are checks of bytes that `decrypt.py` has compared
already; their worth is that nobody who wrote the product wrote them.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache

import presentation
from keys import Keys
from report import Report
from walkers import cenc, h264, mpegts

HERE = os.path.dirname(os.path.abspath(__file__))
MPEG_AUDIO = (0x69, 0x6B)
PACKAGER = os.path.join(HERE, "players", "node_modules", "shaka-packager", "index.js")


@lru_cache
def packager():
    """The command of Shaka Packager; None and why where there is none."""
    if not os.path.exists(PACKAGER):
        return None, "Shaka Packager is not installed (npm ci in conformance/players)"
    done = subprocess.run(["node", PACKAGER, "--version"], capture_output=True, text=True, timeout=60)
    return (["node", PACKAGER], "") if done.returncode == 0 else (None, f"Shaka Packager does not run here: {done.stderr.strip()[:200]}")


def _version(command):
    done = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60)
    match = re.match(r"ffmpeg version n?(\d+)", done.stdout)
    return int(match.group(1)) if match else 0


@lru_cache
def ffmpeg():
    """An ffmpeg that decrypts fragmented files: 7 or later."""
    found = shutil.which("ffmpeg")
    if found and _version(found) >= 7:
        return found, ""
    try:
        import imageio_ffmpeg
        found = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        return None, f"no ffmpeg 7 or later, and imageio-ffmpeg is not installed ({error})"
    return (found, "") if _version(found) >= 7 else (None, "imageio-ffmpeg carries an ffmpeg older than 7")


_known = {}     # hashes of files that were asked about before


def of_file(path, kind):
    """Hashes of a clear file, found out once for each content."""
    with open(path, "rb") as f:
        mark = hashlib.sha256(f.read()).digest(), kind
    if mark not in _known:
        _known[mark] = hashes(path, kind)
    return _known[mark]


def hashes(source, kind, before=()):
    """One hash for each decoded picture, or for each audio packet, and what ffmpeg complains of."""
    what = ["-map", "0:v:0", "-fps_mode", "passthrough"] if kind == "video" else ["-map", "0:a:0", "-c", "copy"]
    command = [ffmpeg()[0], "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "2", *before, "-i", source, *what, "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    rows = [line.split(",") for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return [row[5].strip() for row in rows], done.stderr.strip() or ("" if done.returncode == 0 else f"exit code {done.returncode}")


def by_packager(path, kind, kid, key, folder):
    """Decrypts a file with Shaka Packager; returns the path of the clear one, and its complaint."""
    out = os.path.join(folder, "decrypted.mp4")
    done = subprocess.run([*packager()[0], f"in={path},stream={kind},output={out}", "--enable_raw_key_decryption", "--keys",
                           f"label=:key_id={kid.hex()}:key={key.hex()}", "--temp_dir", folder],
                          capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    return out, "" if done.returncode == 0 else done.stderr.strip()[-300:]


def compare(judge, name, found, complaint, wanted, where, leave_out=0):
    """Hashes one by one; of as many, the last `leave_out` are not looked at, nor are complaints then."""
    if not leave_out:
        judge.check(f"{name}: no complaint", not complaint, lambda: f"{where}: {complaint[:300]}")
    elif len(found) == len(wanted):
        found, wanted = found[:-leave_out], wanted[:-leave_out]
    first = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), None)
    judge.check(f"{name}: pictures and sound are the clear ones", found and len(found) == len(wanted) and first is None,
                lambda: f"{where}: {len(found)} of {len(wanted)}, the first that differs is {first}")


def judge_cmaf(judge, encrypted, clear, keys):
    with tempfile.TemporaryDirectory(prefix="packorigin-decryptors-") as folder:
        path, plain = os.path.join(folder, "encrypted.mp4"), os.path.join(folder, "clear.mp4")
        for rendition, other in zip(encrypted.renditions + encrypted.tricks, clear.renditions + clear.tricks):
            kind = "audio" if rendition.kind == "audio" else "video"
            for part, reference in zip(rendition.parts, other.parts):
                where = f"{rendition.name} period {part.period}"
                for name, data in ((path, part.joined), (plain, reference.joined)):
                    with open(name, "wb") as f:
                        f.write(data)
                protection = cenc.read_protection(part.init.entries[0])
                if protection is None:
                    continue
                wanted, _ = of_file(plain, kind)
                key = keys[protection.kid]
                found, complaint = hashes(path, kind, ("-decryption_key", key.hex()))
                compare(judge, "ffmpeg", found, complaint, wanted, where)
                if packager()[0] and part.init.object_type in MPEG_AUDIO:
                    judge.skip("Shaka Packager", "it cannot read MPEG audio in MP4 (mp4a with an object type of 0x69 or 0x6B)")
                elif packager()[0]:
                    out, complaint = by_packager(path, kind, protection.kid, key, folder)
                    found, more = of_file(out, kind) if not complaint else ([], "")
                    compare(judge, "Shaka Packager", found, complaint or more, wanted, where)


def several_slices(data):
    pictures = mpegts.read(data).units(mpegts.VIDEO)
    return bool(pictures) and sum(h264.kind(n) in (h264.SLICE, h264.IDR) for n in h264.annex_b(bytes(pictures[0].payload))) > 1


def judge_playlists(judge, encrypted, clear, lacking=()):
    """ffmpeg plays the playlists themselves and fetches the key.

    Its reader of SAMPLE-AES spoils the picture that is decoded last, and pictures of several slices: those are left out.
    """
    pairs = [p for p in zip(encrypted.tricks, clear.tricks) if p[0].playlist.segments[-1].keys[0]["METHOD"] == "AES-128"]
    for rendition, other in [*zip(encrypted.renditions, clear.renditions), *pairs]:
        for kind in {"muxed": ["video", "audio"], "trick": ["video"]}.get(rendition.kind, [rendition.kind]):
            if kind in lacking:
                continue
            wanted, complaint = hashes(other.playlist.url, kind)
            if not wanted:
                continue
            sample_aes = any(k["METHOD"] == "SAMPLE-AES" for k in rendition.parts[0].segments[-1].keys)
            if sample_aes and kind == "video" and several_slices(other.parts[0].segments[0].data):
                judge.skip("ffmpeg plays the playlist", "ffmpeg cannot read SAMPLE-AES pictures of several slices")
                continue
            found, complaint = hashes(rendition.playlist.url, kind)
            compare(judge, "ffmpeg plays the playlist", found, complaint, wanted, rendition.name, leave_out=4 if sample_aes else 0)


def judge_decryptors(report, subject, encrypted, clear, keys, lacking=()):
    """`lacking`: kinds of media that the encrypted one cannot carry."""
    with report.judge("decryptors", subject) as judge:
        if ffmpeg()[0] is None:
            judge.skip("ffmpeg and Shaka Packager", ffmpeg()[1])
            return
        if encrypted.format == "HLS":
            judge_playlists(judge, encrypted, clear, lacking)
            return
        if packager()[0] is None:
            judge.skip("Shaka Packager", packager()[1])
        judge_cmaf(judge, encrypted, clear, keys)


def main(path, clear, encrypted):
    with open(path) as f:
        keys = Keys({bytes.fromhex(kid): bytes.fromhex(key) for kid, key in json.load(f).items()})
    report = Report()
    judge_decryptors(report, encrypted.rsplit("/", 1)[-1], presentation.load(encrypted), presentation.load(clear), keys)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
