#!/usr/bin/env python3
"""Starts packorigin on the samples, asks every judge, prints a table.

usage: conformance/run.sh [--only JUDGE,...] [--assets NAME,...] [--keep] [BINARY]

BINARY defaults to target/release/packorigin, then target/debug/packorigin. Judges: ingest, sharing, frames, boxes,
manifests, ts, texts, markers, trick, delivery, selecting, selftest, quirks, parsers, media, players, watching, drm, drmplayers. `--keep` leaves the origin running and prints the URLs, for one judge alone
(`python3 conformance/boxes.py URL`). Assets come from testdata/ and, where it exists, from a folder of real-world
media: PACKORIGIN_TEST_MEDIA, or ../shared/media beside the project.

The exit code is 0 where nothing failed but what `expected_failures.json` names. Results go to conformance/out/.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import boxes
import codectest
import delivery
import documents
import frames
import ingest
import manifests
import markers
import mediatable
import parsers
import presentation
import quirks
import selecting
import selftest
import texts
import trick
import ts
import watching
from origin import Origin
from report import Report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TESTDATA = os.path.join(ROOT, "testdata")
OUT = os.path.join(HERE, "out")
JUDGES = ["ingest", "sharing", "frames", "boxes", "manifests", "ts", "texts", "markers", "trick", "delivery", "selecting", "selftest", "quirks", "parsers", "media", "players", "watching", "drm", "drmplayers"]

CONFIGURATIONS = {
    "hls-6": ("HLS", 6), "dash-6": ("DASH", 6), "cmaf-6": ("HLS_CMAF", 6),
    "hls-2": ("HLS", 2), "dash-4": ("DASH", 4), "cmaf-4": ("HLS_CMAF", 4), "dash-10": ("DASH", 10), "hls-10": ("HLS", 10),
    "hls-apart": ("HLS", 6, {"audioLayout": "SEPARATE"}),
}
ASSETS = ["ladder", "camera", "codecs-change", "wrap", "midgop", "video-only", "unaligned", "distinct-audio", "languages"]
# Renditions that share too few keyframes keep their own boundaries.
UNALIGNED = {"unaligned"}
# Real-world media: presentations with a master of their own, and files that get one.
MEDIA_MASTERS = {"media-muxed": "presentations/shaka-hls-ts-muxed-aac-h264/playlist.m3u8",
                 "media-byterange": "presentations/media3-cea608/manifest.m3u8"}
MEDIA_WRAPPED = {"media-rollover": "presentations/shaka-hls-ts-rollover/playlist.m3u8",
                 "media-overflow": "presentations/shaka-hls-ts-muxed-aac-h264-with-overflow-nalus/media.m3u8",
                 "media-bear": "segments/01_h264_aac_baseline/bear-640x360.ts",
                 "media-bear-wrap": "segments/02_timestamps_wrap_large/bear-640x360_ptswraparound.ts"}
# (player, configuration): each plays every sample.
# Of the quirks those that a player may notice and that Chromium can decode.
QUIRKS_PLAYED = ["open-gop", "picture-begins-in-pes", "audio-late", "gap-at-join", "jump-back", "picture-size-changes", "audio-rate-changes", "mp3"]
QUIRK_PLAYERS = [("hlsjs", "quirk-hls"), ("dashjs", "quirk-dash"), ("shaka", "quirk-cmaf")]
PLAYERS = [("hlsjs", "hls-6"), ("hlsjs", "hls-apart"), ("hlsjs", "cmaf-6"), ("dashjs", "dash-6"), ("shaka", "hls-6"), ("shaka", "cmaf-6"), ("shaka", "dash-6")]


# The lowest tones of the languages, the default one first.
TONES = {"languages": {"en": 200, "de": 260}}
# Breaks and other stretches, with what they are in expected.json.
MARKED = ["markers", "markers-tags"]
# Texts, with what is shown when in expected.json; the last configuration is for them alone.
SUBTITLED = ["subtitles", "subtitles-break", "ttml"]
TEXT_CONFIGURATIONS = {k: CONFIGURATIONS[k] for k in ("hls-6", "dash-6", "cmaf-6", "hls-2", "dash-4", "cmaf-4")} | {
    "dash-beside": ("DASH", 6, {"dashSubtitles": "SIDECAR"})}

# A title with dates, and with much said of it as a whole.
DATED = ["clock"]
DATED_CONFIGURATIONS = {k: CONFIGURATIONS[k] for k in ("hls-6", "dash-6", "cmaf-6", "dash-4", "cmaf-4")} | {
    "hls-dated": ("HLS", 6, {"programDateTime": "FROM_SOURCE"}), "cmaf-dated": ("HLS_CMAF", 4, {"programDateTime": "FROM_SOURCE"})}

TEXT_PLAYERS = [("hlsjs", "hls-6"), ("hlsjs", "cmaf-6"), ("dashjs", "dash-6"), ("dashjs", "dash-beside"),
                ("shaka", "hls-6"), ("shaka", "cmaf-6"), ("shaka", "dash-6"), ("shaka", "dash-beside")]


class Sample:
    def __init__(self, name, source, path, file, configurations, shared=True):
        self.name, self.source, self.path, self.file = name, source, path, file
        self.configurations, self.shared, self.urls, self.original = configurations, shared, {}, None


def binary(stated):
    for path in [stated] if stated else [os.path.join(ROOT, "target", kind, "packorigin") for kind in ("release", "debug")]:
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    sys.exit(f"no packorigin binary at {stated or 'target/release or target/debug'}; build it, or name one")


def media_root():
    stated = os.environ.get("PACKORIGIN_TEST_MEDIA")
    path = stated or os.path.join(os.path.dirname(ROOT), "shared", "media")
    if os.path.isdir(path):
        return os.path.abspath(path), ""
    return None, f"no folder at {'PACKORIGIN_TEST_MEDIA' if stated else '../shared/media'}"


def wrap_media(root, into):
    """Copies real-world files into a folder of their own and gives each a master playlist."""
    for name, path in MEDIA_WRAPPED.items():
        source, folder = os.path.join(root, path), os.path.join(into, name)
        if path.endswith(".ts"):
            os.makedirs(folder)
            shutil.copy(source, os.path.join(folder, "000.ts"))
            with open(os.path.join(folder, "media.m3u8"), "w") as f:
                f.write("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.736,\n000.ts\n#EXT-X-ENDLIST\n")
        else:
            shutil.copytree(os.path.dirname(source), folder)
            os.chmod(folder, 0o755)
            os.replace(os.path.join(folder, os.path.basename(path)), os.path.join(folder, "media.m3u8"))
        master = os.path.join(folder, "master.m3u8")
        with open(master, "w") as f:
            f.write('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.64001e,mp4a.40.2"\nmedia.m3u8\n')


def samples(report, wanted, scratch):
    out = [Sample(n, "default", f"{n}/master.m3u8", os.path.join(TESTDATA, n, "master.m3u8"), CONFIGURATIONS, n not in UNALIGNED) for n in ASSETS]
    out += [Sample(n, "default", f"{n}/master.m3u8", os.path.join(TESTDATA, n, "master.m3u8"), TEXT_CONFIGURATIONS) for n in SUBTITLED]
    out += [Sample(n, "default", f"{n}/master.m3u8", os.path.join(TESTDATA, n, "master.m3u8"), DATED_CONFIGURATIONS) for n in DATED]
    out += [Sample(n, "default", f"{n}/master.m3u8", os.path.join(TESTDATA, n, "master.m3u8"), CONFIGURATIONS) for n in MARKED]
    root, why = media_root()
    sources = {"default": "file://" + TESTDATA}
    if root is None:
        report.skip("run", "real-world media", "all", why)
    else:
        basic = {k: v for k, v in CONFIGURATIONS.items() if v[1] == 6}
        sources["media"] = "file://" + root
        out += [Sample(n, "media", p, os.path.join(root, p), basic) for n, p in MEDIA_MASTERS.items()]
        wrapped = os.path.join(scratch, "wrapped")
        os.makedirs(wrapped)
        wrap_media(root, wrapped)
        sources["wrapped"] = "file://" + wrapped
        out += [Sample(n, "wrapped", f"{n}/master.m3u8", os.path.join(wrapped, n, "master.m3u8"), basic) for n in MEDIA_WRAPPED]
    return [s for s in out if not wanted or s.name in wanted], sources


def judge_sample(report, sample, asked):
    presentation.forget()
    sample.original = presentation.load(sample.file)
    loaded = {}
    for configuration in sample.configurations:
        subject = f"{sample.name} {configuration}"
        try:
            loaded[configuration] = presentation.load(sample.urls[configuration])
        except Exception as error:      # whatever it is, the other configurations are still judged
            report.add("run", subject, "manifests can be loaded", False, f"{type(error).__name__}: {error}")
            continue
        judge_one(report, subject, configuration, loaded[configuration], sample, asked)
    if "selecting" in asked and sample.name == "ladder":
        for configuration in loaded:
            if sample.configurations[configuration][1] == 6:
                selecting.judge_selecting(report, f"{sample.name} {configuration}", sample.urls[configuration], sample.original)
    if "selftest" in asked and sample.name == "ladder":
        for configuration in loaded:
            if sample.configurations[configuration][1] == 6:
                selftest.judge_judges(report, f"{sample.name} {configuration}", sample.urls[configuration], sample.original)
    if "sharing" in asked:
        with report.judge("sharing", sample.name) as judge:
            for a, b in (("dash-6", "cmaf-6"), ("dash-4", "cmaf-4")):
                if a in loaded and b in loaded:
                    mine, other = manifests.segment_urls(loaded[a]), manifests.segment_urls(loaded[b])
                    judge.check("DASH and HLS_CMAF share every URL", mine == other, lambda: f"{a} and {b}: {sorted(mine ^ other)[:2]}")


def expected_markers(sample):
    with open(os.path.join(TESTDATA, sample.name, "expected.json")) as f:
        return json.load(f)


def judge_one(report, subject, configuration, out, sample, asked):
    package_type, seconds = sample.configurations[configuration][:2]
    if "frames" in asked:
        frames.judge_frames(report, subject, out, sample.original)
    if "manifests" in asked:
        breaks = markers.breaks(expected_markers(sample)) if sample.name in MARKED else ()
        manifests.judge_manifests(report, subject, out, sample.original, seconds, sample.shared, breaks=breaks)
    if package_type != "HLS" and "boxes" in asked:
        boxes.judge_boxes(report, subject, out)
    if package_type == "HLS" and "ts" in asked:
        ts.judge_ts(report, subject, out)
    if "texts" in asked and sample.name in SUBTITLED:
        with open(os.path.join(TESTDATA, sample.name, "expected.json")) as f:
            source = documents.sources(os.path.join(TESTDATA, sample.name, "master.m3u8"))
            texts.judge_texts(report, subject, out, json.load(f), words=sample.name == "subtitles", source=source)
    if "markers" in asked and sample.name in MARKED:
        markers.judge_markers(report, subject, out, expected_markers(sample), sample.file)
    if "trick" in asked and seconds == 6:       # segment durations change nothing about it
        trick.judge_trick(report, subject, out, sample.original)
    if "delivery" in asked:
        delivery.judge_delivery(report, subject, out, thorough=sample.name in ("ladder", "camera") and seconds == 6)


def job(report, player, sample, configuration):
    """What a player is to play, and what it is to find."""
    subject = f"{sample.name} {configuration}"
    try:
        out = presentation.load(sample.urls[configuration])
        medias = [m for r in out.renditions for m in manifests.media_of(r)]
    except Exception as error:      # told for each player; the others still play
        report.add("players", f"{subject} {player}", "can be loaded", False, f"{type(error).__name__}: {error}")
        return None
    # A player that reads TS takes each period's sound to its last sample, a frame or two past the last picture.
    tolerance = 0.1 * (len(out.renditions[0].parts) if out.format == "HLS" else 1)
    return {"player": player, "subject": subject, "tolerance": tolerance, "url": sample.urls[configuration], "duration": float(out.duration),
            "tones": TONES.get(sample.name), "sizes": sorted({m.size for m in medias if m.size}), "audio": any(m.channels for m in medias)}


def can_play(report, judge):
    folder = os.path.join(HERE, "players")
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for path, why in ((os.path.join(folder, "node_modules"), "its npm packages are not installed (npm ci in conformance/players)"),
                      (chromium, f"no Chromium at {chromium}")):
        if not os.path.exists(path):
            report.skip(judge, "all", "all", why)
            return False
    return True


def run_players(report, list_of_samples, list_of_quirks):
    jobs = []
    for sample in list_of_samples:
        if sample.source == "default":      # real-world media need not please every player
            for player, configuration in PLAYERS:
                if configuration in sample.urls:
                    jobs.append(job(report, player, sample, configuration))
    for sample in list_of_quirks:
        jobs += [job(report, player, sample, c) for player, c in QUIRK_PLAYERS if c in sample.urls]
    jobs = [j for j in jobs if j]
    run_text_players(report, list_of_samples)
    results = play(jobs)
    # A machine that is busy with something else for a second makes a player wait. What fails is played once more, later
    # and alone; a fault of ours fails both times.
    failed = [j for j, r in zip(jobs, results) if not all(c["ok"] for c in r["checks"])] if results else []
    again = {(r["subject"], r["player"]): r for r in play(failed) or []} if failed else {}
    if results is None:
        report.add("players", "all", "ran", False, "players.mjs left no results")
        return
    for result in results:
        for check in again.get((result["subject"], result["player"]), result)["checks"]:
            report.add("players", f"{result['subject']} {result['player']}", check["name"], check["ok"], check["detail"])


def run_text_players(report, list_of_samples):
    jobs = []
    for sample in list_of_samples:
        if sample.name not in SUBTITLED:
            continue
        with open(os.path.join(TESTDATA, sample.name, "expected.json")) as f:
            expected = json.load(f)
        for player, configuration in TEXT_PLAYERS:
            # dash.js 5.2 often gives a side-loaded file to the text that was chosen before, so there it is asked for the first alone.
            shown = None if (player, configuration) != ("dashjs", "dash-beside") else next(iter(expected))
            duration = presentation.load(sample.urls[configuration]).duration
            every = texts.player_jobs(player, f"{sample.name} {configuration}", sample.urls[configuration], expected, duration)
            jobs += [j for j in every if shown in (None, j["name"])]
    results = play(jobs, "texts") if jobs else []
    # As with all that players play, what fails is asked again.
    failed = [j for j, r in zip(jobs, results or []) if not all(c["ok"] for c in r["checks"])]
    name = lambda r: (r["subject"], r["player"], r["name"])
    again = {name(r): r for r in play(failed, "texts") or []} if failed else {}
    if results is None:
        report.add("players", "texts", "ran", False, "texts.mjs left no results")
    for result in results or []:
        for check in again.get(name(result), result)["checks"]:
            report.add("players", f"{result['subject']} {result['player']} {result['name']}", check["name"], check["ok"], check["detail"])


def play(jobs, what="players"):
    """The results of players.mjs, or of texts.mjs, in the order of the jobs; None if it left none."""
    jobs_path, results_path = os.path.join(OUT, f"{what}-jobs.json"), os.path.join(OUT, f"{what}.json")
    with open(jobs_path, "w") as f:
        json.dump(jobs, f, indent=1)
    if os.path.exists(results_path):
        os.unlink(results_path)
    subprocess.run(["node", os.path.join(HERE, "players", f"{what}.mjs"), "--jobs", jobs_path, "--out", OUT], stdin=subprocess.DEVNULL)
    if not os.path.exists(results_path):
        return None
    with open(results_path) as f:
        return json.load(f)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(JUDGES))
    parser.add_argument("--assets", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("binary", nargs="?")
    args = parser.parse_args()
    asked, wanted = set(args.only.split(",")), set(filter(None, args.assets.split(",")))
    if asked - set(JUDGES):
        sys.exit(f"no judge {sorted(asked - set(JUDGES))}; there are {JUDGES}")
    report = Report()
    report.expect_from(os.path.join(HERE, "expected_failures.json"))
    os.makedirs(OUT, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="packorigin-media-") as scratch:
        chosen, sources = samples(report, wanted, scratch)
        masters, table_root = {}, os.path.join(scratch, "table")
        if "media" in asked and not wanted and media_root()[0]:
            masters = mediatable.prepare(media_root()[0], table_root)
            sources["table"] = "file://" + table_root
        origin = Origin(binary(args.binary), sources, os.path.join(OUT, "packorigin.log"))
        with origin:
            if asked - {"drm", "drmplayers"}:
                run(report, origin, chosen, asked, wanted)
            if masters:
                at = time.monotonic()
                mediatable.run(report, origin, masters, table_root, "table", OUT)
                print(f"media: {time.monotonic() - at:.1f} s", flush=True)
            if args.keep:
                print(f"\nplayback {origin.playback}, control {origin.control}; Ctrl-C ends")
                for sample in chosen:
                    print("\n".join(sample.urls.values()))
                try:
                    origin.process.wait()
                except KeyboardInterrupt:
                    pass
            alive = origin.process.poll() is None
        if {"drm", "drmplayers"} & asked:
            run_drm(report, binary(args.binary), chosen, sources, asked, scratch, wanted)
        if not args.keep:
            report.add("run", "packorigin", "stays up to the end", alive, origin.tail(5))
            report.add("run", "packorigin", "stops on SIGTERM with exit code 0", origin.stopped_cleanly and origin.process.returncode == 0,
                       f"exit code {origin.process.returncode}")
    code = report.close(whole_run=asked == set(JUDGES) and not wanted)
    report.save(os.path.join(OUT, "results.json"))
    return code


def run_drm(report, program, chosen, sources, asked, scratch, narrowed):
    try:
        import drm
    except ImportError as error:
        report.skip("drm", "all", "all", f"{error} (pip install -r conformance/requirements.txt, in conformance/.venv or elsewhere)")
        return
    drm.run(report, program, chosen, sources, asked, scratch, OUT, narrowed)


def run(report, origin, chosen, asked, narrowed):
    """`narrowed`: names of assets, if not all are wanted."""
    started = time.monotonic()
    origin.configure("samples", CONFIGURATIONS | TEXT_CONFIGURATIONS | DATED_CONFIGURATIONS)
    with open(os.path.join(TESTDATA, "bad", "expected.json")) as f:
        bad = json.load(f) if "ingest" in asked and not narrowed else {}
    wanted = {s.name: (s.source, s.path) for s in chosen} | {f"bad-{n}": ("default", f"bad/{n}/master.m3u8") for n in bad}
    assets = origin.ingest("samples", wanted, 180)
    for name, expected in bad.items():
        ingest.judge_bad(report, name, assets[f"bad-{name}"], expected, TESTDATA)
    for sample in chosen:
        asset = assets[sample.name]
        if "ingest" in asked or asset["status"] != "PLAYABLE":
            ingest.judge_good(report, sample.name, asset, CONFIGURATIONS | TEXT_CONFIGURATIONS | DATED_CONFIGURATIONS, origin.playback)
        if asset["status"] == "PLAYABLE":
            sample.urls = {e["packagingConfiguration"]: e["url"] for e in asset["egressEndpoints"] if e.get("url")}
    print(f"ingest of {len(wanted)} assets: {time.monotonic() - started:.1f} s", flush=True)
    ready = [s for s in chosen if s.urls]
    for sample in ready:
        before, at = len(report.rows), time.monotonic()
        judge_sample(report, sample, asked)
        failed = sum(r[3] == "FAIL" for r in report.rows[before:])
        print(f"{sample.name}: {len(report.rows) - before} checks, {failed} failed, {time.monotonic() - at:.1f} s", flush=True)
    if "selftest" in asked and not narrowed:
        codectest.run(report, TESTDATA)
    strange, manifest_urls = [], {f"{s.name} {c}": url for s in ready for c, url in s.urls.items()}
    if "quirks" in asked:
        before, at = len(report.rows), time.monotonic()
        for name, urls in quirks.run(report, origin, TESTDATA, narrowed).items():
            manifest_urls |= {f"{name} {configuration}": url for configuration, url in urls.items()}
            if name in QUIRKS_PLAYED:
                strange.append(Sample(name, "default", None, None, quirks.CONFIGURATIONS))
                strange[-1].urls = urls
        failed = sum(r[3] == "FAIL" for r in report.rows[before:])
        print(f"quirks: {len(report.rows) - before} checks, {failed} failed, {time.monotonic() - at:.1f} s", flush=True)
    if "parsers" in asked:
        at = time.monotonic()
        parsers.run(report, manifest_urls)
        print(f"parsers: {time.monotonic() - at:.1f} s", flush=True)
    if "players" in asked and can_play(report, "players"):
        at = time.monotonic()
        run_players(report, ready, strange)
        print(f"players: {time.monotonic() - at:.1f} s", flush=True)
    if "watching" in asked and can_play(report, "watching"):
        at = time.monotonic()
        watched = {s.name: s.urls for s in ready if s.source == "default"}
        watching.run(report, origin, watched, os.path.join(TESTDATA, "ladder", "master.m3u8"), OUT, "selftest" in asked)
        print(f"watching: {time.monotonic() - at:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
