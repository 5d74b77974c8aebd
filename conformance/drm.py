"""Encrypted configurations, what is asked of them, and the judges that look at them. Part of `run.py`.

A second origin logs at debug level and serves every title once clear and once in each of `plan()`'s configurations;
keys stand in the configurations, or come from `packorigin key-server` where the binary has one. `decrypt.py`,
`signalling.py`, `decryptors.py`, `leaks.py` and `drmplayers.py` say what they prove; of the others `boxes.py`,
`manifests.py` and `delivery.py` judge what is encrypted too (`manifests.py` not AES-128, which it cannot read).
"""
import os
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import boxes
import decrypt
import decryptors
import delivery
import drmplayers
import drmtest
import leaks
import manifests
import parsers
import presentation
import quirks
import signalling
import trick
from keys import Key, Keys, raw_key
from licences import Licences
from origin import Origin, Problem, free_port
from report import Report
from walkers.cenc import CLEARKEY, FAIRPLAY, PLAIN_KEY_1, PLAIN_KEY_2, PLAYREADY, WIDEVINE

GROUP, SECONDS = "drm", 4
CLEAR = {"clear-dash": ("DASH", SECONDS), "clear-cmaf": ("HLS_CMAF", SECONDS), "clear-hls": ("HLS", SECONDS)}
CLEAR_OF = {"DASH": "clear-dash", "HLS_CMAF": "clear-cmaf", "HLS": "clear-hls"}
# The titles that every configuration is tried on, and those that players see.
FEW = {"sliced", "codecs-change", "video-only"}
SLICED, SLICED_HEVC = "sliced", "sliced-hevc"
# Of testdata/quirks, those whose codecs, or ways to cut pictures into slices, no other title has. Each is tried on what is wide.
CODECS = ["hevc-main", "hevc-main10-hdr10", "hevc-main10-hlg", "hevc-open-gop", "field-pairs", "mbaff", "eight-slices",
          "ac3-stereo", "ac3-surround", "eac3-surround", "eac3-dvb-descriptor", "mp2", "mp3", "he-aac", "he-aac-v2"]
SEED = "5b" * 32
TOKEN = "judges-token-7b1f0c6e2d"


@dataclass
class Configuration:
    name: str
    package_type: str
    encryption: dict
    keys: list = field(default_factory=list)    # those that stand in it
    wide: bool = False                          # tried on every title
    clear_sound: bool = False

    @property
    def lead(self):
        return self.encryption.get("clearLeadSegments", 0)

    @property
    def body(self):
        return {"name": self.name, "packageType": self.package_type, "segmentDurationSeconds": SECONDS, "encryption": self.encryption}

    def key_of(self, rendition):
        """The key of a rendition; None where it is not known, False where it is to be clear."""
        if rendition.kind == "audio" and self.clear_sound:
            return False
        kinds = {k.track_type: k for k in self.keys}
        if "ALL" in kinds or not kinds:
            return kinds.get("ALL")
        if rendition.kind == "audio":
            return kinds.get("AUDIO")
        init = rendition.parts[0].init
        return kinds.get("VIDEO") or kinds["SD" if init.width * init.height <= 589_824 else "HD"]


def keys_for(name, *track_types):
    return [Key(name, t) for t in track_types]


def static(name, package_type, keys, licences, systems, uri=None, **more):
    """A configuration with its keys in it. `uri`: what HLS players are told of a key."""
    flags = {k: more.pop(k) for k in ("wide",) if k in more}
    with_iv = more.get("scheme") != "cenc" and "constantInitializationVector" not in more
    settings = [k.setting({"http": f"{licences}/keys/{k.uuid}", "skd": f"skd://judges/{k.uuid}"}.get(uri), with_iv) for k in keys]
    encryption = {"systemIds": systems, "staticKeys": settings} | more
    if CLEARKEY in systems:
        encryption["licenseUrls"] = {CLEARKEY: f"{licences}/clearkey"}
    return Configuration(name, package_type, encryption, keys, **flags)


