#!/usr/bin/env python3
"""What is encrypted is, once decrypted, the clear thing to the byte; and it is encrypted the way the standards say.

usage: decrypt.py KEYS.json CLEAR_URL ENCRYPTED_URL       KEYS: {"32 hex digits": "32 hex digits"}, key IDs to keys

The clear and the encrypted presentation have the same package type and segment duration. Proves, with ciphers of
Python's `cryptography` and walkers of its own: samples, times and flags of every fragment are those of the clear one
(cenc and cbcs, ISO/IEC 23001-7); so are transport streams with AES-128, byte for byte, and every NAL unit and audio
frame with SAMPLE-AES; what should be encrypted is changed. Boxes: sinf, schm, tenc; senc, saiz and saio agree; the
init segment is the clear one but for them. Subsamples: protected ranges end with the NAL unit, start at the end of the
slice header (cbcs) or less than a block behind it in whole blocks (cenc), by a slice parser of its own; parameter sets
and SEI stay clear. No cenc IV comes twice under one key, over all segments of a presentation, and over all titles.

Cannot prove what real content decryption modules do, or judge seig groups. Codecs: pictures of H.264 and HEVC; in
fragments any sound, with SAMPLE-AES AAC, AC-3 and E-AC-3, which is all that it has words for.
"""
import base64
import hashlib
import json
import re
import sys

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR

import presentation
import trick as trick_module
from keys import Keys
from report import Report
from walkers import bmff, cenc, dolby, h264, hevcslices, mpegts, slices

UNKNOWN = object()      # an IV that only the media tells
PICTURES = ("avc1", "avc3", "hvc1", "hev1")
DOLBY = (mpegts.ENCRYPTED_AC3, mpegts.ENCRYPTED_EAC3)


# ---------------------------------------------------------------- ciphers

def cbc(key, iv, data):
    d = Cipher(AES(key), CBC(iv)).decryptor()
    return d.update(data) + d.finalize()


def sample_of_cenc(data, aux, key):
    """One counter for the whole sample; clear bytes do not move it."""
    out = bytearray(data)
    d = Cipher(AES(key), CTR(aux.iv.ljust(16, b"\0"))).decryptor()
    for start, end in cenc.ranges(aux, len(data)):
        out[start:end] = d.update(bytes(out[start:end]))
    return bytes(out)


def blocks_of(start, end, crypt, skip):
    """Where the encrypted 16-byte blocks of a range lie. A pattern of 0:0 encrypts every whole block."""
    at = start
    while at + 16 <= end:
        run = crypt if skip else (end - at) // 16
        for _ in range(run):
            if at + 16 > end:
                return
            yield at
            at += 16
        at += 16 * skip


def sample_of_cbcs(data, aux, protection, key):
    """The IV starts anew at each subsample and the chain runs through encrypted blocks alone."""
    out = bytearray(data)
    for start, end in cenc.ranges(aux, len(data)):
        places = list(blocks_of(start, end, protection.crypt, protection.skip))
        clear = cbc(key, protection.iv, b"".join(out[p:p + 16] for p in places))
        for number, place in enumerate(places):
            out[place:place + 16] = clear[number * 16:number * 16 + 16]
    return bytes(out)


def samples(fragment, init, keys):
    """(sample, its auxiliary information, its clear bytes) of a fragment; the information is None where it is clear."""
    protection = cenc.read_protection(init.entries[fragment.description - 1])
    if protection is None or not protection.protected:
        return [(s, None, bytes(s.data)) for s in fragment.samples], None
    senc, key = fragment.moof.get("traf/senc"), keys[protection.kid]
    if senc is None:
        if protection.iv_size:
            raise bmff.BoxError("encrypted fragment without senc")
        information = [cenc.Aux(b"", None)] * len(fragment.samples)
    else:
        information = cenc.read_senc(senc, protection.iv_size)
    if len(information) != len(fragment.samples):
        raise bmff.BoxError(f"senc counts {len(information)} samples, trun {len(fragment.samples)}")
    if protection.scheme == "cenc":
        clear = [sample_of_cenc(s.data, a, key) for s, a in zip(fragment.samples, information)]
    elif protection.scheme == "cbcs":
        clear = [sample_of_cbcs(s.data, a, protection, key) for s, a in zip(fragment.samples, information)]
    else:
        raise ValueError(f"scheme {protection.scheme} cannot be undone")
    return list(zip(fragment.samples, information, clear)), protection


