#!/usr/bin/env python3
"""Do the judges of encryption notice? What was served is spoiled in memory, and the right check has to fail.

usage: drmtest.py KEYS.json CLEAR_URL ENCRYPTED_URL...       (one package type)

Like `selftest.py`, for `decrypt.py`, `signalling.py`, `decryptors.py` and `leaks.py`; wrong keys in players are tried by
`drmplayers.py`. Proves that a check can fail, not that it fails for every such fault. A check that fails on the
unspoiled presentation too is skipped, and so is what the presentation has nothing of.
"""
import base64
import json
import os
import sys
import tempfile

import decrypt
import decryptors
import leaks
import presentation
import signalling
from keys import Keys
from report import Report
from selftest import box_at, in_box, of_kind, packet_where, patch, plus, spoil, text
from walkers import bmff, cenc, mpegts

ENTRY = "moov/trak/mdia/minf/stbl/stsd/encv"
TENC = ENTRY + "/sinf/schi/tenc"


def change(at, by=1):
    """Changes one byte."""
    return lambda data: patch(data, at, bytes([data[at] ^ by]))


def in_first_range(data):
    """Changes a byte that is encrypted: some way behind the end of the first subsample's clear bytes."""
    senc, mdat = box_at(data, "moof/traf/senc"), box_at(data, "mdat")
    for iv_size in (8, 16, 0):
        try:
            aux = cenc.read_senc(senc, iv_size)[0]
            break
        except bmff.BoxError:
            continue
    start, end = cenc.ranges(aux, len(mdat.data))[0]
    return change(mdat.start + mdat.header + start + min(3, end - start - 1), 0xFF)(data)


def iv_again(data):
    """The second sample gets the IV of the first (8-byte IVs)."""
    senc = box_at(data, "moof/traf/senc")
    first = cenc.read_senc(senc, 8)[0]
    return in_box("moof/traf/senc", 8 + first.size, lambda d: first.iv)(data)


def subsample_moved(iv_size, by):
    """Moves the border of the first subsample."""
    def go(data):
        at = 8 + iv_size + 2
        senc = box_at(data, "moof/traf/senc").data
        clear, protected = int.from_bytes(senc[at:at + 2], "big"), int.from_bytes(senc[at + 2:at + 6], "big")
        return in_box("moof/traf/senc", at, lambda d: (clear + by).to_bytes(2, "big") + (protected - by).to_bytes(4, "big"))(data)
    return go


def base64_in(before, after, by=20):
    """Changes a character within the base64 text between two marks."""
    def go(data):
        at = data.index(before.encode()) + len(before)
        end = data.index(after.encode(), at)
        if end - at < by + 8:
            raise ValueError("no base64 there")
        place = end - by
        return patch(data, place, b"A" if data[place:place + 1] != b"A" else b"B")
    return go


def without_line(mark):
    def go(data):
        lines = data.splitlines(keepends=True)
        at = next((i for i, line in enumerate(lines) if mark.encode() in line), None)
        if at is None:
            raise ValueError(f"no line with {mark}")
        return b"".join(lines[:at] + lines[at + 1:])
    return go


def digit_after(mark):
    def go(data):
        if mark.encode() not in data:
            raise ValueError(f"{mark!r} is not in it")
        at = data.index(mark.encode()) + len(mark)
        return patch(data, at, b"7" if data[at:at + 1] != b"7" else b"8")
    return go


def in_pmt(old, new):
    """Replaces bytes of every PMT and puts its checksum right."""
    def go(data):
        out, done, stream = bytearray(data), False, mpegts.read(data)
        for at in range(0, len(out), 188):
            packet = out[at:at + 188]
            if (packet[1] & 0x1F) << 8 | packet[2] != stream.pmt_pid or not packet[1] & 0x40:
                continue
            place = packet.find(old)
            start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
            start += 1 + packet[start]
            end = start + 3 + ((packet[start + 1] & 0x0F) << 8 | packet[start + 2])
            if not start <= place < end:
                raise ValueError(f"the PMT has no {old.hex()}")
            packet[place:place + len(new)] = new
            packet[end - 4:end] = mpegts.crc32(packet[start:end - 4]).to_bytes(4, "big")
            out[at:at + 188], done = packet, True
        if not done:
            raise ValueError("no PMT")
        return bytes(out)
    return go


