#!/usr/bin/env python3
"""MPDs, playlists and init segments say the same about encryption, each in the words of its standard.

usage: signalling.py URL...        (an encrypted MPD or master playlist)

Proves: scheme and key ID of the manifest are those of tenc; pssh boxes of manifest and init segment are the same bytes;
the PlayReady object of mspr:pro, of the pssh box and of the playlist is one; Widevine and PlayReady payloads name the
key ID and the scheme (with readers of our own and, where they are installed, pywidevine's and pyplayready's);
ContentProtection stands where DASH-IF wants it, with dashif:Laurl where a licence URL is configured; EXT-X-KEY has
METHOD, KEYFORMAT, KEYFORMATVERSIONS, KEYID, IV and URI that belong together, EXT-X-VERSION allows them, and each
has its EXT-X-SESSION-KEY. Run by `drm.py`, also that these are the systems, keys and IVs that were asked for.

Cannot prove that a licence server or device likes it. ClearKey in playlists is what hls.js reads (org.w3.clearkey).
"""
import base64
import binascii
import sys
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

import presentation
from manifests import told_apart
from report import Report
from walkers import bmff, cenc, payloads

try:
    from pywidevine.pssh import PSSH as WidevineReader
except ImportError:
    WidevineReader = None
try:
    from pyplayready.system.pssh import PSSH as PlayReadyReader
except ImportError:
    PlayReadyReader = None

MPD, CENC = "{urn:mpeg:dash:schema:mpd:2011}", "{urn:mpeg:cenc:2013}"
PRO, LAURL = "{urn:microsoft:playready}pro", "{https://dashif.org/CPS}Laurl"
SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
MP4_PROTECTION = "urn:mpeg:dash:mp4protection:2011"
WIDEVINE_FORMAT, PLAYREADY_FORMAT = "urn:uuid:" + cenc.WIDEVINE, "com.microsoft.playready"
FAIRPLAY_FORMAT, CLEARKEY_FORMAT, IDENTITY = "com.apple.streamingkeydelivery", "org.w3.clearkey", "identity"
FORMAT_OF = {cenc.WIDEVINE: WIDEVINE_FORMAT, cenc.PLAYREADY: PLAYREADY_FORMAT, cenc.FAIRPLAY: FAIRPLAY_FORMAT,
             cenc.CLEARKEY: CLEARKEY_FORMAT, cenc.PLAIN_KEY_1: IDENTITY, cenc.PLAIN_KEY_2: IDENTITY}
ATTRIBUTES = {"METHOD", "URI", "IV", "KEYFORMAT", "KEYFORMATVERSIONS", "KEYID"}
METHOD_OF = {"cenc": "SAMPLE-AES-CTR", "cbcs": "SAMPLE-AES"}


class Asked:
    """What was configured: systems, licence URLs, scheme or method, and the key of each rendition. None where unknown."""

    def __init__(self, encryption=None, key_of=None, keys=None):
        encryption = encryption or {}
        self.systems = encryption.get("systemIds")
        self.licences = encryption.get("licenseUrls") or {}
        self.scheme, self.method = encryption.get("scheme"), encryption.get("method")
        self.lead = encryption.get("clearLeadSegments", 0)
        self.constant_iv = encryption.get("constantInitializationVector")
        self.key_of, self.keys = key_of or (lambda rendition: None), keys


def decoded(judge, check, text, where):
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except binascii.Error as error:
        judge.check(check, False, f"{where}: {error}")
        return b""


def one_box(judge, data, system, where):
    """The pssh box that a manifest carries; None where it is not exactly one of the right system."""
    try:
        found = cenc.pssh_boxes(data)
    except bmff.BoxError as error:
        found = []
        judge.check("a manifest's pssh is one whole box", False, f"{where}: {error}")
    good = len(found) == 1 and found[0].box == data and found[0].system == system
    judge.check("a manifest's pssh is one whole box", good, lambda: f"{where}: {[p.system for p in found]}")
    return found[0] if good else None


# ---------------------------------------------------------------- payloads

def judge_widevine(judge, pssh, kid, scheme, where):
    message = payloads.read_widevine(pssh.data)
    judge.check("Widevine: names the key ID", kid in message.kids, lambda: f"{where}: {[k.hex() for k in message.kids]}, tenc has {kid.hex()}")
    judge.equal("Widevine: names the scheme", message.scheme or "cenc", scheme, where)
    judge.equal("Widevine: box version", pssh.version, 0, where)
    if WidevineReader:
        found = WidevineReader(pssh.box)
        judge.check("Widevine: pywidevine finds the key ID", uuid.UUID(bytes=kid) in found.key_ids, lambda: f"{where}: {found.key_ids}")


