"""What players make of captions, trick play, filters and clips. Part of `run.py` (`--only watching`).

`players/watching.mjs` plays and says what is proved; here is what has to come out, from the samples as `testdata/README.md`
has them. What was observed goes to `out/watching.md`: a line for each player, package and question.
"""
import json
import os
import subprocess
from fractions import Fraction

import decode
import presentation

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTIONED = ("default", "quirks/captions/master.m3u8")
PLAYED = [("hlsjs", "hls-6"), ("hlsjs", "cmaf-6"), ("dashjs", "dash-6"), ("shaka", "hls-6"), ("shaka", "cmaf-6"), ("shaka", "dash-6")]
# The captions' title lasts 6 s: shorter segments, so that several are read.
CAPTIONS_PLAYED = [("hlsjs", "hls-2"), ("hlsjs", "cmaf-4"), ("dashjs", "dash-4"), ("shaka", "hls-2"), ("shaka", "cmaf-4"), ("shaka", "dash-4")]
# As `testdata/quirk_captions.py` writes them, in pictures of 25 a second.
CAPTIONS = {"CC1": [(25, 60, "Hello from CC1"), (90, 130, "Goodbye from CC1")], "CC3": [(30, 65, "Hej fran CC3"), (95, 135, "Adjo fran CC3")],
            "SERVICE1": [(26, 60, "Hello from 708"), (91, 130, "Goodbye from 708")]}
CAPTIONS_RATE = 25
# What each player calls them. hls.js and dash.js read no CTA-708, and hls.js 1.7.4 calls CC1 by the name of SERVICE1, which has its number.
CHANNELS = {"hlsjs": {"CC1": "English, digital", "CC3": "CC3"}, "dashjs": {"CC1": "CC1", "CC3": "CC3"}, "shaka": {"CC1": "CC1", "CC3": "CC3", "SERVICE1": "svc1"}}

# `ladder`: 34 s of 24 pictures a second, a keyframe every other second.
RATE, GOP, PICTURES = 24, 48, 816
# Where hls.js is asked for single pictures, and from where on players that wind have used up what they had buffered before.
ASKED, TAIL = [4.9, 13.3, 22.5, 30.2], 20
# Shaka 5.2 does not wind where sound lies in the segments of the pictures: it looks for sound in those of trick play too.
TRICKS_PLAYED = [("hlsjs", "hls-6"), ("hlsjs", "cmaf-6"), ("dashjs", "dash-6"), ("shaka", "hls-apart"), ("shaka", "cmaf-6"), ("shaka", "dash-6")]
FILTERS = [
    ("ladder", "video_height:100-240;trickplay_height:144", {"sizes": [144, 240], "tricks": [144]}, None),
    ("languages", "video_height:144;audio_language:de", {"sizes": [144], "languages": ["de"]}, {"de": 260, "en": 200}),
    ("subtitles", "subtitle_language:de", {"sizes": [144, 360], "texts": ["Deutsch"]}, None),
]
# (query, by package type: where the player's timeline begins and ends in the title, where it starts to play), in seconds. In
# DASH exact clips begin inside a segment: MediaSource drops what is shown before the period, and with it all pictures up to
# the next keyframe. So there browsers begin with that.
INWARDS = {"HLS": (6, 18, 6), "DASH": (6, 18, 6)}
EXACT = {"HLS": (6, 18, Fraction("7.285")), "DASH": (Fraction("7.285"), Fraction("17.035"), 8)}
CLIPS = [("start=5.5&end=19", INWARDS), ("start=7.285&end=17.035&precise=true", EXACT)]


def package_of(configuration):
    return "DASH" if configuration.startswith("dash") else "HLS"


def caption_jobs(urls):
    beside = Fraction(15, 100)
    for player, configuration in CAPTIONS_PLAYED:
        names = CHANNELS[player]
        for channel, name in names.items():
            cues = [(Fraction(a, CAPTIONS_RATE), Fraction(b, CAPTIONS_RATE), text) for a, b, text in CAPTIONS[channel]]
            times = sorted(t + d for a, b, _ in cues for t in (a, b) for d in (-beside, beside))
            moments = [[float(t), [text for a, b, text in cues if a <= t < b]] for t in times]
            yield {"kind": "captions", "player": player, "subject": f"captions {configuration} {channel}", "url": urls[configuration],
                   "names": sorted(names.values()), "name": name, "moments": moments}


def around(*numbers):
    """Pictures and those beside them, from which they have to be told."""
    return sorted({n + d for n in numbers for d in (-2, -1, 0, 1, 2) if 0 <= n + d < PICTURES})


def trick_jobs(urls):
    keyframes = [[n / RATE, n] for n in range(0, PICTURES, GOP)]
    pictures = sorted({n + d for _, n in keyframes for d in (-1, 0, 1) if n + d >= 0})
    for player, configuration in TRICKS_PLAYED:
        yield {"kind": "tricks", "player": player, "subject": f"ladder {configuration}, trick play", "url": urls[configuration],
               "keyframes": keyframes, "times": ASKED, "tail": TAIL, "pictures": pictures}
    trick = presentation.load(urls["cmaf-6"]).tricks[0]
    part, codecs = trick.parts[0], trick.attributes["CODECS"]
    fragments = [{"init": part.init_url, "url": part.segments[n].url, "time": n * GOP / RATE + 0.5, "number": n * GOP} for n in (0, 7, 16)]
    yield {"kind": "thumbnail", "player": "hlsjs", "subject": "ladder cmaf-6, MediaSource alone", "url": urls["cmaf-6"], "type": f'video/mp4; codecs="{codecs}"',
           "fragments": fragments, "pictures": pictures}