def in_setup(at, by):
    """Changes a byte of the audio setup's data in every PMT."""
    def go(data):
        stream = mpegts.read(data)
        body = next(body for pid in stream.types for tag, body in stream.descriptors[pid] if tag == 5 and body[:4] == b"apad")
        return in_pmt(body, patch(body, 12 + at, bytes([body[12 + at] ^ by])))(data)
    return go


def sound_changed(at):
    """Changes a byte of the first syncframe."""
    def go(data):
        stream = mpegts.read(data)
        frame = bytes(stream.units(mpegts.AUDIO)[0].payload[:16])
        place = data.find(frame)
        if place < 0 or place % 188 > 187 - at:
            raise ValueError("no whole start of a syncframe in one packet")
        return change(place + at, 0x0F)(data)
    return go


def within_picture(data):
    """Changes the last byte of a packet well within a picture."""
    at = packet_where(data, of_kind(mpegts.VIDEO, False), 3)
    return change(at + 187, 0x55)(data)


CMAF = [
    ("segment", in_first_range, "decrypt", "decrypted samples are the clear ones"),
    ("audio segment", lambda d: change(box_at(d, "mdat").start + 40, 0xFF)(d), "decrypt", "decrypted samples are the clear ones"),
    ("segment", in_box("moof/traf/saio", 8, plus(4)), "decrypt", "saio points at"),
    ("segment", in_box("moof/traf/saiz", 9, lambda d: bytes([d[0] ^ 1])), "decrypt", "saiz says"),
    ("segment", in_box("moof/traf/senc", 4, lambda d: (int.from_bytes(d[:4], "big") + 1).to_bytes(4, "big")), "decrypt", "can be read"),
    ("plain", None, "decrypt", "every encrypted sample is changed"),
    ("init", in_box(ENTRY + "/sinf/schm", 4, lambda d: b"cens"), "decrypt", "init: the scheme is cenc or cbcs"),
    ("init", in_box(ENTRY + "/sinf/frma", 0, lambda d: b"avc3"), "decrypt", "init: frma"),
    ("init", in_box(TENC, 8, lambda d: bytes([d[0] ^ 1])), "decrypt", ""),
    ("init", in_box(TENC, 8, lambda d: bytes([d[0] ^ 1])), "signalling", ""),
    ("init", in_box("moov/mvhd", 12, lambda d: bytes([d[0] ^ 1])), "decrypt", "init: is the clear one but for"),
    ("init", in_box("moov/pssh", 4, lambda d: bytes([d[0] ^ 1])), "signalling", "init segments carry pssh boxes of known systems"),
    ("keys", None, "decrypt", "decrypted samples are the clear ones"),
    ("keys", None, "decryptors", "ffmpeg: pictures and sound"),
    ("keys", None, "decryptors", "Shaka Packager: pictures and sound"),
    ("segment", in_first_range, "decryptors", "ffmpeg: pictures and sound"),
]
OF_CENC = [
    ("segment", in_box("moof/traf/senc", 8, plus(8)), "decrypt", "decrypted samples are the clear ones"),
    ("segment", iv_again, "decrypt", "no IV comes twice under one key"),
    ("segment", subsample_moved(8, 16), "decrypt", "cenc: no block is left clear"),
    ("segment", subsample_moved(8, 5), "decrypt", "cenc: whole blocks"),
    ("segment", subsample_moved(8, -16), "decrypt", "cenc: the slice header is clear"),
    ("init", in_box(TENC, 7, lambda d: b"\x10"), "decrypt", ""),
    ("init", in_box(TENC, 0, lambda d: b"\1"), "decrypt", "init: tenc of cenc"),
]
OF_CBCS = [
    ("segment", subsample_moved(0, 1), "decrypt", "cbcs: protected from the end"),
    ("segment", subsample_moved(0, -1), "decrypt", "cbcs: protected from the end"),
    ("init", in_box(TENC, 5, lambda d: b"\x28"), "decrypt", "init: pattern"),
    ("init", in_box(TENC, 25, lambda d: bytes([d[0] ^ 1])), "decrypt", "decrypted samples are the clear ones"),
    ("init", in_box(TENC, 0, lambda d: b"\0"), "decrypt", "init: tenc of cbcs"),
]
DASH = [
    ("master", digit_after('default_KID="'), "signalling", "MPD: default_KID"),
    ("master", text('value="cenc"', 'value="cens"'), "signalling", "MPD: mp4protection names"),
    ("master", text('value="cbcs"', 'value="cbc1"'), "signalling", "MPD: mp4protection names"),
    ("master", base64_in("<cenc:pssh>", "</cenc:pssh>"), "signalling", ""),
    ("master", base64_in("<mspr:pro>", "</mspr:pro>", 60), "signalling", "MPD: mspr:pro"),
    ("master", text("dashif:Laurl", "dashif:laurl", 2), "signalling", "MPD: Laurl is spelt"),
    ("master", text("urn:mpeg:dash:mp4protection:2011", "urn:mpeg:dash:mp4protection:2012"), "signalling", "MPD: one mp4protection"),
]
HLS = [
    ("playlist", text("METHOD=SAMPLE-AES-CTR", "METHOD=SAMPLE-AES"), "signalling", "EXT-X-KEY: METHOD"),
    ("playlist", text("METHOD=SAMPLE-AES,", "METHOD=AES-128,"), "signalling", "EXT-X-KEY: METHOD"),
    ("playlist", text("METHOD=AES-128,", "METHOD=SAMPLE-AES,"), "signalling", "EXT-X-KEY: METHOD"),
    ("playlist", text('KEYFORMATVERSIONS="1"', 'KEYFORMATVERSIONS="2"'), "signalling", "EXT-X-KEY: KEYFORMATVERSIONS"),
    ("playlist", text("skd://", "https://"), "signalling", "FairPlay: URI"),
    ("playlist", text("charset=UTF-16;", ""), "signalling", "PlayReady: URI"),
    ("playlist", digit_after("KEYID=0x"), "signalling", "EXT-X-KEY: KEYID"),
    ("playlist", base64_in("data:text/plain;base64,", '"'), "signalling", ""),
    ("master", without_line("EXT-X-SESSION-KEY"), "signalling", "session keys: each key of a DRM system"),
    ("master", text("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES", "#EXT-X-SESSION-KEY:METHOD=NONE"), "signalling", "session keys:"),
]
VERSION = [("playlist", lambda d: d.replace(b"#EXT-X-VERSION:" + d.split(b"#EXT-X-VERSION:")[1][:1], b"#EXT-X-VERSION:1"), "signalling", "EXT-X-VERSION")]
TS = [
    ("playlist", digit_after("IV=0x"), "decrypt", ""),
    ("playlist", digit_after("IV=0x"), "signalling", "EXT-X-KEY: IV is the configured one"),
    ("keys", None, "decrypt", ""),
]
OF_AES_128 = [
    ("segment", change(3000), "decrypt", "decrypted segments are the clear ones"),
    ("segment", lambda d: d[:-16], "decrypt", ""),
    ("plain", None, "decrypt", ""),
    ("segment", change(30_000), "decryptors", "ffmpeg plays the playlist"),
]
OF_SAMPLE_AES = [
    ("segment", within_picture, "decrypt", "decrypted NAL units are the clear ones"),
    ("segment", in_pmt(b"\xdb", b"\x1b"), "decrypt", "stream type says encrypted"),
    ("segment", in_pmt(b"zavc", b"zavx"), "decrypt", "private data indicator"),
    ("segment", in_pmt(b"zaac", b"zaax"), "decrypt", "audio setup"),
    ("plain", None, "decrypt", "stream type says encrypted"),
]
# Of codecs that few titles have; what others show already is not tried again.
HEVC = [
    ("segment", in_first_range, "decrypt", "decrypted samples are the clear ones"),
    ("keys", None, "decrypt", "decrypted samples are the clear ones"),
    ("plain", None, "decrypt", "every encrypted sample is changed"),
    ("init", in_box(ENTRY + "/sinf/frma", 0, lambda d: b"hev1"), "decrypt", "init: frma"),
    ("keys", None, "decryptors", "ffmpeg: pictures and sound"),
    ("keys", None, "decryptors", "Shaka Packager: pictures and sound"),
]
DOLBY = [
    ("segment", sound_changed(40), "decrypt", "decrypted audio frames are the clear ones"),
    ("segment", sound_changed(9), "decrypt", "the first 16 bytes of a frame are clear"),
    ("keys", None, "decrypt", ""),
    ("plain", None, "decrypt", "stream type says encrypted"),
]
OF_AC3 = [
    ("segment", in_pmt(b"\xc1\xe1", b"\x81\xe1"), "decrypt", "stream type says encrypted"),
    ("segment", in_pmt(b"ac3d", b"ec3d"), "decrypt", "private data indicator"),
    ("segment", in_pmt(b"zac3", b"zec3"), "decrypt", "audio setup: registration"),
    ("segment", in_pmt(b"\x0a\x0b\x77", b"\x0a\x0b\x78"), "decrypt", "audio setup: the first ten bytes"),
]
OF_EAC3 = [
    ("segment", in_pmt(b"\xc2\xe1", b"\x87\xe1"), "decrypt", "stream type says encrypted"),
    ("segment", in_pmt(b"ec3d", b"ac3d"), "decrypt", "private data indicator"),
    ("segment", in_pmt(b"zec3", b"zac3"), "decrypt", "audio setup: registration"),
    ("segment", in_setup(3, 1), "decrypt", "audio setup: a dec3 box"),
]


