#!/usr/bin/env python3
"""Parsers that others wrote read every manifest without complaint, and find in it what is there.

usage: parsers.py URL...

HLS: m3u8-parser (video.js) and hls-parser in strict mode from npm, m3u8 from PyPI. DASH: mpd-parser (video.js) from npm,
mpegdash from PyPI. Proves: none of them warns or throws, and the numbers of variants, groups, renditions, segments and
seconds are those that this project's own walkers read.

Cannot prove that what they read is right; `manifests.py` compares it with the media. What is not installed is skipped.
"""
import json
import os
import subprocess
import sys
import tempfile

import presentation
from report import Report
from walkers import m3u8, mpd

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "players")


def manifests_of(url):
    """[(kind, url, text)] of a presentation: the entry manifest and the playlists that it names."""
    text = presentation.fetch(url).decode()
    if url.split("?")[0].endswith(".mpd"):
        return [("mpd", url, text)]
    master = m3u8.read(text.encode(), url)
    named = [v["uri"] for v in master.variants] + [m["uri"] for m in master.media if "uri" in m]
    named += [i["uri"] for i in getattr(master, "iframes", []) if "uri" in i]
    return [("master", url, text)] + [("media", u, presentation.fetch(u).decode()) for u in dict.fromkeys(named)]


def expected(kind, url, text):
    """What the walkers find."""
    if kind == "mpd":
        read = mpd.read(text.encode(), url)
        ids = {(s.content_type, r.id) for p in read.periods for s in p.sets for r in s.representations if "trickmode" not in trick(s)}
        return {"videos": sum(k == "video" for k, _ in ids), "sounds": sum(k == "audio" for k, _ in ids), "seconds": float(read.duration)}
    read = m3u8.read(text.encode(), url)
    if kind == "master":
        sounds = [m for m in read.media if m.get("TYPE") == "AUDIO"]
        return {"variants": len(read.variants), "sounds": len(sounds), "groups": len({m["GROUP-ID"] for m in sounds})}
    segments = [s for part in read.parts() for s in part]
    return {"segments": len(segments), "seconds": float(sum(s.duration for s in segments)), "ended": "#EXT-X-ENDLIST" in text}


def trick(group):
    return " ".join(e.get("schemeIdUri", "") for e in group.element.iter("{urn:mpeg:dash:schema:mpd:2011}EssentialProperty"))


def with_npm(manifests):
    if not os.path.isdir(os.path.join(FOLDER, "node_modules", "m3u8-parser")):
        return None, "its npm packages are not installed (npm ci in conformance/players)"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as jobs:
        json.dump([{"kind": k, "url": u, "text": t} for k, u, t in manifests], jobs)
        jobs.flush()
        done = subprocess.run(["node", os.path.join(FOLDER, "parsers.mjs"), "--jobs", jobs.name], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    return (json.loads(done.stdout), "") if done.returncode == 0 else (None, done.stderr.strip()[-300:])


def with_python(kind, url, text):
    """One result, or why there is none."""
    try:
        if kind == "mpd":
            from mpegdash.parser import MPEGDASHParser
            read = MPEGDASHParser.parse(text)
            sets = [s for p in read.periods for s in p.adaptation_sets if not any("trickmode" in (e.scheme_id_uri or "") for e in s.essential_properties or [])]
            ids = {(s.content_type, r.id) for s in sets for r in s.representations}
            return {"parser": "mpegdash", "complaints": [], "found": {"videos": sum(k == "video" for k, _ in ids), "sounds": sum(k == "audio" for k, _ in ids)}}, ""
        import m3u8 as pypi
        read = pypi.loads(text, uri=url)
        if kind == "master":
            sounds = [m for m in read.media if m.type == "AUDIO"]
            found = {"variants": len(read.playlists), "sounds": len(sounds), "groups": len({m.group_id for m in sounds})}
        else:
            found = {"segments": len(read.segments), "seconds": sum(s.duration for s in read.segments), "ended": read.is_endlist}
        return {"parser": "m3u8", "complaints": [], "found": found}, ""
    except ImportError as error:
        return None, f"{error} (pip install -r conformance/requirements.txt)"
    except Exception as error:      # whatever it is, it is a complaint
        return {"parser": "mpegdash" if kind == "mpd" else "m3u8", "complaints": [f"{type(error).__name__}: {error}"], "found": {}}, ""


def compare(judge, result, wanted, url):
    parser = result["parser"]
    judge.check(f"{parser}: no complaint", not result["complaints"], lambda: f"{url}: {result['complaints'][:3]}")
    for name, value in result["found"].items():
        same = abs(value - wanted[name]) < 0.01 if name == "seconds" else value == wanted[name]
        judge.check(f"{parser}: {name}", same, lambda: f"{url}: {value}, should be {wanted[name]}")


def run(report, subjects):
    """`subjects`: {subject: URL of an entry manifest}."""
    manifests, owners = [], []
    for subject, url in subjects.items():
        presentation.forget()
        try:
            mine = manifests_of(url)
        except (OSError, ValueError) as error:
            report.add("parsers", subject, "can be read", False, f"{type(error).__name__}: {error}")
            continue
        manifests += mine
        owners += [subject] * len(mine)
    found, why = with_npm(manifests)
    if found is None:
        report.skip("parsers", "all", "npm", why)
    for number, (subject, (kind, url, text)) in enumerate(zip(owners, manifests)):
        with report.judge("parsers", subject) as judge:
            wanted = expected(kind, url, text)
            for result in found[number] if found else []:
                compare(judge, result, wanted, url)
            result, why = with_python(kind, url, text)
            if result is None:
                judge.skip("PyPI", why)
            else:
                compare(judge, result, wanted, url)


def main(*urls):
    report = Report()
    run(report, {url.split("/vod/v1/")[-1]: url for url in urls})
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