def aes_128(data, key, iv):
    """A whole segment, padding taken off (RFC 8216, 4.3.2.4)."""
    if not data or len(data) % 16:
        raise ValueError(f"segment of {len(data)} bytes is not made of whole blocks")
    clear = cbc(key, iv, data)
    pad = clear[-1]
    if not 1 <= pad <= 16 or clear[-pad:] != bytes([pad]) * pad:
        raise ValueError("the padding is wrong")
    return clear[:-pad]


def nal_of_sample_aes(nal, key, iv):
    """Bytes 0 to 31 are clear, then one block in ten is encrypted while more than a block remains."""
    if h264.kind(nal) not in (h264.SLICE, h264.IDR) or len(nal) <= 48:
        return nal
    out = bytearray(nal.replace(b"\0\0\3", b"\0\0"))
    at, places = 32, []
    while len(out) - at > 16:
        places.append(at)
        at += 16 + min(144, len(out) - at - 16)
    clear = cbc(key, iv, b"".join(out[p:p + 16] for p in places))
    for number, place in enumerate(places):
        out[place:place + 16] = clear[number * 16:number * 16 + 16]
    return bytes(out)


def frame_of_sample_aes(frame, key, iv):
    """An audio frame without its ADTS header: 16 bytes clear, then whole blocks."""
    end = 16 + max(len(frame) - 16, 0) // 16 * 16
    return frame[:16] + cbc(key, iv, frame[16:end]) + frame[end:] if len(frame) > 16 else frame


def dolby_of_sample_aes(unit, key, iv):
    """Each syncframe of an access unit is a frame of its own; E-AC-3 has several in one."""
    found, faults = dolby.syncframes(unit)
    if faults:
        raise ValueError(faults[0])
    return b"".join(frame_of_sample_aes(unit[at:at + header.size], key, iv) for at, header in found)


def iv_from(data, plain, key):
    """The IV of SAMPLE-AES that no playlist says (FairPlay), from the first encrypted block and what it should be."""
    stream, reference = mpegts.read(data), mpegts.read(plain)
    for unit, other in zip(stream.units(mpegts.VIDEO), reference.units(mpegts.VIDEO)):
        for nal, clear in zip(h264.annex_b(bytes(unit.payload)), h264.annex_b(bytes(other.payload))):
            if h264.kind(clear) in (h264.SLICE, h264.IDR) and len(clear) > 48:
                block = cbc(key, bytes(16), nal.replace(b"\0\0\3", b"\0\0")[32:48])
                return bytes(a ^ b for a, b in zip(block, clear[32:48]))
    raise ValueError("no encrypted slice to tell the IV from")


# ---------------------------------------------------------------- fragmented MP4

def judge_entry(judge, entry, plain, protection, where):
    """sinf and tenc of an encrypted sample entry."""
    video = plain.kind in PICTURES
    judge.equal("init: the entry is encrypted", entry.kind, "encv" if video else "enca", where)
    judge.equal("init: frma is the clear entry's type", protection.original, plain.kind, where)
    judge.equal("init: sinf holds frma, schm, schi", protection.order, ["frma", "schm", "schi"], where)
    judge.equal("init: sinf is the entry's last box", entry.children[-1].kind, "sinf", where)
    judge.equal("init: schm version is 1.0", protection.scheme_version, 0x10000, where)
    judge.check("init: the scheme is cenc or cbcs", protection.scheme in ("cenc", "cbcs"), f"{where}: {protection.scheme}")
    judge.equal("init: tenc says protected", protection.protected, 1, where)
    judge.check("init: key ID is not zero", any(protection.kid), where)
    if protection.scheme == "cenc":
        judge.equal("init: tenc of cenc is version 0, no pattern, 8-byte IVs",
                    (protection.version, protection.crypt, protection.skip, protection.iv_size, len(protection.tenc)), (0, 0, 0, 8, 24), where)
    else:
        judge.equal("init: tenc of cbcs is version 1 with a constant IV of 16 bytes", (protection.version, protection.iv_size, len(protection.iv)), (1, 0, 16), where)
        judge.equal("init: pattern", (protection.crypt, protection.skip), (1, 9) if video else (0, 0), where)


