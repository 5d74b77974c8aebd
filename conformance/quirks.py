#!/usr/bin/env python3
"""Real streams' quirks: each title of `testdata/quirks` plays right in every package type, or is refused or flagged by name.

usage: part of `run.py` (`--only quirks`)

Proves, for each folder and as `testdata/quirks/expected.json` has it: the asset's status, failure code and findings;
that what plays has all pictures and all sound of the source, decoded and as frames, for every package type, and
segments and manifests that the other judges take; that what a package type leaves out, be it a title's only rendition or
its sound, is left out by the report's own word. Where a title is `like` another one, the other's source is what has to come out: the quirk is one
of writing, and ffmpeg is not asked what it makes of it.

expected.json, by folder:
  is         plays (no finding worse than info), flagged (plays, with findings), refused
  codes      refused: the failure codes that are right
  findings   codes that the report has to have; where it is missing, flagged titles need any at all
  also       codes that it may have besides; others that are worse than info are wrong
  like       the folder whose source holds what has to come out; the folder itself if missing
  lost       {"pictures": n, "sound": n, "why": …}: frames that may be missing, or be others; times are not compared then
  omitted    package types that cannot carry the title's only rendition
  recovery   there are recovery points instead of IDR pictures
  refresh    pictures are refreshed little by little, so none can be decoded alone
  shared     false: renditions do not share boundaries
  stretches  how many of the source's segments each Period is to have, where the clock or the codecs change unannounced
  uneven     by how many seconds a track may begin or end away from its Period; its cuts are not compared with pictures then
"""
import json
import os
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import boxes
import decoded
import frames
import ingest
import manifests
import presentation
import trick
import ts

CONFIGURATIONS = {"quirk-hls": ("HLS", 2), "quirk-dash": ("DASH", 2), "quirk-cmaf": ("HLS_CMAF", 2)}
NOTES = {"info"}        # severities that leave a title fit to play


def findings_of(asset):
    """(code, severity, text) of everything that the report tells of."""
    report = asset.get("report") or {}
    return [(f.get("code", ""), f.get("severity", "warning"), json.dumps(f)) for f in (report.get("findings") or []) + (report.get("warnings") or [])]


def judge_status(judge, name, asset, expected, root):
    """Whether there is anything to play."""
    if expected["is"] == "refused":
        if judge.equal("is refused", asset["status"], "FAILED"):
            failure = asset["failure"] or {}
            judge.check("failure code", failure.get("code") in expected["codes"], lambda: f"is {failure}, should be {expected['codes']}")
            judge.check("is a sentence", len(failure.get("detail", "").split()) >= 5, failure.get("detail"))
            judge.check("tells no path of the machine", root not in failure.get("detail", ""), failure.get("detail"))
        return False
    if not judge.equal("plays", asset["status"], "PLAYABLE", str(asset.get("failure"))):
        return False
    found = findings_of(asset)
    if "findings" not in (asset.get("report") or {}):
        return True                     # told once, by `run`
    wanted, allowed = set(expected.get("findings", [])), set(expected.get("findings", []) + expected.get("also", []))
    serious = {code for code, severity, _ in found if severity.lower() not in NOTES}
    judge.check("findings", wanted <= {c for c, _, _ in found}, lambda: f"are {[f[:2] for f in found]}, should be {sorted(wanted)}")
    if expected["is"] == "flagged":
        judge.check("is flagged", bool(found), "the report has no finding")
    if expected["is"] == "plays" or wanted:
        judge.check("no finding that nothing gives cause for", serious <= allowed, lambda: f"are {sorted(serious)}, may be {sorted(allowed)}: {[t for c, _, t in found if c not in allowed]}"[:500])
    return True


def left_out(asset, package_type):
    """What this package type leaves out, by the report's own word: [{stream, what, reason}]."""
    packages = (asset.get("report") or {}).get("packages") or []
    return [x for p in packages if p.get("packageType") == package_type for x in p.get("leftOut") or []]


def judge_omitted(judge, asset, package_type, url):
    left = left_out(asset, package_type)
    judge.check(f"{package_type}: the report says that it is left out, and why", bool(left) and all(x.get("what") and x.get("reason") for x in left),
                lambda: json.dumps((asset.get("report") or {}).get("packages"))[:400])
    if not url:
        return
    try:
        out = presentation.load(url)
        judge.check(f"{package_type}: offers nothing that it cannot carry", not out.renditions, lambda: [r.attributes for r in out.renditions])
    except (urllib.error.HTTPError, ValueError) as error:
        code = getattr(error, "code", None)
        judge.check(f"{package_type}: is answered in words", code is None or 400 <= code < 500, str(error))


def divide(source, counts):
    """The source with Periods where its playlist says nothing of them."""
    for rendition in source.renditions:
        segments = [s for p in rendition.parts for s in p.segments]
        rendition.parts = []
        for number, count in enumerate(counts):
            rendition.parts.append(presentation.Part(number, segments[:count]))
            segments = segments[count:]
    return source


