"""The judges of codecs, tried on fragmented MP4 that ffmpeg makes of the samples: content with what is right, not with what is spoiled.

Part of `run.py` (`--only selftest`). ffmpeg's boxes are another's reading of the same standards, so where a judge and
ffmpeg agree, neither has merely repeated packorigin's mistake. Each spoiled byte has to make the check fail that is
meant for it. Cannot try what ffmpeg 5.1 does not write: mdcv and clli from a copied stream, and JOC in dec3, which is
read from bytes written out here (ETSI TS 103 420 8.3.2).
"""
import os
import subprocess
import tempfile
from fractions import Fraction

import boxes
import decoded
import manifests
import presentation
import ts
from report import Judge, Report
from walkers import bmff, dolby, h264, mpegts

# sample → (kind, codecs, VIDEO-RANGE, channels), what manifests have to say of it
MEANT = {"hevc-main": ("video", "hvc1.1.6.L30.90", "SDR", None), "hevc-main10-hdr10": ("video", "hvc1.2.4.L30.90", "PQ", None),
         "hevc-main10-hlg": ("video", "hvc1.2.4.L30.90", "HLG", None), "plain": ("video", "avc1.64000b", "SDR", None),
         "ac3-stereo": ("audio", "ac-3", "SDR", 2), "ac3-surround": ("audio", "ac-3", "SDR", 6), "eac3-surround": ("audio", "ec-3", "SDR", 6),
         "mp3": ("audio", "mp4a.6B", "SDR", 2)}


def made(testdata, name, kind, into):
    """The first segment of a sample as a presentation's part, its boxes written by ffmpeg."""
    path = os.path.join(into, f"{name}.mp4")
    tag = ["-tag:v", "hvc1"] if name.startswith("hevc") else []
    # Parameter sets stay in the samples of a copied stream; hvc1 wants them out.
    strip = ["-bsf:v", "filter_units=remove_types=32-35"] if tag else []
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", os.path.join(testdata, "quirks", name, "000.ts"), "-map", "0:v" if kind == "video" else "0:a",
                    "-c", "copy", *tag, *strip, "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof" if kind == "video" else "+delay_moov+default_base_moof+frag_keyframe",
                    path], check=True)
    with open(path, "rb") as f:
        data = f.read()
    at = bmff.file(data).need("moof").start
    url = "file://" + path
    presentation._bytes[url], presentation._bytes[url + "#media"] = data[:at], data[at:]
    return presentation.Part(0, [presentation.Segment(url + "#media", Fraction(2))], url)


def judged(part):
    """Names of the checks that fail."""
    judge = Judge(Report(), "codectest", "")
    try:
        init = part.init
        if init.entry in ("hvc1", "hev1"):
            boxes.judge_hvcc(judge, init, part, "")
            for fragment in bmff.read_segment(part.segments[0].data, init):
                boxes.judge_hevc_samples(judge, fragment, "")
        elif init.entry in ("ac-3", "ec-3"):
            boxes.judge_dolby(judge, init, part, "")
        elif init.object_type not in (0, 0x40):
            boxes.judge_mpeg_audio(judge, init, part, "")
    except (ValueError, IndexError, KeyError, StopIteration) as error:
        return {f"can be read: {error}"}
    return {check for check, (_, failures) in judge.checks.items() if failures}


def spoil(part, box, offset, change, header=8):
    """The part with one byte of a box changed; `offset` counts from the box's payload."""
    data = bytearray(part.init_data)
    at = data.find(box.encode()) + header - 4 + offset
    data[at] = change(data[at])
    url = part.init_url + f"#{box}{offset}"
    presentation._bytes[url] = bytes(data)
    return presentation.Part(0, part.segments, url)


def spoil_sample(part, change):
    """The part with the first bytes of the first sample changed."""
    init, raw = part.init, bytearray(part.segments[0].data)
    first = bmff.read_segment(bytes(raw), init)[0].samples[0]
    change(raw, first.start)
    url = part.segments[0].url + "#spoiled"
    presentation._bytes[url] = bytes(raw)
    return presentation.Part(0, [presentation.Segment(url, Fraction(2))], part.init_url)


def object_type_at(part):
    """Where in esds the objectTypeIndication lies, behind descriptors of a length that a writer chooses."""
    esds = part.init.entries[0].need("esds").data
    return esds.index(0x6B, 8)


def as_parameter_set(raw, at):
    raw[at + 4] = 32 << 1