def leaves(box, path=""):
    """Every box without protection, as (path, bytes); of sample entries the fixed part."""
    skip = bmff.SAMPLE_ENTRIES.get(box.kind)
    if box.children:
        yield path, box.data[:skip or 0] if skip else b""
        for child in box.children:
            if child.kind not in ("sinf", "pssh"):
                name = child.get("sinf/frma").data.decode("latin1") if child.kind in ("encv", "enca") and child.get("sinf/frma") else child.kind
                yield from leaves(child, f"{path}/{name}")
    else:
        yield path, box.data


def judge_init(judge, part, clear, where):
    init, plain = part.init, clear.init
    protection = cenc.read_protection(init.entries[0])
    if not judge.check("init: has a sinf", protection is not None, where):
        return init
    judge_entry(judge, init.entries[0], plain.entries[0], protection, where)
    if len(init.entries) == 2:      # a clear lead
        judge.equal("init: the second entry is the clear one", (init.entries[1].kind, init.entries[1].data), (plain.entries[0].kind, plain.entries[0].data), where)
    root = bmff.file(part.init_data)
    mine = [(p, d) for p, d in leaves(root) if not p.startswith("/ftyp")]
    other = [(p, d) for p, d in leaves(bmff.file(clear.init_data)) if not p.startswith("/ftyp")]
    if len(init.entries) == 2:
        at = next(i for i, (p, _) in enumerate(mine) if "/stsd/" in p)
        count = len([1 for p, _ in mine if "/stsd/" in p]) // 2
        del mine[at + count:at + 2 * count]
    odd = next((f"{a[0]} against {b[0]}" for a, b in zip(mine, other) if a != b), None)
    judge.check("init: is the clear one but for the protection", odd is None and len(mine) == len(other), lambda: f"{where}: {odd or 'more or fewer boxes'}")
    judge.check("init: pssh boxes stand in moov alone", not root.all("pssh"), where)
    for box in root.all("moov/pssh"):
        pssh = cenc.read_pssh(box)
        judge.check("init: a pssh with KIDs lists this one", not pssh.kids or protection.kid in pssh.kids, f"{where}: {pssh.system}")
    return init


def judge_auxiliary(judge, fragment, protection, where):
    """senc, saiz and saio say the same."""
    traf = fragment.moof.need("traf")
    kinds = [c.kind for c in traf.children]
    judge.check("at most one senc, saiz, saio", all(kinds.count(k) <= 1 for k in ("senc", "saiz", "saio")), f"{where}: {kinds}")
    present = {k for k in ("senc", "saiz", "saio") if k in kinds}
    if protection is None:
        judge.check("clear fragments have no senc", not present, f"{where}: {sorted(present)}")
        return
    needed = protection.iv_size > 0 or fragment.samples and protection.original in PICTURES
    judge.check("senc, saiz and saio together, or none where they would be empty", len(present) == 3 or not present and not needed, f"{where}: {sorted(present)}")
    if len(present) < 3:
        return
    senc = traf.need("senc")
    information = cenc.read_senc(senc, protection.iv_size)
    judge.equal("senc counts the samples of trun", len(information), len(fragment.samples), where)
    judge.equal("saiz says the sizes of senc", cenc.read_saiz(traf.need("saiz")), [a.size for a in information], where)
    judge.equal("saio points at the first entry of senc", [fragment.moof.start + o for o in cenc.read_saio(traf.need("saio"))], [senc.start + 16], where)
    for number, (sample, aux) in enumerate(zip(fragment.samples, information)):
        if aux.subsamples is not None:
            judge.equal("subsamples sum to the sample's size", sum(c + p for c, p in aux.subsamples), len(sample.data), f"{where} sample {number}")