def plan(licences):
    """`licences`: the base URL of a licence server that knows the keys."""
    twin = keys_for("twin", "VIDEO", "AUDIO")
    return [
        static("dash-cenc", "DASH", keys_for("dash-cenc", "VIDEO", "AUDIO"), licences, [WIDEVINE, PLAYREADY, CLEARKEY], scheme="cenc", wide=True),
        static("dash-cbcs", "DASH", keys_for("dash-cbcs", "ALL"), licences, [WIDEVINE, PLAYREADY, CLEARKEY], scheme="cbcs", wide=True),
        static("cmaf-cbcs", "HLS_CMAF", keys_for("cmaf-cbcs", "SD", "HD", "AUDIO"), licences, [WIDEVINE, PLAYREADY, FAIRPLAY], "skd", scheme="cbcs", wide=True),
        static("cmaf-cenc", "HLS_CMAF", twin, licences, [WIDEVINE, PLAYREADY], scheme="cenc"),
        static("dash-cenc-twin", "DASH", twin, licences, [WIDEVINE, PLAYREADY], scheme="cenc"),
        static("cmaf-cbcs-clearkey", "HLS_CMAF", keys_for("cmaf-cbcs-clearkey", "ALL"), licences, [CLEARKEY], scheme="cbcs"),
        static("cmaf-cenc-clearkey", "HLS_CMAF", keys_for("cmaf-cenc-clearkey", "VIDEO", "AUDIO"), licences, [CLEARKEY], scheme="cenc"),
        static("hls-aes-128", "HLS", keys_for("hls-aes-128", "ALL"), licences, [PLAIN_KEY_2], "http", method="AES_128", wide=True),
        static("hls-sample-aes", "HLS", keys_for("hls-sample-aes", "ALL"), licences, [PLAIN_KEY_2], "http", method="SAMPLE_AES", wide=True),
        static("hls-fairplay", "HLS", keys_for("hls-fairplay", "ALL"), licences, [FAIRPLAY], "skd", method="SAMPLE_AES",
               constantInitializationVector="0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        static("dash-lead", "DASH", keys_for("dash-lead", "ALL"), licences, [WIDEVINE, PLAYREADY], scheme="cbcs", clearLeadSegments=1),
        static("cmaf-lead", "HLS_CMAF", keys_for("cmaf-lead", "ALL"), licences, [WIDEVINE, PLAYREADY], scheme="cenc", clearLeadSegments=1),
        static("hls-lead", "HLS", keys_for("hls-lead", "ALL"), licences, [PLAIN_KEY_2], "http", method="AES_128", clearLeadSegments=1),
    ]


def served_plan(server):
    """Configurations whose keys come from a key server, over SPEKE."""
    def one(name, package_type, systems, version, presets=(None, None), clear_sound=False, **more):
        spoken = {"url": f"{server}/speke?token={TOKEN}", "headers": {"X-Judges-Token": TOKEN}, "spekeVersion": version}
        spoken |= {k: v for k, v in zip(("videoPreset", "audioPreset"), presets) if v}
        if CLEARKEY in systems:
            more["licenseUrls"] = {CLEARKEY: f"{server}/clearkey"}
        return Configuration(name, package_type, {"systemIds": systems, "keyServer": spoken} | more, clear_sound=clear_sound)
    return [
        one("speke-dash-cenc", "DASH", [WIDEVINE, PLAYREADY, CLEARKEY], "2.0", ("PRESET-VIDEO-2", "PRESET-AUDIO-2"), scheme="cenc"),
        one("speke-cmaf-cbcs", "HLS_CMAF", [WIDEVINE, PLAYREADY, FAIRPLAY], "2.1", scheme="cbcs"),
        one("speke-dash-clear-sound", "DASH", [WIDEVINE, PLAYREADY], "2.0", ("PRESET-VIDEO-1", "UNENCRYPTED"), True, scheme="cbcs"),
        one("speke-hls-aes-128", "HLS", [PLAIN_KEY_1], "1.0", method="AES_128"),
        one("speke-hls-fairplay", "HLS", [FAIRPLAY], "2.0", method="SAMPLE_AES"),
    ]


# (folder, size, encoder and its options, bit rate, codec string) of pictures that are cut into several slices.
AVC = ["-c:v", "libx264", "-preset", "veryfast", "-g", "48", "-keyint_min", "48", "-x264-params"]
SLICES = [("720p", "1280x720", [*AVC, "slices=4:ref=4:weightp=2:bframes=3:b-pyramid=strict:scenecut=0"], "400k", "avc1.64001f"),
          ("360p", "640x360", [*AVC, "slices=3:ref=2:cabac=0:bframes=3:b-pyramid=strict:weightp=0:scenecut=0"], "200k", "avc1.64001f")]
HEVC_SLICES = [("360p", "640x360", ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                                    "log-level=error:pools=1:frame-threads=1:slices=4:wpp=1:ref=4:weightp=1:weightb=1:bframes=3:ctu=32:keyint=48:min-keyint=48:scenecut=0"],
                "200k", "hvc1.1.6.L63.90")]