def judge_playready(judge, data, kid, scheme, keys, where):
    header = payloads.read_playready(data)
    judge.check("PlayReady: names the key ID", kid in header.kids, lambda: f"{where}: {[k.hex() for k in header.kids]}, tenc has {kid.hex()}")
    judge.equal("PlayReady: names the cipher", header.algorithms, {"AESCTR" if scheme == "cenc" else "AESCBC"}, where)
    judge.check("PlayReady: header version that knows the cipher", header.version == "4.3.0.0" if scheme == "cbcs" else header.version in ("4.0.0.0", "4.1.0.0", "4.2.0.0", "4.3.0.0"),
                lambda: f"{where}: {header.version}")
    judge.check("PlayReady: no XML that is matched literally in another form", "/>" not in header.text and "<?xml" not in header.text, where)
    if keys is not None:
        for k, checksum in header.checksums.items():
            e = Cipher(AES(keys[k]), ECB()).encryptor()
            judge.equal("PlayReady: checksum", checksum.hex(), e.update(uuid.UUID(bytes=k).bytes_le)[:8].hex(), where)
    if PlayReadyReader:
        found = {k.value: k.alg_id.value for h in PlayReadyReader(data).wrm_headers for k in h.key_ids}
        judge.equal("PlayReady: pyplayready finds key ID and cipher", found.get(uuid.UUID(bytes=kid)), "AESCTR" if scheme == "cenc" else "AESCBC", where)


def judge_payload(judge, pssh, kid, scheme, keys, where):
    try:
        if pssh.system == cenc.WIDEVINE:
            judge_widevine(judge, pssh, kid, scheme, where)
        elif pssh.system == cenc.PLAYREADY:
            judge.equal("PlayReady: box version", pssh.version, 0, where)
            judge_playready(judge, pssh.data, kid, scheme, keys, where)
        elif pssh.system == cenc.COMMON:
            judge.check("Common pssh: version 1 with this key ID and no data", pssh.version == 1 and kid in pssh.kids and not pssh.data, where)
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        judge.check("payloads can be read", False, f"{where}: {pssh.system}: {error}")


# ---------------------------------------------------------------- init segments

class Track:
    """What the init segments of one rendition say in one period."""

    def __init__(self, part):
        self.protection = cenc.read_protection(part.init.entries[0])
        self.boxes = {}
        for box in bmff.file(part.init_data).all("moov/pssh"):
            pssh = cenc.read_pssh(box)
            self.boxes.setdefault(pssh.system, []).append(pssh)


def judge_track(judge, rendition, part, asked, where):
    track, wanted = Track(part), asked.key_of(rendition)
    protection = track.protection
    if not judge.check("init segments are encrypted", protection is not None, where):
        return None
    if asked.scheme:
        judge.equal("scheme is the configured one", protection.scheme, asked.scheme, where)
    if wanted:
        judge.equal("key ID is the one for these tracks", protection.kid.hex(), wanted.id.hex(), where)
        if protection.iv:
            judge.equal("constant IV is the configured one", protection.iv.hex(), asked.constant_iv or wanted.iv.hex(), where)
    if asked.keys is not None:
        judge.check("the constant IV is not the key", protection.iv != asked.keys[protection.kid], where)
    known = {cenc.WIDEVINE, cenc.PLAYREADY, cenc.FAIRPLAY, cenc.COMMON}
    if asked.systems is not None:
        known = {s for s in known if s in asked.systems} | {cenc.COMMON}
    judge.check("init segments carry pssh boxes of known systems", set(track.boxes) <= known, lambda: f"{where}: {sorted(set(track.boxes) - known)}")
    for system, boxes in track.boxes.items():
        judge.equal("one pssh of a system in an init segment", len(boxes), 1, f"{where}: {system}")
        judge_payload(judge, boxes[0], protection.kid, protection.scheme, asked.keys, f"{where} init")
    if asked.systems and cenc.CLEARKEY in asked.systems:
        judge.check("ClearKey: the init segment has a Common pssh", cenc.COMMON in track.boxes, where)
    return track


# ---------------------------------------------------------------- MPD