# (sample, what is spoiled, how, the check that has to fail)
SPOILED = [
    ("hevc-main", "level in hvcC", lambda p: spoil(p, "hvcC", 12, lambda b: b + 3), "init: hvcC profile, tier, level are the SPS's"),
    ("hevc-main", "constraint flags in hvcC", lambda p: spoil(p, "hvcC", 6, lambda b: b ^ 0x10), "init: hvcC profile, tier, level are the SPS's"),
    ("hevc-main10-hdr10", "bit depth in hvcC", lambda p: spoil(p, "hvcC", 17, lambda b: b ^ 2), "init: hvcC chroma, depths, layers, nesting are the SPS's"),
    ("hevc-main", "length size in hvcC", lambda p: spoil(p, "hvcC", 21, lambda b: b & 0xFC | 1), "init: hvcC version, length size, bytes left over"),
    ("hevc-main", "width in the sample entry", lambda p: spoil(p, "hvc1", 25, lambda b: b + 2), "init: picture size is the SPS's"),
    ("hevc-main10-hlg", "transfer in colr", lambda p: spoil(p, "colr", 7, lambda b: 16), "init: colr is the VUI's"),
    ("hevc-main", "a VPS in a sample", lambda p: spoil_sample(p, as_parameter_set), "no parameter set in a sample of hvc1"),
    ("ac3-surround", "acmod in dac3", lambda p: spoil(p, "dac3", 1, lambda b: b ^ 8), "init: dac3 is the frames'"),
    ("ac3-stereo", "bit rate in dac3", lambda p: spoil(p, "dac3", 2, lambda b: b ^ 0x20), "init: dac3 is the frames'"),
    ("ac3-stereo", "sample rate of the entry", lambda p: spoil(p, "ac-3", 25, lambda b: b ^ 1), "init: sample rate of sample entry and frames"),
    ("eac3-surround", "lfeon in dec3", lambda p: spoil(p, "dec3", 3, lambda b: b ^ 1), "init: dec3 is the frames'"),
    ("eac3-surround", "data rate in dec3", lambda p: spoil(p, "dec3", 0, lambda b: b ^ 2), "init: dec3 data rate"),
    ("mp3", "objectTypeIndication", lambda p: spoil(p, "esds", object_type_at(p), lambda b: 0x69), "init: objectTypeIndication"),
]


def run(report, testdata):
    with tempfile.TemporaryDirectory(prefix="packorigin-codecs-") as into:
        parts = {}
        for name, (kind, codecs, video_range, channels) in MEANT.items():
            with report.judge("selftest", f"codec {name}") as judge:
                parts[name] = part = made(testdata, name, kind, into)
                # ffmpeg copies no SEI message into mdcv and clli, and does not mark parameter sets as complete.
                failed = {f for f in judged(part) if not f.startswith(("init: mdcv", "init: clli")) and "complete" not in f}
                judge.check("ffmpeg's boxes please the judge", not failed, lambda: sorted(failed))
                media = manifests.Media(part, kind)
                judge.equal("codecs, range, channels", (codecs in media.codecs[0], media.range, media.channels), (True, video_range, channels), str(media.codecs))
        with report.judge("selftest", "codecs spoiled") as judge:
            for name, what, how, wanted in SPOILED:
                failed = judged(how(parts[name]))
                judge.check(f"{name}: {what}", wanted in failed, lambda: f"{wanted!r} does not fail, but {sorted(failed)}")
        with report.judge("selftest", "codec walkers") as judge:
            judge_walkers(judge, testdata)


class Frames:
    def __init__(self, frames, starts=1):
        self.frames, self.starts, self.complaints = frames, starts, []


def judge_comparing(judge):
    """One frame missing, another, twice, or two exchanged: each is noticed, and let pass where it is allowed."""
    whole = [f"{n:04x}" for n in range(50)]
    for what, spoiled in (("missing", whole[:20] + whole[21:]), ("another", whole[:20] + ["x"] + whole[21:]), ("twice", whole[:20] + whole[19:]),
                          ("exchanged", whole[:20] + whole[21:19:-1] + whole[22:]), ("all missing", [])):
        for allowed in (0, 2):
            mine = Judge(Report(), "codectest", "")
            decoded.compare(mine, "video", Frames(spoiled), Frames(whole), allowed, "")
            failed = any(failures for _, failures in mine.checks.values())
            judge.equal(f"a frame that is {what}, {allowed} allowed", failed, allowed == 0 or not spoiled)


def judge_walkers(judge, testdata):
    def stream(name):
        with open(os.path.join(testdata, "quirks", name, "000.ts"), "rb") as f:
            return f.read()
    latm, adts = (mpegts.audio_frames(mpegts.read(stream(n)))[0] for n in ("latm", "plain"))
    judge.equal("LATM holds the frames that ADTS holds", [f.data for f in latm[:80]], [f.data for f in adts[:80]])
    fields = mpegts.read(stream("field-pairs")).units(mpegts.VIDEO)
    nals = [n for u in fields for n in h264.annex_b(u.payload)]
    sps = next(h264.read_sps(n) for n in nals if h264.kind(n) == h264.SPS)
    judge.equal("fields are joined to frames", (len(h264.access_units(nals)), len(h264.frames(nals, sps))), (100, 50))
    judge_comparing(judge)
    box = dolby.read_dec3(bytes([0x30, 0x00, 0x20, 0x0F, 0x00, 0x01, 0x10]))
    judge.equal("JOC in dec3 is read", (box.kbits, box.substreams[0].acmod, box.substreams[0].lfe, box.joc, box.left), (1536, 7, 1, 16, 0))
    for name, wanted in (("hevc-main", True), ("latm", True), ("ac3-dvb-descriptor", True), ("ac3-stereo", False), ("mp3", False)):
        mine = Judge(Report(), "codectest", "")
        ts.judge_segment(mine, stream(name), "", False)
        judge.equal(f"{name} in TS is {'refused' if wanted else 'let pass'}", bool(mine.checks["stream types are those of HLS"][1]), wanted)