def make_sliced(folder, variants, seconds):
    """A title of several slices a picture. Of H.264: one size with CABAC and weighted prediction, one with CAVLC; of HEVC with rows that begin anew."""
    master = "#EXTM3U\n"
    for name, size, encoder, rate, codec in variants:
        os.makedirs(os.path.join(folder, name))
        subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24", "-f", "lavfi", "-i",
                        "aevalsrc='0.2*sin(2*PI*(200+15*t)*t)|0.2*sin(2*PI*(300+20*t)*t)':s=48000", "-t", str(seconds), "-fflags", "+bitexact", "-threads", "1",
                        *encoder, "-pix_fmt", "yuv420p", "-b:v", rate, "-c:a", "aac", "-b:a", "64k",
                        "-f", "hls", "-hls_time", str(seconds // 2), "-hls_playlist_type", "vod", "-hls_segment_filename", os.path.join(folder, name, "%03d.ts"),
                        os.path.join(folder, name, "media.m3u8")], check=True, timeout=120)
        master += f"#EXT-X-STREAM-INF:BANDWIDTH={int(rate[:-1]) * 1500},RESOLUTION={size},CODECS=\"{codec},mp4a.40.2\"\n{name}/media.m3u8\n"
    with open(os.path.join(folder, "master.m3u8"), "w") as f:
        f.write(master)


def can_make_hevc():
    return "libx265" in subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=30).stdout