def judge_system(judge, element, system, tracks, asked, where):
    """One ContentProtection of a DRM system."""
    protection = tracks[0].protection
    texts = element.findall(CENC + "pssh")
    if system in (cenc.WIDEVINE, cenc.PLAYREADY):
        judge.equal("MPD: one cenc:pssh in a system's element", len(texts), 1, f"{where}: {system}")
    for text in texts:
        data = decoded(judge, "MPD: cenc:pssh is base64", text.text, where)
        pssh = one_box(judge, data, system, where)
        if pssh is None:
            continue
        judge_payload(judge, pssh, protection.kid, protection.scheme, asked.keys, f"{where} MPD")
        for track in tracks:
            for other in track.boxes.get(system, []):
                judge.check("MPD and init segment carry the same pssh", other.box == pssh.box, f"{where}: {system}")
        if system == cenc.PLAYREADY:
            pro = decoded(judge, "MPD: mspr:pro is base64", element.findtext(PRO), where)
            judge.check("MPD: mspr:pro is the payload of the pssh", pro == pssh.data, where)
    if system in asked.licences:
        judge.equal("MPD: dashif:Laurl is the licence URL", (element.findtext(LAURL) or "").strip(), asked.licences[system], f"{where}: {system}")
    judge.check("MPD: Laurl is spelt as players want it", not any(c.tag.rpartition("}")[2] == "laurl" for c in element), where)


def judge_set(judge, group, tracks, asked, where):
    children = [c.tag for c in group.element]
    elements = group.element.findall(MPD + "ContentProtection")
    judge.check("MPD: ContentProtection stands before Representation", MPD + "ContentProtection" in children and
                max(i for i, t in enumerate(children) if t == MPD + "ContentProtection") < children.index(MPD + "Representation"), where)
    judge.check("MPD: none in a Representation", not group.element.findall(f"{MPD}Representation/{MPD}ContentProtection"), where)
    judge.equal("MPD: one key for each set", len({t.protection.kid for t in tracks}), 1, where)
    schemes = [(e.get("schemeIdUri") or "") for e in elements]
    judge.check("MPD: no system twice", len(schemes) == len(set(schemes)), f"{where}: {schemes}")
    judge.check("MPD: system IDs are lower case", all(s == s.lower() for s in schemes), f"{where}: {schemes}")
    generic = [e for e in elements if e.get("schemeIdUri") == MP4_PROTECTION]
    if judge.equal("MPD: one mp4protection element", len(generic), 1, where):
        judge.check("MPD: mp4protection comes first", elements[0] is generic[0], where)
        judge.equal("MPD: mp4protection names the scheme of schm", generic[0].get("value"), tracks[0].protection.scheme, where)
        judge.equal("MPD: default_KID is the key ID of tenc", generic[0].get(CENC + "default_KID"), cenc.uuid(tracks[0].protection.kid), where)
    for element in elements:
        uri = element.get("schemeIdUri") or ""
        judge.check("MPD: elements name a scheme", uri == MP4_PROTECTION or uri.startswith("urn:uuid:"), f"{where}: {uri}")
        kid = element.get(CENC + "default_KID")
        judge.check("MPD: default_KID is the key ID of tenc", kid in (None, cenc.uuid(tracks[0].protection.kid)), f"{where}: {kid}")
        if uri.startswith("urn:uuid:"):
            judge_system(judge, element, uri[9:].lower(), tracks, asked, where)
    if asked.systems is not None:
        judge.equal("MPD: the configured systems", sorted(s[9:] for s in schemes if s.startswith("urn:uuid:")), sorted(s for s in asked.systems if s != cenc.FAIRPLAY), where)


def judge_switching(judge, period, where):
    """Sets of one kind with keys of their own say that players may switch among them (DASH-IF, Guidelines)."""
    for kind in {g.content_type for g in period.sets}:
        groups = [g for g in period.sets if g.content_type == kind and g.key_id]
        for group in groups:
            # Other codecs and languages are chosen, not switched to.
            others = {g.attributes.get("id") for g in groups if g.key_id != group.key_id and (kind == "video" or told_apart(g) == told_apart(group))}
            if not others:
                continue
            stated = [e.get("value", "") for e in group.element.findall(MPD + "SupplementalProperty") if e.get("schemeIdUri") == SWITCHING]
            judge.check("MPD: sets with other keys may be switched to", len(stated) == 1 and set(stated[0].split(",")) == others and None not in others,
                        lambda: f"{where} {kind}: {stated}, the others are {others}")