def filter_jobs(samples):
    for name, query, wanted, tones in FILTERS:
        for player, configuration in PLAYED if name in samples else []:
            yield {"kind": "filter", "player": player, "subject": f"{name} {configuration} {query}", "url": f"{samples[name][configuration]}?filter={query}",
                   "wanted": wanted, "tones": tones}


def clip_jobs(urls):
    for query, by_package in CLIPS:
        for player, configuration in PLAYED:
            start, end, begin = by_package[package_of(configuration)]
            first, behind = [int(begin * RATE)], end * RATE
            # Players of TS count from when the first picture is decoded, which is a picture before it is shown.
            if configuration.startswith("hls") and begin != start:
                first = [first[0] - 1, first[0]]
            # Where a segment goes on behind the end, the last picture that is dropped takes those with it that are decoded after
            # it and shown before, and Shaka shows a tenth of a second more.
            last = [int(behind) - 1] if behind == int(behind) else list(range(int(behind) - 3, int(behind) + 4))
            yield {"kind": "clip", "player": player, "subject": f"ladder {configuration} {query}", "url": f"{urls[configuration]}?{query}",
                   "duration": float(end - start), "begin": float(begin - start), "first": first, "last": last, "pictures": around(*first, *last)}


def spoiled(jobs, urls):
    """One of each kind, with something else served than what is expected, or the other way round: (what, job)."""
    one = lambda kind: next(dict(j) for j in jobs if j["kind"] == kind)
    late, whole, unfiltered, untricked, neighbours, next_one = one("captions"), one("clip"), one("filter"), one("tricks"), one("tricks"), one("thumbnail")
    late["moments"] = [[time + 0.3, texts] for time, texts in late["moments"][:1]]
    whole["url"] = f"{urls['hls-6']}?start=0&end=12"
    unfiltered["url"] = unfiltered["url"].split("?")[0]
    untricked["url"] += "?filter=trickplay_type:image"
    neighbours["keyframes"] = [[time, number + 1] for time, number in neighbours["keyframes"]]
    fragments = next_one["fragments"]
    next_one["fragments"] = [f | {"number": other["number"]} for f, other in zip(fragments, fragments[1:])]
    named = {"captions are late": late, "another clip": whole, "no filter": unfiltered, "no trick play": untricked, "other keyframes": neighbours, "other fragments": next_one}
    return [(what, j | {"subject": f"{j['subject']}, {what}"}) for what, j in named.items()]


def play(jobs, pictures, out):
    """The results of watching.mjs, in the order of the jobs; None if it left none."""
    jobs_path, results_path = os.path.join(out, "watching-jobs.json"), os.path.join(out, "watching.json")
    with open(jobs_path, "w") as f:
        json.dump({"jobs": jobs, "pictures": pictures}, f)
    if os.path.exists(results_path):
        os.unlink(results_path)
    subprocess.run(["node", os.path.join(HERE, "players", "watching.mjs"), "--jobs", jobs_path, "--out", out], stdin=subprocess.DEVNULL)
    os.unlink(jobs_path)                # megabytes of pictures
    if not os.path.exists(results_path):
        return None
    with open(results_path) as f:
        return json.load(f)


def write_table(results, path):
    with open(path, "w") as f:
        f.write("| player | what is played | | observed |\n|---|---|---|---|\n")
        for r in results:
            failed = "; ".join(f"{c['name']}: {c['detail']}" for c in r["checks"] if not c["ok"])
            cells = (r["player"], r["subject"], "FAIL" if failed else "ok", failed or r["observed"])
            f.write("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n")


def run(report, origin, samples, source, out, selftest):
    """`samples`: name → configuration → URL, of those that are played. `source`: master playlist of `ladder`. `selftest`: whether
    the judge itself is tried too.
    """
    captioned = origin.ingest("samples", {"watched-captions": CAPTIONED}, 60)["watched-captions"]
    urls = {e["packagingConfiguration"]: e["url"] for e in captioned["egressEndpoints"] if e.get("url")}
    if not report.add("watching", "captions", "plays", captioned["status"] == "PLAYABLE", str(captioned.get("failure"))):
        urls = {}
    jobs = (list(caption_jobs(urls)) if urls else []) + list(filter_jobs(samples))
    if "ladder" in samples:
        jobs += list(trick_jobs(samples["ladder"])) + list(clip_jobs(samples["ladder"]))
    numbers = {n for j in jobs for n in j.get("pictures", [])}
    pictures = decode.pictures(presentation.load(source).renditions[0].parts[0].joined, ".ts", numbers) if numbers else {}
    results = play(jobs, pictures, out)
    if results is None:
        report.add("watching", "all", "ran", False, "watching.mjs left no results")
        return
    # As with all that players play, what fails is asked again: a machine that is busy for a second makes one wait.
    failed = [i for i, r in enumerate(results) if not all(c["ok"] for c in r["checks"])]
    for i, result in zip(failed, play([jobs[i] for i in failed], pictures, out) or [] if failed else []):
        results[i] = result
    write_table(results, os.path.join(out, "watching.md"))
    for result in results:
        with report.judge("watching", f"{result['subject']} {result['player']}") as judge:
            for check in result["checks"]:
                judge.check(check["name"], check["ok"], check["detail"])
    if selftest and "ladder" in samples:
        wrong = spoiled(jobs, samples["ladder"])
        for (what, job), result in zip(wrong, play([j for _, j in wrong], pictures, out) or []):
            failed = [c["name"] for c in result["checks"] if not c["ok"]]
            report.add("selftest", f"{job['subject']} {job['player']}", "something is noticed", bool(failed), "nothing fails")