def plan_for(out):
    if out.format == "HLS":
        key = out.renditions[0].parts[0].segments[-1].keys[0]
        plain = key.get("KEYFORMAT", signalling.IDENTITY) == signalling.IDENTITY       # needs no session key
        tags = [t for t in HLS if not (plain and t[3].startswith("session keys: each key of a DRM"))]
        return TS + tags + VERSION + (OF_AES_128 if key["METHOD"] == "AES-128" else OF_SAMPLE_AES)
    scheme = cenc.read_protection(out.renditions[0].parts[0].init.entries[0]).scheme
    return CMAF + (OF_CENC if scheme == "cenc" else OF_CBCS) + (DASH if out.mpd else HLS + VERSION)


def failing(name, url, clear, keys, key_at, asked):
    """Checks of one judge that fail. Only local files and HTTP that cannot be spoiled are asked again."""
    report = Report()
    try:
        out = presentation.load(url)
    except Exception as error:      # noticed, if bluntly
        return {f"cannot be loaded: {error}"}
    if name == "decrypt":
        narrow(out), narrow(clear)
        decrypt.judge_decrypt(report, "x", out, clear, keys, key_at(keys), None, asked.lead)
    elif name == "signalling":
        signalling.judge_signalling(report, "x", out, asked)
    else:
        only_first(out), only_first(clear)
        decryptors.judge_decryptors(report, "x", out, clear, keys)
    return {r[2] for r in report.rows if r[3] == "FAIL"}