def judge_ranges(judge, syntax, aux, clear, protection, sets, where):
    """The protected ranges of one picture against its NAL units. `syntax`: what reads its slices."""
    protected, at = cenc.ranges(aux, len(clear)), 0
    judge.check("pictures have subsamples", aux.subsamples is not None, where)
    for nal in h264.length_prefixed(clear):
        start, end = at + 4, at + 4 + len(nal)
        inside = [(max(a, at), min(b, end)) for a, b in protected if a < end and b > at]
        at = end
        if not syntax.is_slice(nal):
            sets.feed(nal)
            judge.check("parameter sets and SEI stay clear", not inside, lambda: f"{where}: NAL unit type {syntax.kind(nal)}")
            continue
        headers = {start + n for n in syntax.header_sizes(nal, sets)}
        room = end - max(headers)
        if not judge.check("one protected range in each slice", len(inside) == 1 or room < 16 and not inside, lambda: f"{where}: {inside}, {room} bytes of slice data"):
            continue
        for a, b in inside:
            judge.equal("protected up to the end of the slice", b, end, where)
            if protection.scheme == "cbcs":
                judge.check("cbcs: protected from the end of the slice header", a in headers, lambda: f"{where}: from byte {a - start}, the header has {[h - start for h in headers]}")
            else:
                judge.check("cenc: the slice header is clear", a >= min(headers), lambda: f"{where}: from byte {a - start}, the header has {[h - start for h in headers]}")
                judge.equal("cenc: whole blocks are protected", (b - a) % 16, 0, where)
                judge.check("cenc: no block is left clear", a - min(headers) <= 16, lambda: f"{where}: {a - min(headers)} bytes of slice data are clear")


def same(a, b):
    return (a.dts, a.duration, a.offset, a.flags, len(a.data)) == (b.dts, b.duration, b.offset, b.flags, len(b.data))


class Counters:
    """Which IVs were used under which key, and for what."""

    def __init__(self):
        self.used = {}

    def repeats(self, kid, aux, clear):
        """Whether this IV has encrypted something else before. The same sample over again leaks nothing."""
        mark = (hashlib.sha256(clear).digest(), tuple(aux.subsamples or ()))
        return self.used.setdefault((kid, aux.iv), mark) != mark


def judge_cmaf(judge, rendition, clear, keys, counters, lead):
    totals = {"encrypted": 0, "same": 0}
    for part, plain in zip(rendition.parts, clear.parts):
        where = f"{rendition.name} period {part.period}"
        init = judge_init(judge, part, plain, where)
        syntax = hevcslices if init.entry in ("hvc1", "hev1") else slices
        plain_init, sets, own = plain.init, syntax.ParameterSets(), Counters()
        if init.handler == "vide":
            sets.feed_config(init.config)
        judge.equal("segments in number", len(part.segments), len(plain.segments), where)
        for number, (segment, other) in enumerate(zip(part.segments, plain.segments)):
            here = f"{where} segment {number}"
            for fragment, reference in zip(bmff.read_segment(segment.data, init), bmff.read_segment(other.data, plain_init)):
                found, protection = samples(fragment, init, keys)
                lead_here = number < lead and part.period == 0
                judge.equal("clear where it is to be clear", protection is None, lead_here, here)
                judge_auxiliary(judge, fragment, protection, here)
                judge.check("times, durations, flags and sizes are the clear ones", len(found) == len(reference.samples)
                            and all(same(s, r) for (s, _, _), r in zip(found, reference.samples)), here)
                wrong = next((i for i, ((_, _, c), r) in enumerate(zip(found, reference.samples)) if c != r.data), None)
                judge.check("decrypted samples are the clear ones", wrong is None, lambda: f"{here}: sample {wrong} of {len(found)} differs")
                if protection is None:
                    continue
                for index, (sample, aux, _) in enumerate(found):
                    data = bytes(reference.samples[index].data) if index < len(reference.samples) else b""
                    at = f"{here} sample {index}"
                    if any(e - s >= 16 for s, e in cenc.ranges(aux, len(data))):
                        totals["encrypted"] += 1
                        totals["same"] += bytes(sample.data) == data
                    if init.handler == "vide":
                        judge_ranges(judge, syntax, aux, data, protection, sets, at)
                    else:
                        judge.check("sound has no clear subsamples", aux.subsamples is None or cenc.ranges(aux, len(data)) == [(0, len(data))], at)
                    if protection.iv_size:
                        judge.check("no IV comes twice in a rendition", not own.repeats(protection.kid, aux, data + index.to_bytes(4, "big") + segment.url.encode()), at)
                        judge.check("no IV comes twice under one key", not counters.repeats(protection.kid, aux, data), at)
    judge.check("samples are encrypted", totals["encrypted"] > 0, rendition.name)
    judge.check("every encrypted sample is changed", totals["same"] == 0, lambda: f"{rendition.name}: {totals['same']} of {totals['encrypted']} are not")