@contextmanager
def key_server(binary, log):
    """The base URL of a running `packorigin key-server`."""
    address = f"127.0.0.1:{free_port()}"
    with open(log, "w") as out:
        process = subprocess.Popen([binary, "key-server", "--listen", address, "--seed", SEED], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        for _ in range(100):
            try:
                raw_key(f"http://{address}/keys/00000000-0000-4000-8000-000000000001")
                break
            except (OSError, ValueError) as error:
                if process.poll() is not None or getattr(error, "code", None):
                    break
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def has_key_server(binary):
    return subprocess.run([binary, "key-server", "--help"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30).returncode == 0


class Titles:
    """What is served: title → configuration → URL, and the presentations behind it."""

    def __init__(self, assets, masters=None):
        """`masters`: title → its stored master playlist."""
        self.masters, self.assets = masters or {}, assets
        self.urls = {name: {e["packagingConfiguration"]: e["url"] for e in a["egressEndpoints"] if e.get("url")} for name, a in assets.items()}

    def load(self, title, configuration):
        return presentation.load(self.urls[title][configuration])


def register(report, origin, configurations):
    """Those that the origin took."""
    origin.configure(GROUP, CLEAR)
    taken = []
    for c in configurations:
        try:
            origin.call("POST", f"/v1/packaging-groups/{GROUP}/packaging-configurations", c.body)
            taken.append(c)
        except Problem as problem:
            report.add("drm", c.name, "can be configured", False, str(problem)[:300])
    return taken


def uncarried(fragments, configuration):
    """What a configuration cannot carry of a title, by the codecs in its fragments: pictures, sound, or nothing."""
    inits = [p.init for r in fragments.renditions for p in r.parts] if configuration.package_type == "HLS" else []
    out = {"video" for i in inits if i.entry in ("hvc1", "hev1")}
    if configuration.encryption.get("method") == "SAMPLE_AES":
        out |= {"audio" for i in inits if i.object_type in (0x69, 0x6B)}
    return out


def judge_uncarried(report, subject, titles, title, configuration, lacking):
    """What cannot be carried is not there, and the report says so."""
    with report.judge("drm", subject) as judge:
        url = titles.urls[title].get(configuration.name)
        if "video" in lacking:
            quirks.judge_omitted(judge, titles.assets[title], configuration.package_type, url)
            return
        judge.skip("the report says that sound is left out", "it is written at ingest, and tells of clear packages")
        master = presentation.load(url).master
        judge.check("no stream has sound that is left out", all(codec.startswith("avc") for v in master.variants for codec in v["CODECS"].split(",")), lambda: f"{master.variants}")


def judge_title(title, titles, taken, keys, expected):
    """All configurations of one title, in a process of its own: rows of the report, IVs that were used, keys, seconds."""
    presentation.forget()
    started, loaded, report, counters = time.monotonic(), {}, Report(expected), decrypt.Counters()
    for c in [c for c in taken if c.wide or title in FEW]:
        subject = f"{title} {c.name}"
        try:
            fragments = loaded["DASH"] = loaded.get("DASH") or titles.load(title, CLEAR_OF["DASH"])
            lacking = uncarried(fragments, c)
            if lacking:
                judge_uncarried(report, subject, titles, title, c, lacking)
            if "video" in lacking:
                continue
            clear = loaded.setdefault(c.package_type, None) or titles.load(title, CLEAR_OF[c.package_type])
            loaded[c.package_type], encrypted = clear, titles.load(title, c.name)
        except Exception as error:      # whatever it is, the others are still judged
            report.add("drm", subject, "manifests can be loaded", False, f"{type(error).__name__}: {error}")
            continue
        loaded[c.name] = encrypted
        decrypt.judge_decrypt(report, subject, encrypted, clear, keys, key_at(c, keys), counters, c.lead, c.key_of, lacking)
        if c.package_type == "HLS" and title in FEW:
            judge_clip(report, subject, titles.urls[title], c, keys)
        signalling.judge_signalling(report, subject, encrypted, signalling.Asked(c.encryption, c.key_of, keys))
        trick.judge_trick(report, subject, encrypted, encrypted=True)
        if c.package_type != "HLS" and title in FEW:
            boxes.judge_boxes(report, subject, encrypted)
        if title in FEW and title in titles.masters and c.encryption.get("method") != "AES_128":
            manifests.judge_manifests(report, subject, encrypted, presentation.load(titles.masters[title]), SECONDS)
        if (c.wide or c.lead or not c.keys) and not (c.package_type == "HLS" and FAIRPLAY in c.encryption["systemIds"]):
            decryptors.judge_decryptors(report, subject, encrypted, clear, keys, lacking)
        if title == SLICED:
            delivery.judge_delivery(report, subject, encrypted, thorough=False)
    if "cmaf-cenc" in loaded and "dash-cenc-twin" in loaded:
        with report.judge("sharing", f"{title} encrypted") as judge:
            mine, other = manifests.segment_urls(loaded["cmaf-cenc"]), manifests.segment_urls(loaded["dash-cenc-twin"])
            judge.check("DASH and HLS_CMAF of one encryption share every URL", mine == other, lambda: f"{sorted(mine ^ other)[:2]}")
    return report.rows, report.used, counters.used, keys.asked, time.monotonic() - started


def judge_clip(report, subject, urls, c, keys):
    """Cut off the first segment: what is left still decrypts, with the IVs that its playlist tells or implies."""
    try:
        clear, encrypted = (presentation.load(f"{urls[name]}?start={SECONDS}") for name in (CLEAR_OF["HLS"], c.name))
    except Exception as error:
        report.add("drm", subject, "clips can be loaded", False, f"{type(error).__name__}: {error}")
        return
    cut_off = encrypted.renditions[0].parts[0].segments[0].sequence
    report.add("drm", subject, "a clip counts its segments as the whole does", cut_off == 1, f"the first is number {cut_off}")
    decrypt.judge_decrypt(report, f"{subject} clip", encrypted, clear, keys, key_at(c, keys), None, max(0, c.lead - cut_off), c.key_of)


def judge_titles(report, titles, taken, keys):
    """Two titles at a time. What no title can see alone: an IV that two of them use under one key."""
    used, repeats = {}, []
    with ProcessPoolExecutor(2) as pool:
        work = {title: pool.submit(judge_title, title, titles, taken, keys, report.expected) for title in sorted(titles.urls, key=lambda t: t not in FEW)}
        for title, future in work.items():
            rows, known, mine, asked, took = future.result()
            report.rows += rows
            report.used |= known
            for kid in asked:
                keys[kid]           # so that all of them are known here
            for mark, plaintext in mine.items():
                if used.setdefault(mark, (title, plaintext))[1] != plaintext:
                    repeats.append(f"{title} and {used[mark][0]}: key {mark[0].hex()}, IV {mark[1].hex()}")
            print(f"drm {title}: {len(rows)} checks, {sum(r[3] == 'FAIL' for r in rows)} failed, {took:.1f} s", flush=True)
    report.add("decrypt", "all titles", "no IV comes twice under one key", not repeats, lambda: f"{repeats[0]} (and {len(repeats) - 1} more)")
    report.add("decrypt", "all titles", "there were IVs", bool(used) or not any(c.encryption.get("scheme") == "cenc" for c in taken), "no cenc sample was seen")


def key_at(configuration, keys):
    """The key that an EXT-X-KEY of a transport stream stands for, and the IV where it comes with the key (FairPlay)."""
    def find(tag):
        fairplay, constant = tag.get("KEYFORMAT") == signalling.FAIRPLAY_FORMAT, configuration.encryption.get("constantInitializationVector")
        if len(configuration.keys) == 1:
            key = configuration.keys[0]
            return keys[key.id], (bytes.fromhex(constant) if constant else key.iv) if fairplay else None
        kid = decrypt.kid_in(tag["URI"])
        return keys[kid], decrypt.UNKNOWN if fairplay else None     # the packager and the key server agree on it unheard
    return find


def judge_kept(report, origin, taken, titles):
    """What a GET shows, without secrets, a PUT takes, and nothing changes."""
    title = SLICED if SLICED in titles.urls else next(iter(titles.urls))
    for c in taken:
        with report.judge("drm", c.name) as judge:
            path = f"/v1/packaging-groups/{GROUP}/packaging-configurations/{c.name}"
            before, shown = leaks.ask(titles.urls[title][c.name]), origin.call("GET", path)
            body = {k: shown[k] for k in ("name", "description", "packageType", "segmentDurationSeconds", "manifestName", "streamSelection", "encryption") if shown.get(k) is not None}
            try:
                origin.call("PUT", path, body)
            except Problem as problem:
                judge.check("what GET shows, PUT takes", False, str(problem)[:300])
                continue
            judge.check("what GET shows, PUT takes", True)
            after = leaks.ask(titles.urls[title][c.name])
            judge.check("and nothing changes", before.split(b"\n\n", 1)[1] == after.split(b"\n\n", 1)[1], "the manifest is another one")


def judge_leaks(report, origin, keys, taken, titles, traces):
    static_keys = {f"key {k.track_type} of {c.name}": k.key for c in taken for k in c.keys}
    asked = {f"served key {kid.hex()}": keys[kid] for kid in keys.asked}
    secrets = leaks.Secrets(static_keys | asked, {"token of the key server": TOKEN})
    urls = []
    for c in taken:
        out = titles.load(SLICED if SLICED in titles.urls else next(iter(titles.urls)), c.name)
        urls += [out.url] + [r.playlist.url for r in out.renditions if r.playlist] + [p.init_url for r in out.renditions for p in r.parts if p.init_url]
    leaks.judge_leaks(report, "drm", secrets, origin.log_path, origin.data, origin.control, GROUP, {c.name: c.body for c in taken}, urls, traces)
    served = os.path.join(os.path.dirname(origin.log_path), "key-server.log")
    if asked:
        with report.judge("leaks", "key server") as judge:
            leaks.judge_files(judge, "log", secrets, [served])


def run(report, binary, chosen, sources, asked, scratch, out, narrowed=()):
    """`chosen`: run.Sample of each title, by the names of `sources`. `narrowed`: names of assets, if not all are wanted."""
    started = time.monotonic()
    made = os.path.join(scratch, "made")
    make_sliced(os.path.join(made, SLICED), SLICES, 12)
    wanted = {s.name: (s.source, s.path) for s in chosen if "drm" in asked or s.name in FEW}
    if "drm" in asked:
        wanted |= {n: ("default", f"quirks/{n}/master.m3u8") for n in CODECS if not narrowed or n in narrowed}
    wanted[SLICED] = ("made", f"{SLICED}/master.m3u8")
    if "drm" in asked and (not narrowed or SLICED_HEVC in narrowed):
        if can_make_hevc():
            make_sliced(os.path.join(made, SLICED_HEVC), HEVC_SLICES, 8)
            wanted[SLICED_HEVC] = ("made", f"{SLICED_HEVC}/master.m3u8")
        else:
            report.skip("drm", SLICED_HEVC, "all", "this ffmpeg has no libx265 to make it with")
    keys = Keys()
    serving = key_server(binary, os.path.join(out, "key-server.log")) if has_key_server(binary) else nullcontext()
    with Licences(keys, os.path.join(scratch, "spoilt")) as licences, serving as server:
        keys.server = server
        if not server:
            report.skip("drm", "key server", "all", "this packorigin has no key-server command; keys stand in the configurations alone")
        configurations = plan(licences.url) + (served_plan(server) if server else [])
        for c in configurations:
            keys.add(c.keys)
        settings = {"PACKORIGIN_TELEMETRY_LOG": "debug", "PACKORIGIN_EGRESS_ALLOW_HOSTS": "127.0.0.1", "PACKORIGIN_TELEMETRY_OTLP_ENDPOINT": licences.url}
        roots = sources | {"made": "file://" + made}
        with Origin(binary, roots, os.path.join(out, "packorigin-drm.log"), settings) as origin:
            taken = register(report, origin, configurations)
            if not taken:
                return
            assets = origin.ingest(GROUP, wanted, 180, content_ids=True)
            for name, asset in assets.items():
                if asset["status"] != "PLAYABLE":
                    report.add("drm", name, "playable", False, str(asset.get("failure")))
            masters = {n: f"{roots[source]}/{path}" for n, (source, path) in wanted.items()}
            titles = Titles({n: a for n, a in assets.items() if a["status"] == "PLAYABLE"}, masters)
            print(f"drm: ingest of {len(wanted)} assets, {len(taken)} configurations: {time.monotonic() - started:.1f} s", flush=True)
            try:
                judge(report, origin, titles, taken, keys, licences, asked, out)
            except OSError as error:
                report.add("drm", "packorigin", "answers to the end", False, f"{error}; {origin.tail(3)}")
            report.add("drm", "packorigin", "stays up to the end", origin.process.poll() is None, lambda: origin.tail(5))


def judge(report, origin, titles, taken, keys, licences, asked, out):
    if "drm" in asked:
        signalling.skip_readers(report)
        judge_titles(report, titles, taken, keys)
        judge_leaks(report, origin, keys, taken, titles, licences.traces)
        judge_kept(report, origin, taken, titles)
        urls = {n: by for n, by in titles.urls.items() if n in FEW}
        parsers.run(report, {f"{n} {c.name}": by[c.name] for n, by in urls.items() for c in taken if c.name in by})
    if "selftest" in asked and SLICED in titles.urls:
        drmtest.judge_judges(report, titles, {c.name: c for c in taken}, keys)
    if "drmplayers" in asked:
        at = time.monotonic()
        drmplayers.run(report, titles, taken, keys, licences, out, selftest="selftest" in asked)
        print(f"drmplayers: {time.monotonic() - at:.1f} s", flush=True)