def narrow(out):
    """The first rendition of each kind and two of its segments are enough: nothing else is spoiled."""
    out.renditions = [next(r for r in out.renditions if r.kind == kind) for kind in dict.fromkeys(r.kind for r in out.renditions)]
    for part in [p for r in out.renditions for p in r.parts]:
        del part.segments[2:]
    out.tricks.clear()


def only_first(out):
    """One rendition is enough for what starts programs."""
    narrow(out)
    del out.renditions[1:]


def spoil_pair(target, how, out, clear):
    """As selftest.spoil; `plain` puts the clear segment where the encrypted one was."""
    if target != "plain":
        return spoil(target, how, out)
    a, b = (p.of("video", "muxed")[0].parts[0].segments[:2][-1] for p in (out, clear))
    kept = {a.url: presentation.fetch(a.url)}
    presentation._bytes[a.url] = b.data
    return kept


def judge_one(report, subject, url, clear_url, keys, key_at, asked, plan=None):
    """`plan`: other ways to spoil it than those of `plan_for`."""
    out, clean, wrong = presentation.load(url), {}, {}
    with report.judge("selftest", subject) as judge:
        for index, (target, how, name, check) in enumerate(plan or plan_for(out)):
            if out.format == "HLS" and asked.systems is None and check.startswith("EXT-X-KEY"):
                continue            # only who knows what was configured can tell
            if name == "decryptors" and (out.format == "HLS" or not decryptors.ffmpeg()[0]):
                continue
            label = f"{name} notices {index}: {check or 'something'} ({target})"
            again = lambda k=keys: failing(name, url, presentation.load(clear_url), k, key_at, asked)
            clean[name] = clean[name] if name in clean else again()
            if target == "keys" and name not in wrong:
                wrong[name] = again(keys.spoiled())
            kept = {}
            try:
                kept = spoil_pair(target, how, out, presentation.load(clear_url)) if target != "keys" else {}
            except (ValueError, IndexError, AttributeError) as error:
                if "has no" not in str(error) and "not in it" not in str(error) and "not found" not in str(error) and "no " not in str(error):
                    judge.skip(label, f"cannot be spoiled: {error}")
                continue
            try:
                found = wrong[name] if target == "keys" else again()
            finally:
                presentation._bytes.update(kept)
            fresh = found - clean[name]
            if any(f.startswith(check) for f in fresh) or any("be read" in f or "be loaded" in f for f in fresh):
                judge.check(label, True)
            elif check and any(f.startswith(check) for f in clean[name]):
                judge.skip(label, "fails on the unspoiled presentation too")
            else:
                judge.check(label, False, f"fails are {sorted(fresh)}")