# ---------------------------------------------------------------- transport streams

def iv_of(segment, tag):
    return bytes.fromhex(tag["IV"][2:]) if "IV" in tag else segment.sequence.to_bytes(16, "big")


def judge_tables(judge, stream, plain, where):
    """Stream types and descriptors of SAMPLE-AES (Apple, MPEG-2 Stream Encryption Format)."""
    wanted = {mpegts.H264: (mpegts.ENCRYPTED_H264, b"zavc"), mpegts.AAC: (mpegts.ENCRYPTED_AAC, b"aacd"),
              mpegts.AC3: (mpegts.ENCRYPTED_AC3, b"ac3d"), mpegts.EAC3: (mpegts.ENCRYPTED_EAC3, b"ec3d")}
    judge.equal("PIDs are the clear ones", sorted(stream.types), sorted(plain.types), where)
    for pid, kind in plain.types.items():
        if kind not in wanted or pid not in stream.types:
            continue
        number, name = wanted[kind]
        tags = dict(stream.descriptors[pid])
        judge.equal("stream type says encrypted", stream.types[pid], number, where)
        judge.equal("private data indicator names the format", tags.get(0x0F), name, where)
        if kind == mpegts.AAC:
            judge_audio_setup(judge, tags.get(0x05, b""), where)
        elif kind in (mpegts.AC3, mpegts.EAC3):
            judge_dolby_setup(judge, tags.get(0x05, b""), kind, mpegts.audio_frames(plain)[0], where)


def judge_audio_setup(judge, body, where):
    judge.check("audio setup: registration of apad with zaac, zach or zacp", body[:4] == b"apad" and body[4:8] in (b"zaac", b"zach", b"zacp"), f"{where}: {body.hex()}")
    judge.check("audio setup: priming, version 1, an AudioSpecificConfig", len(body) > 13 and body[8:11] == b"\0\0\1" and body[11] == len(body) - 12
                and body[12] >> 3 in (2, 5, 29), f"{where}: {body.hex()}")


def judge_dolby_setup(judge, body, kind, frames, where):
    """Setup data: of AC-3 the first ten bytes of a syncframe, of E-AC-3 what a dec3 box holds."""
    code = b"zac3" if kind == mpegts.AC3 else b"zec3"
    judge.check("audio setup: registration of apad with zac3 or zec3, priming, version 1, length", body[:4] == b"apad" and body[4:8] == code
                and len(body) > 12 and body[8:11] == b"\0\0\1" and body[11] == len(body) - 12, f"{where}: {body.hex()}")
    data = body[12:]
    if kind == mpegts.AC3:
        judge.check("audio setup: the first ten bytes of a syncframe", data in {f.data[:10] for f in frames}, f"{where}: {data.hex()}")
        return
    box = dolby.read_dec3(data)
    told = [(s.fscod, s.bsid, s.acmod, s.lfe, s.dependents) for s in box.substreams]
    headers = [h for _, h in dolby.syncframes(frames[0].data)[0]]
    found = [(h.fscod, h.bsid, h.acmod, h.lfe, sum(d.dependent for d in headers)) for h in headers[:1]]
    judge.check("audio setup: a dec3 box that says what syncframes say", told[:1] == found and not box.left, lambda: f"{where}: {told}, is {found}, {box.left} bytes too many")


def units_of(stream):
    """(NAL units, PTS, DTS) of each picture; (data, PTS) of each audio frame."""
    pictures = [(h264.annex_b(bytes(p.payload)), p.pts, p.dts) for p in stream.units(mpegts.VIDEO)]
    frames, faults = mpegts.audio_frames(stream)
    return pictures, frames, faults


def without_sound(stream):
    for pid in [p for p, kind in stream.types.items() if kind in mpegts.AUDIO]:
        del stream.types[pid]
    return stream