def stretches(rendition):
    return [(p.joined, ".mp4" if p.init_url else ".aac" if p.joined[:3] == b"ID3" else ".ts") for p in rendition.parts]


def judge_decoded(judge, out, source, lost, left):
    """Every video rendition against its variant, and every sound against that of some variant. False where sound is left out."""
    videos, variants = out.of("video", "muxed") or out.of("audio"), source.renditions
    why = lost.get("why", "")
    judge.equal("renditions in number", len(videos), len(variants))
    for got, want in zip(videos, variants):
        ours, theirs = (decoded.Decoded(stretches(x), "video") for x in (got, want))
        decoded.compare(judge, "video", ours, theirs, lost.get("pictures", 0), got.name, why)
        if not lost:
            judge.check("decodes without complaint", not ours.complaints, lambda: f"{got.name}: {ours.complaints[0][:300]}")
    codec = decoded.codec_of(variants[0].parts[0].joined)
    sounds = out.of("audio") or out.of("muxed")
    if codec is None:
        return True
    silent = not sounds or all(m.channels is None for r in sounds for m in manifests.media_of(r))
    if silent and judge.check("there is sound, or the report says that it is left out", bool(left), out.url):
        return False
    wanted = [decoded.Decoded(stretches(v), "audio") for v in variants]
    for got in sounds:
        ours = decoded.Decoded(stretches(got), "audio")
        theirs = min(wanted, key=lambda w: sum(map(len, decoded.unmatched(ours.frames, w.frames))))
        decoded.compare(judge, "sound", ours, theirs, lost.get("sound", 0) + decoded.start_allowance(codec, ours, theirs), got.name, why)
    return True


def judge_one(report, subject, out, package_type, source, expected, left):
    lost, recovery = expected.get("lost"), expected.get("recovery", False)
    with report.judge("quirks", subject) as judge:
        whole = False
        whole = judge_decoded(judge, out, source, lost or {}, left)
    if not lost and whole:
        frames.judge_frames(report, subject, out, source)
    manifests.judge_manifests(report, subject, out, shared=expected.get("shared", True), recovery=recovery, uneven=expected.get("uneven"))
    trick.judge_trick(report, subject, out, source if whole and not lost else None, every=not expected.get("refresh"))
    if package_type == "HLS":
        ts.judge_ts(report, subject, out, recovery, gaps=bool(expected.get("uneven")))
    else:
        boxes.judge_boxes(report, subject, out, recovery)


def judge_quirk(report, name, asset, expected, root):
    with report.judge("quirks", name) as judge:
        plays = judge_status(judge, name, asset, expected, root)
        urls = {e["packagingConfiguration"]: e.get("url") for e in asset.get("egressEndpoints", [])} if plays else {}
        for configuration, (package_type, _) in CONFIGURATIONS.items():
            if plays and package_type in expected.get("omitted", []):
                judge_omitted(judge, asset, package_type, urls.get(configuration))
            elif plays:
                judge.check("has an endpoint for every package type", bool(urls.get(configuration)), configuration)
    source = presentation.load(os.path.join(root, expected.get("like", name), "master.m3u8")) if plays else None
    if source and "stretches" in expected:
        source = divide(source, expected["stretches"])
    for configuration, (package_type, _) in CONFIGURATIONS.items():
        if plays and urls.get(configuration) and package_type not in expected.get("omitted", []):
            subject = f"{name} {configuration}"
            try:
                out = presentation.load(urls[configuration])
            except Exception as error:      # told; the other configurations are still judged
                report.add("quirks", subject, "manifests can be loaded", False, f"{type(error).__name__}: {error}")
                continue
            judge_one(report, subject, out, package_type, source, expected, left_out(asset, package_type))


def run(report, origin, testdata, wanted):
    """Ingests the folders and judges each; returns asset name → its endpoints, for players."""
    root = os.path.join(testdata, "quirks")
    with open(os.path.join(root, "expected.json")) as f:
        expected = json.load(f)
    folders = {n for n in os.listdir(root) if os.path.isdir(os.path.join(root, n))}
    if not wanted:
        report.add("quirks", "expected.json", "names every folder, and no other", folders == set(expected), f"{sorted(folders ^ set(expected))}")
    names = sorted(n for n in folders & set(expected) if not wanted or n in wanted or "quirks" in wanted)
    if not names:
        return {}
    origin.configure("quirks", CONFIGURATIONS)
    assets = origin.ingest("quirks", {f"quirk-{n}": ("default", f"quirks/{n}/master.m3u8") for n in names}, 120)
    playable = [a for a in assets.values() if a["status"] == "PLAYABLE"]
    report.add("quirks", "reports", "have findings", all("findings" in (a.get("report") or {}) for a in playable), "no report has a list of findings, so none is judged")
    with ThreadPoolExecutor(2) as pool:         # most of the time goes into ffmpeg
        list(pool.map(lambda n: judge_quirk(report, n, assets[f"quirk-{n}"], expected[n], root), names))
    return {n: {e["packagingConfiguration"]: e["url"] for e in assets[f"quirk-{n}"].get("egressEndpoints", []) if e.get("url")} for n in names}