def judge_mpd(judge, out, asked):
    by_representation = {id(p.representation): (r, p) for r in out.renditions for p in r.parts}
    for number, period in enumerate(out.mpd.periods):
        judge_switching(judge, period, f"period {number}")
        for group in period.sets:
            where = f"period {number} {group.content_type}"
            if group.content_type == "text":
                judge.check("MPD: text is clear", group.element.find(MPD + "ContentProtection") is None, where)
                continue
            pairs = [by_representation[id(r)] for r in group.representations if id(r) in by_representation]
            if asked.key_of(pairs[0][0]) is False:
                judge.check("MPD: clear sets have no ContentProtection", group.element.find(MPD + "ContentProtection") is None, where)
                judge.check("clear sets have clear init segments", all(Track(p).protection is None for _, p in pairs), where)
                continue
            tracks = [judge_track(judge, r, p, asked, f"{where} {r.name}") for r, p in pairs]
            if all(tracks):
                judge_set(judge, group, tracks, asked, where)


# ---------------------------------------------------------------- playlists

def judge_uri(judge, key, form, track, asked, where):
    uri = key.get("URI", "")
    if form == WIDEVINE_FORMAT:
        judge.check("Widevine: URI is a data URI of base64", uri.startswith("data:text/plain;base64,"), f"{where}: {uri[:40]}")
        pssh = one_box(judge, decoded(judge, "Widevine: URI is base64", uri.partition("base64,")[2], where), cenc.WIDEVINE, where)
        if pssh and track:
            judge_payload(judge, pssh, track.protection.kid, track.protection.scheme, asked.keys, f"{where} playlist")
            judge.check("playlist and init segment carry the same pssh", all(b.box == pssh.box for b in track.boxes.get(cenc.WIDEVINE, [])), where)
    elif form == PLAYREADY_FORMAT:
        judge.check("PlayReady: URI is a data URI of UTF-16 and base64", uri.startswith("data:text/plain;charset=UTF-16;base64,"), f"{where}: {uri[:40]}")
        data = decoded(judge, "PlayReady: URI is base64", uri.partition("base64,")[2], where)
        if track:
            judge_payload(judge, cenc.Pssh(cenc.PLAYREADY, 0, [], data), track.protection.kid, track.protection.scheme, asked.keys, f"{where} playlist")
            judge.check("the playlist carries the payload of the init segment's pssh", all(b.data == data for b in track.boxes.get(cenc.PLAYREADY, [])), where)
    elif form == FAIRPLAY_FORMAT:
        judge.check("FairPlay: URI is skd://", uri.startswith("skd://") and len(uri) > 6, f"{where}: {uri[:40]}")
        judge.check("FairPlay: no IV attribute", "IV" not in key, where)
    elif form == CLEARKEY_FORMAT:
        kid = decoded(judge, "ClearKey: URI is base64", uri.partition("base64,")[2], where) if uri.startswith("data:") else b""
        judge.check("ClearKey: URI is a data URI of the key ID", track and kid == track.protection.kid, f"{where}: {uri[:60]}")
    elif form == IDENTITY:
        judge.check("plain key: URI is one of HTTP", uri.startswith(("http://", "https://")), f"{where}: {uri[:40]}")


def judge_key(judge, key, rendition, track, asked, where):
    form, method = key.get("KEYFORMAT", IDENTITY), key.get("METHOD")
    judge.check("EXT-X-KEY: no unknown attribute", set(key) <= ATTRIBUTES, f"{where}: {sorted(set(key) - ATTRIBUTES)}")
    judge.check("EXT-X-KEY: a format that is known", form in FORMAT_OF.values(), f"{where}: {form}")
    if track:
        judge.equal("EXT-X-KEY: METHOD fits the scheme of schm", method, METHOD_OF.get(track.protection.scheme), where)
        judge.check("EXT-X-KEY: KEYID is the key ID of tenc", key.get("KEYID", "0x" + track.protection.kid.hex()).lower() == "0x" + track.protection.kid.hex(), f"{where}: {key.get('KEYID')}")
    elif asked.method:
        judge.equal("EXT-X-KEY: METHOD is the configured one", method, asked.method.replace("_", "-"), where)
    if form != IDENTITY or "KEYFORMATVERSIONS" in key:
        judge.equal("EXT-X-KEY: KEYFORMATVERSIONS", key.get("KEYFORMATVERSIONS"), "1", f"{where}: {form}")
    wanted = asked.key_of(rendition)
    if form == IDENTITY and method == "SAMPLE-AES":
        judge.check("plain key: SAMPLE-AES says its IV", "IV" in key, where)
    if "IV" in key and wanted:
        judge.equal("EXT-X-KEY: IV is the configured one", key["IV"][2:].lower(), asked.constant_iv or wanted.iv.hex(), where)
    judge_uri(judge, key, form, track, asked, where)