def judge_sample_aes(judge, data, plain, key, iv, where, lacking=()):
    stream, reference = mpegts.read(data), mpegts.read(plain)
    if "audio" in lacking:
        judge.check("sound that cannot be encrypted is left out", stream.pid(mpegts.AUDIO) is None, lambda: f"{where}: {stream.types}")
        reference = without_sound(reference)
    judge.check("packets, counters and tables", not stream.faults, lambda: f"{where}: {stream.faults[0]}")
    judge_tables(judge, stream, reference, where)
    pictures, frames, faults = units_of(stream)
    clear_pictures, clear_frames, _ = units_of(reference)
    judge.check("audio frames are whole", not faults, lambda: f"{where}: {faults[0]}")
    judge.equal("pictures in number", len(pictures), len(clear_pictures), where)
    judge.equal("audio frames in number", len(frames), len(clear_frames), where)
    judge.check("times are the clear ones", [p[1:] for p in pictures] == [p[1:] for p in clear_pictures]
                and [f.pts for f in frames] == [f.pts for f in clear_frames], where)
    long, unchanged = 0, 0
    for number, ((nals, *_), (wanted, *_)) in enumerate(zip(pictures, clear_pictures)):
        judge.check("decrypted NAL units are the clear ones", [nal_of_sample_aes(n, key, iv) for n in nals] == wanted, f"{where} picture {number}")
        for nal, other in zip(nals, wanted):
            if h264.kind(other) in (h264.SLICE, h264.IDR) and len(other) > 48:
                long, unchanged = long + 1, unchanged + (nal == other)
            judge.check("no start code within a NAL unit", not any(code in nal for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2")), f"{where} picture {number}")
    undone = dolby_of_sample_aes if stream.types.get(stream.pid(mpegts.AUDIO)) in DOLBY else frame_of_sample_aes
    for number, (frame, other) in enumerate(zip(frames, clear_frames)):
        judge.check("decrypted audio frames are the clear ones", undone(frame.data, key, iv) == other.data, f"{where} frame {number}")
        judge.check("the first 16 bytes of a frame are clear", frame.data[:16] == other.data[:16], f"{where} frame {number}")
        if len(other.data) >= 32:
            long, unchanged = long + 1, unchanged + (frame.data == other.data)
    judge.check("NAL units and frames are encrypted", long > 0, where)
    judge.check("every encrypted one is changed", not unchanged, lambda: f"{where}: {unchanged} of {long} are not")


def judge_ts(judge, rendition, clear, key_at, lead, ivs, lacking=()):
    """`ivs`: key → IV, of those that only the media tells; filled here."""
    for part, plain in zip(rendition.parts, clear.parts):
        judge.equal("segments in number", len(part.segments), len(plain.segments), rendition.name)
        for number, (segment, other) in enumerate(zip(part.segments, plain.segments)):
            where = f"{rendition.name} period {part.period} segment {number}"
            lead_here = number < lead and part.period == 0
            judge.equal("clear where it is to be clear", not segment.keys, lead_here, where)
            if not segment.keys:
                judge.check("clear segments are the clear ones", segment.data == other.data, where)
                continue
            tag = segment.keys[0]
            key, stated = key_at(tag)
            if stated is UNKNOWN:
                stated = ivs[key] = ivs.get(key) or iv_from(segment.data, other.data, key)
                judge.check("the IV is not the key", stated != key, where)
            iv = stated or iv_of(segment, tag)
            if tag["METHOD"] == "AES-128":
                judge.equal("encrypted segments are padded to whole blocks", len(segment.data), (len(other.data) // 16 + 1) * 16, where)
                judge.check("decrypted segments are the clear ones", aes_128(segment.data, key, iv) == other.data, where)
                judge.check("no block stays clear", not {segment.data[i:i + 16] for i in range(0, len(segment.data), 16)}
                            & {other.data[i:i + 16] for i in range(0, len(other.data), 16)}, where)
            else:
                judge_sample_aes(judge, segment.data, other.data, key, iv, where, lacking)


# ---------------------------------------------------------------- both

def judge_clear(judge, rendition, clear):
    """A rendition that is to stay as it is."""
    for part, plain in zip(rendition.parts, clear.parts):
        same = [s.data for s in part.segments] == [s.data for s in plain.segments]
        judge.check("clear renditions are the clear ones", same and cenc.read_protection(part.init.entries[0]) is None, rendition.name)


def judge_tricks(judge, encrypted, clear, keys, key_at, ivs, key_of):
    """I-frames decrypt to the clear ones, all of them, and are the samples of the ordinary segments: same key, IV and bytes."""
    judge.equal("trick play", [r.name for r in encrypted.tricks], [r.name for r in clear.tricks])
    mains = [r for r in encrypted.renditions if r.kind in ("video", "muxed")]
    for trick, plain in zip(encrypted.tricks, clear.tricks):
        main = next(r for r in mains if trick_module.stream_of(r.parts[0].segments[0].url) == trick_module.stream_of(trick.parts[0].segments[0].url))
        if key_of and key_of(main) is False:
            judge_clear(judge, trick, plain)
        elif trick.cmaf:
            judge_cmaf(judge, trick, plain, keys, Counters(), 0)
            for part in trick.parts:
                whole = next(p for p in main.parts if p.period == part.period)
                inside = {bytes(s.data) for s in whole.samples()}
                # In a clear lead only what is ordinary is clear.
                originals = next(p for p in plain.parts if p.period == part.period).samples()
                judge.check("I-frames are the samples of ordinary segments", all(bytes(s.data) in inside or bytes(o.data) in inside for s, o in zip(part.samples(), originals)),
                            f"{trick.name} period {part.period}")
        else:
            judge_ts(judge, trick, plain, key_at, 0, ivs)
            used = [iv_of(s, s.keys[0]) for r in mains for p in r.parts for s in p.segments if s.keys]
            constant = len(set(used)) == 1
            own = [iv_of(s, s.keys[0]) for p in trick.parts for s in p.segments if s.keys]
            judge.check("numbered IVs of I-frames are no other segment's", constant or "IV" not in trick.parts[0].segments[0].keys[0]
                        or not set(own) & set(used) and len(set(own)) == len(own), trick.name)


def judge_decrypt(report, subject, encrypted, clear, keys, key_at=None, counters=None, lead=0, key_of=None, lacking=()):
    """`key_at`: attributes of an EXT-X-KEY → key and, where the tag does not say it, IV, for transport streams. `counters`: shared by titles with the same keys.
    `key_of`: rendition → False where it is to stay clear. `lacking`: "audio" where SAMPLE-AES has no word for the clear one's sound.
    """
    ivs = {}
    counters = Counters() if counters is None else counters
    with report.judge("decrypt", subject) as judge:
        judge.equal("renditions", [r.name for r in encrypted.renditions], [r.name for r in clear.renditions])
        for rendition, plain in zip(encrypted.renditions, clear.renditions):
            judge.equal("periods in number", len(rendition.parts), len(plain.parts), rendition.name)
            if key_of and key_of(rendition) is False:
                judge_clear(judge, rendition, plain)
            elif rendition.cmaf:
                judge_cmaf(judge, rendition, plain, keys, counters, lead)
            else:
                judge_ts(judge, rendition, plain, key_at, lead, ivs, lacking)
        judge_tricks(judge, encrypted, clear, keys, key_at, ivs, key_of)


def kid_in(text):
    """The key ID that a URI carries: the last UUID or 32 hexadecimal digits in it."""
    found = re.findall(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text)
    if not found:
        raise ValueError(f"no key ID in {text}")
    return bytes.fromhex(found[-1].replace("-", ""))


def key_named(keys):
    """Finds the key of an EXT-X-KEY whose URI carries the key ID itself; otherwise there has to be one key alone."""
    def find(tag):
        kid = base64.b64decode(tag["URI"].partition("base64,")[2]) if tag["URI"].startswith("data:") else b""
        return keys[kid] if len(kid) == 16 else next(iter(keys.known.values())), None
    return find


def main(path, clear, encrypted):
    with open(path) as f:
        keys = Keys({bytes.fromhex(kid): bytes.fromhex(key) for kid, key in json.load(f).items()})
    report = Report()
    judge_decrypt(report, encrypted.rsplit("/", 1)[-1], presentation.load(encrypted), presentation.load(clear), keys, key_named(keys))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