def judge_leaks(report):
    """A key and a token in every form in a file of its own, and a file without any."""
    key, token = bytes(range(0x41, 0x51)), "Token/with+signs=1"
    forms = {"hex": key.hex(), "HEX": key.hex().upper(), "base64": base64.b64encode(key).decode(), "base64url": base64.urlsafe_b64encode(key).decode().rstrip("="),
             "bytes": key, "Debug": "secret: " + str(list(key)), "token": token, "token as base64": base64.b64encode(token.encode()).decode()}
    secrets = leaks.Secrets({"the key": key}, {"the token": token})
    with report.judge("selftest", "leaks") as judge, tempfile.TemporaryDirectory() as folder:
        for number, (name, form) in enumerate(forms.items()):
            path = os.path.join(folder, f"{number}.log")
            with open(path, "wb") as f:
                f.write(b"packorigin says " + b"x" * 100 + (form if isinstance(form, bytes) else form.encode()) + b" and more")
            inner = Report()
            with inner.judge("leaks", "x") as one:
                leaks.judge_files(one, "log", secrets, [path])
            judge.check(f"leaks notices a secret as {name}", inner.count("FAIL") == 1, inner.rows)
        judge.check("leaks finds nothing where nothing is", not secrets.found_in(b"packorigin " + bytes(range(256))[::-1] * 9), "")


def judge_judges(report, titles, configurations, keys):
    """One configuration of each kind, on the title that has several slices, and what is special to other codecs."""
    from drm import CLEAR_OF, SLICED, SLICED_HEVC, key_at
    judge_leaks(report)
    wanted = [(SLICED, name, None) for name in ("dash-cenc", "dash-cbcs", "cmaf-cbcs", "cmaf-cenc", "hls-aes-128", "hls-sample-aes", "hls-fairplay")]
    wanted += [(SLICED_HEVC, "dash-cenc", HEVC + OF_CENC), (SLICED_HEVC, "cmaf-cbcs", HEVC + OF_CBCS),
               ("ac3-surround", "hls-sample-aes", DOLBY + OF_AC3), ("eac3-surround", "hls-sample-aes", DOLBY + OF_EAC3)]
    for title, name, plan in wanted:
        c = configurations.get(name)
        if c and name in titles.urls.get(title, {}):
            presentation.forget()
            judge_one(report, f"{title} {name}", titles.urls[title][name], titles.urls[title][CLEAR_OF[c.package_type]], keys,
                      lambda k, c=c: key_at(c, k), signalling.Asked(c.encryption, c.key_of, keys), plan)


def main(path, clear, *urls):
    with open(path) as f:
        keys = Keys({bytes.fromhex(kid): bytes.fromhex(key) for kid, key in json.load(f).items()})
    report = Report()
    judge_leaks(report)
    for url in urls:
        judge_one(report, "/".join(url.split("/")[-2:]), url, clear, keys, decrypt.key_named, signalling.Asked(None, None, keys))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
