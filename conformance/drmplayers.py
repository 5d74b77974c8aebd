"""Which player plays which encrypted configuration, with keys from where. Part of `drm.py`.

`players/protected.mjs` plays and says what is proved. Keys come from the configuration of the player, or as licences
and raw keys over HTTP from `licences.py` or from `packorigin key-server`; if no player asks the former for any, that
fails. With `selftest` the same is played with one key wrong, for video and for sound, and once with the commonest
mistake in cbcs, the IV that is not reset at each slice, and compared with the clear presentation half a second on. All
have to fail.
"""
import json
import os
import subprocess
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

import decrypt
import presentation
from walkers import bmff, cenc

HERE = os.path.dirname(os.path.abspath(__file__))
# Where each is paused, in seconds: between two frames, in different segments and periods.
TIMES = {"sliced": [1.06, 5.27, 9.4], "codecs-change": [3.1, 6.02, 12.34], "video-only": [2.05, 9.05]}
# (configuration, player, how it gets its keys, titles)
#   config: in the player's configuration; manifest: what it finds there; server, hook: told of the licence server
PLAYED = [
    ("dash-cenc", "shaka", "config", {"sliced"}), ("dash-cenc", "shaka", "manifest", {"sliced"}), ("dash-cenc", "dashjs", "manifest", {"sliced", "codecs-change"}),
    ("dash-cbcs", "shaka", "config", {"sliced"}), ("dash-cbcs", "shaka", "manifest", {"codecs-change"}), ("dash-cbcs", "dashjs", "manifest", {"sliced"}),
    ("cmaf-cbcs", "shaka", "config", {"sliced", "codecs-change"}), ("cmaf-cenc", "shaka", "config", {"sliced", "video-only"}),
    ("cmaf-cbcs-clearkey", "hlsjs", "server", {"sliced", "codecs-change"}), ("cmaf-cenc-clearkey", "hlsjs", "hook", {"sliced"}),
    ("hls-sample-aes", "hlsjs", "manifest", {"sliced", "codecs-change", "video-only"}),
    ("hls-aes-128", "hlsjs", "manifest", {"sliced"}), ("hls-aes-128", "shaka", "manifest", {"sliced", "codecs-change"}),
    ("dash-lead", "shaka", "config", {"sliced"}), ("hls-lead", "hlsjs", "manifest", {"sliced"}),
    ("speke-dash-cenc", "dashjs", "manifest", {"sliced"}), ("speke-cmaf-cbcs", "shaka", "config", {"sliced"}), ("speke-hls-aes-128", "hlsjs", "manifest", {"sliced"}),
]
CLEAR_OF = {"DASH": "clear-dash", "HLS_CMAF": "clear-cmaf", "HLS": "clear-hls"}


def keys_in(out, keys, wrong=()):
    """Key ID → key, in hexadecimal, of every rendition; of kinds in `wrong` with a key that is not theirs."""
    found = {}
    for r in out.renditions:
        for part in r.parts if r.cmaf else []:
            protection = cenc.read_protection(part.init.entries[0])
            if protection:
                key = keys[protection.kid]
                found[protection.kid.hex()] = (bytes(b ^ 0x5A for b in key) if r.kind in wrong else key).hex()
    return found


def job(titles, configuration, title, player, how, keys, wrong=()):
    out = presentation.load(titles.urls[title][configuration.name])
    licences = (configuration.encryption.get("licenseUrls") or {}).get(cenc.CLEARKEY)
    drm = {"config": lambda: {"keys": keys_in(out, keys, wrong)}, "manifest": lambda: None, "server": lambda: {"server": licences},
           "hook": lambda: {"server": licences, "hook": True}}[how]()
    return {"player": player, "subject": f"{title} {configuration.name} {how}" + (f", wrong key for {wrong[0]}" if wrong else ""),
            "url": titles.urls[title][configuration.name], "clear": titles.urls[title][CLEAR_OF[configuration.package_type]],
            "times": TIMES[title], "audio": title != "video-only", "drm": drm}


def carried(segment, init, keys):
    """A segment of cbcs encrypted anew, with one chain through all slices of a picture."""
    out = bytearray(segment)
    for fragment in bmff.read_segment(segment, init):
        found, protection = decrypt.samples(fragment, init, keys)
        for sample, aux, clear in found if protection else []:
            places = [p for a, b in cenc.ranges(aux, len(clear)) for p in decrypt.blocks_of(a, b, protection.crypt, protection.skip)]
            e = Cipher(AES(keys[protection.kid]), CBC(protection.iv)).encryptor()
            for place in places:
                out[sample.start + place:sample.start + place + 16] = e.update(clear[place:place + 16])
    return bytes(out)