def version_needed(key):
    return 5 if "KEYFORMAT" in key or "KEYFORMATVERSIONS" in key else 2 if "IV" in key else 1


def judge_playlist(judge, rendition, asked):
    sets, seen, number = [], set(), 0
    version, where = rendition.playlist.number("EXT-X-VERSION", 1), rendition.name
    clear = asked.key_of(rendition) is False
    for part in rendition.parts:
        here = f"{where} period {part.period}"
        track = judge_track(judge, rendition, part, asked, here) if rendition.cmaf and not clear else None
        for segment in part.segments:
            forms = sorted(k.get("KEYFORMAT", IDENTITY) for k in segment.keys)
            if clear or number < asked.lead:
                judge.check("clear segments have no key", not forms, f"{here} segment {number}: {forms}")
            else:
                sets.append(tuple(forms))
                judge.check("encrypted segments have a key", bool(forms), f"{here} segment {number}")
            number += 1
            for key in segment.keys:
                mark = tuple(sorted(key.items()))
                if (part.period, mark) not in seen:
                    judge_key(judge, key, rendition, track, asked, here)
                    judge.check("EXT-X-VERSION allows the attributes of EXT-X-KEY", version >= version_needed(key), f"{here}: {version}")
                seen.add((part.period, mark))
    judge.check("every segment has the same formats", len(set(sets)) <= 1, lambda: f"{where}: {sorted(set(sets))}")
    if sets:
        judge.check("a plain key stands alone", IDENTITY not in sets[0] or len(sets[0]) == 1, f"{where}: {sets[0]}")
        if asked.systems is not None:
            judge.equal("playlist: the configured systems", sorted(sets[0]), sorted({FORMAT_OF[s] for s in asked.systems}), where)
    if rendition.cmaf:
        judge.check("EXT-X-VERSION is that of EXT-X-MAP", version >= 6, f"{where}: {version}")
    return {mark for _, mark in seen}


def judge_session(judge, out, used):
    """EXT-X-SESSION-KEY of the master playlist against every EXT-X-KEY."""
    same = ("METHOD", "KEYFORMAT", "KEYFORMATVERSIONS", "URI", "KEYID")
    keys = {tuple((n, dict(k).get(n)) for n in same) for k in used}
    session = [tuple((n, k.get(n)) for n in same) for k in out.master.session_keys]
    judge.check("session keys: none twice", len(session) == len(set(session)), "")
    judge.check("session keys: METHOD is not NONE", all(k.get("METHOD") != "NONE" for k in out.master.session_keys), "")
    judge.check("session keys: each is a media playlist's key", set(session) <= keys, lambda: f"{[dict(k).get('KEYFORMAT') for k in set(session) - keys]}")
    missing = [dict(k) for k in keys - set(session) if dict(k).get("KEYFORMAT") not in (None, IDENTITY, CLEARKEY_FORMAT)]
    judge.check("session keys: each key of a DRM system has one", not missing, lambda: f"{missing[0]}")
    version = out.master.number("EXT-X-VERSION", 1)
    judge.check("session keys: EXT-X-VERSION allows their attributes", all(version >= version_needed(k) for k in out.master.session_keys), f"{version}")


def judge_hls(judge, out, asked):
    used, addresses = set(), {}
    for rendition in out.renditions:
        found = judge_playlist(judge, rendition, asked)
        used |= found
        kids = {Track(p).protection.kid for p in rendition.parts if Track(p).protection} if rendition.cmaf else set()
        for key in map(dict, found):
            if key.get("KEYFORMAT") == FAIRPLAY_FORMAT and kids:
                addresses.setdefault(key.get("URI"), set()).update(kids)
    judge.check("FairPlay: each key has a URI of its own", all(len(k) == 1 for k in addresses.values()), lambda: f"{addresses}")
    judge_session(judge, out, used)


def judge_signalling(report, subject, out, asked=None):
    with report.judge("signalling", subject) as judge:
        if out.mpd:
            judge_mpd(judge, out, asked or Asked())
        else:
            judge_hls(judge, out, asked or Asked())


def skip_readers(report):
    for reader, name in ((WidevineReader, "pywidevine"), (PlayReadyReader, "pyplayready")):
        if reader is None:
            report.skip("signalling", "all", f"a second reader, {name}", "it is not installed (pip install, see README.md)")


def main(*urls):
    report = Report()
    skip_readers(report)
    for url in urls:
        judge_signalling(report, url.rsplit("/", 1)[-1], presentation.load(url))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
