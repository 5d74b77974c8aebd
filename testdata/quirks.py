#!/usr/bin/env python3
"""Makes the samples of `quirks/`: one small title for each thing that real streams do.

usage: quirks.py WORK FOLDER [NAME...]      WORK holds what `quirks.sh` had ffmpeg encode

Three kinds of cases: clips that are cut, changed and written anew (`quirk_streams.py`), playlists (`quirk_playlists.py`),
and what ffmpeg segmented itself, which gets its master playlist here (`CODED`).
"""
import os
import shutil
import sys

import quirk_captions  # noqa: F401  registers its cases
import quirk_metadata  # noqa: F401  registers its cases
import quirk_streams  # noqa: F401  registers its cases
import tsclip
from quirk_case import AAC, CASES, Folder, case
from quirk_playlists import variants
from tsclip import nals

# name → (codecs beside H.264, or "hevc" for HEVC and AAC; size; frame rate)
CODED = {
    "hevc-main": ("hevc", "160x90", 25), "hevc-main10-hdr10": ("hevc", "160x90", 25), "hevc-main10-hlg": ("hevc", "160x90", 25), "hevc-open-gop": ("hevc", "160x90", 25),
    "ac3-surround": ("ac-3", "160x90", 25), "ac3-stereo": ("ac-3", "160x90", 25), "eac3-surround": ("ec-3", "160x90", 25),
    "mp2": ("mp4a.40.33", "160x90", 25), "mbaff": (AAC, "160x96", 25),
    "mpeg2-video-ac3": ("mp2v,ac-3", "160x90", 25), "dts": ("dtsc", "160x90", 25), "opus": ("opus", "160x90", 25),
    "opus-alone": ("opus", None, 25), "aac-and-dts": (AAC, "160x90", 25),
}


def hevc_codecs(path):
    """The codec string of ISO/IEC 14496-15 annex E, from the first SPS."""
    clip = tsclip.read(path)
    sps = next(n for u in clip.video.units for n in nals(u.data) if n[0] >> 1 & 63 == 33)
    p = sps.replace(b"\0\0\3", b"\0\0")[3:15]
    flags = int(f"{int.from_bytes(p[1:5], 'big'):032b}"[::-1], 2)
    constraints = p[5:11].rstrip(b"\0")
    return f"hvc1.{p[0] & 31}.{flags:X}.{'H' if p[0] & 32 else 'L'}{p[11]}" + "".join(f".{b:X}" for b in constraints)


for name, (codecs, size, fps) in CODED.items():
    @case(name)
    def _(folder, codecs=codecs, size=size, fps=fps):
        if codecs == "hevc":
            codecs = f"{hevc_codecs(os.path.join(folder.path, '000.ts'))},{AAC}"
        folder.master(codecs, size, fps)


for name, rows in {"fps-25-and-50": (("a/media.m3u8", "160x90", 25), ("b/media.m3u8", "128x72", 50)),
                   "keyframes-never-agree": (("a/media.m3u8", "160x90", 25), ("b/media.m3u8", "128x72", 25))}.items():
    @case(name)
    def _(folder, rows=rows):
        variants(folder, *rows)


def main(work, root, *names):
    for name in names or CASES:
        folder = os.path.join(root, name)
        coded = os.path.join(work, "coded", name)
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.isdir(coded):
            shutil.copytree(coded, folder)
        CASES[name](Folder(work, folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