def mirror(out, folder, keys):
    """Writes a presentation with that mistake in its pictures into a folder, under the paths it is served at."""
    files = {out.url: presentation.fetch(out.url)}
    for r in out.renditions:
        if r.playlist:
            files[r.playlist.url] = presentation.fetch(r.playlist.url)
        for part in r.parts:
            files[part.init_url] = part.init_data
            for s in part.segments:
                files[s.url] = carried(s.data, part.init, keys) if r.kind == "video" else s.data
    for url, data in files.items():
        path = os.path.join(folder, urlsplit(url).path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
    return urlsplit(out.url).path


def jobs_of(report, titles, taken, keys, licences, selftest):
    jobs, wrong, known = [], [], {c.name: c for c in taken}
    for name, player, how, wanted in PLAYED:
        for title in sorted(wanted & set(titles.urls)) if name in known else []:
            try:
                jobs.append(job(titles, known[name], title, player, how, keys))
            except Exception as error:      # told for this one; the others still play
                report.add("drmplayers", f"{title} {name} {player}", "can be loaded", False, f"{type(error).__name__}: {error}")
    for name, kind in (("dash-cenc", "video"), ("cmaf-cbcs", "video"), ("dash-cenc", "audio")) if selftest and "sliced" in titles.urls else ():
        if name in known:
            wrong.append(job(titles, known[name], "sliced", "shaka", "config", keys, (kind,)))
    if wrong and "cmaf-cbcs" in known:
        plain = job(titles, known["cmaf-cbcs"], "sliced", "shaka", "config", keys)
        path = mirror(presentation.load(plain["url"]), licences.folder, keys)
        wrong.append(plain | {"subject": "sliced cmaf-cbcs, IV not reset", "url": f"{licences.url}/files{path}"})
        wrong.append(plain | {"subject": "sliced cmaf-cbcs, other times", "clearTimes": [t + 0.5 for t in plain["times"]]})
    return jobs, [w | {"hasToFail": True} for w in wrong]


def play(jobs, out):
    """The results of protected.mjs, in the order of the jobs; None if it left none."""
    jobs_path, results_path = os.path.join(out, "protected-jobs.json"), os.path.join(out, "protected.json")
    with open(jobs_path, "w") as f:
        json.dump(jobs, f)
    if os.path.exists(results_path):
        os.unlink(results_path)
    subprocess.run(["node", os.path.join(HERE, "players", "protected.mjs"), "--jobs", jobs_path, "--out", out], stdin=subprocess.DEVNULL)
    os.unlink(jobs_path)                # it holds keys
    if not os.path.exists(results_path):
        return None
    with open(results_path) as f:
        return json.load(f)


def missing():
    """Why players cannot be asked; None where they can."""
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not os.path.exists(os.path.join(HERE, "players", "node_modules")):
        return "its npm packages are not installed (npm ci in conformance/players)"
    return None if os.path.exists(chromium) else f"no Chromium at {chromium}"


def run(report, titles, taken, keys, licences, out, selftest):
    if missing():
        report.skip("drmplayers", "all", "all", missing())
        return
    jobs, wrong = jobs_of(report, titles, taken, keys, licences, selftest)
    if not jobs:
        report.skip("drmplayers", "all", "all", "none of the configurations and titles that players are asked about is there")
        return
    results = play(jobs + wrong, out)
    if results is None:
        report.add("drmplayers", "all", "ran", False, "protected.mjs left no results")
        return
    good = results[:len(jobs)]
    # As with the other players: a machine that is busy for a second makes one wait, and a fault of ours fails twice.
    failed = [j for j, r in zip(jobs, good) if not all(c["ok"] for c in r["checks"])]
    again = {(r["subject"], r["player"]): r for r in play(failed, out) or []} if failed else {}
    for result in good:
        with report.judge("drmplayers", f"{result['subject']} {result['player']}") as judge:
            for check in again.get((result["subject"], result["player"]), result)["checks"]:
                judge.check(check["name"], check["ok"], check["detail"])
    asked = [j for j in jobs if (j["drm"] or {}).get("server", "").startswith(licences.url) or "dash-c" in j["subject"] and "manifest" in j["subject"]]
    if asked:
        report.add("drmplayers", "licence server", "was asked for licences", bool(licences.asked), "no player came")
    for result in results[len(jobs):]:
        failed = {c["name"] for c in result["checks"] if not c["ok"]}
        name, noticed = "something is noticed", bool(failed)
        if "other times" in result["subject"]:
            name, noticed = "the picture is another one", "shows the clear one's picture" in failed
        report.add("selftest", f"{result['subject']} {result['player']}", name, noticed, f"fails are {sorted(failed)}")
