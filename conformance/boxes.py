#!/usr/bin/env python3
"""CMAF segments are what ISO/IEC 14496-12 and 23000-19 ask for, and what the manifest says of them.

usage: boxes.py URL...        (an MPD, or a master playlist with EXT-X-MAP)

Proves, with a walker of its own: ftyp and styp brands; one moof and one mdat; default-base-is-moof; tfdt equal to the
manifest's $Time$ and to the end of the segment before; trun version 1, its data offset, its sizes filling the mdat
exactly; durations summing to the manifest's; sync and dependency flags that agree with the slices in the data; mfhd;
avcC, hvcC, esds, dac3 and dec3 against the media; no edit list that hides frames; presentation starting at tfdt.

Cannot judge pictures (`frames.py`) or boxes it does not name (udta, pssh); emsg is let pass. Of codecs it reads H.264,
HEVC, AAC, AC-3, E-AC-3 and MPEG audio.
"""
import sys
from fractions import Fraction

import presentation
from report import Report
from walkers import bmff, dolby, h264, hevc, sound

SEGMENT_BOXES = {"styp", "sidx", "prft", "emsg", "moof", "mdat"}


def judge_init(judge, rendition, part, where):
    root, init = bmff.file(part.init_data), part.init
    judge.check("init: ftyp first, then moov", [b.kind for b in root.children[:1]] == ["ftyp"] and
                [b.kind for b in root.children if b.kind not in ("free", "uuid")] == ["ftyp", "moov"],
                lambda: f"{where}: {[b.kind for b in root.children]}")
    major, names = bmff.brands(root.need("ftyp"))
    judge.check("init: a CMAF brand", bool(names & {"cmfc", "cmf2"}), lambda: f"{where}: {sorted(names)}")
    judge.check("init: a brand that knows default-base-is-moof", bool(names & {"iso5", "iso6", "iso7", "iso8", "iso9"}),
                lambda: f"{where}: {sorted(names)}")
    stbl = root.need("moov/trak/mdia/minf/stbl")
    judge.check("init: no samples in the moov", all(bmff.u(stbl.need(k).data, 4, 4) == 0 for k in ("stts", "stsc", "stco")), where)
    judge.equal("init: trex names the track", bmff.u(root.need("moov/mvex/trex").data, 4, 4), init.track, where)
    judge.check("init: timescale", init.timescale > 0, where)
    if part.timescale:
        judge.equal("init: timescale is the manifest's", init.timescale, part.timescale, where)
    judge.equal("init: handler", init.handler, "soun" if rendition.kind == "audio" else "vide", where)
    judge.check("init: no edit that hides or moves media", all(e[1] == 0 for e in init.edit), lambda: f"{where}: {init.edit}")
    if init.entry in ("avc1", "avc3"):
        judge_avcc(judge, init, where)
    elif init.entry in ("hvc1", "hev1"):
        judge_hvcc(judge, init, part, where)
    elif init.entry in ("ac-3", "ec-3"):
        judge_dolby(judge, init, part, where)
    elif init.entry == "mp4a" and init.object_type != 0x40:
        judge_mpeg_audio(judge, init, part, where)
    elif judge.check("init: a sample entry that is known", init.entry == "mp4a", f"{where}: {init.entry}"):
        asc = init.config
        index = (asc[0] & 7) << 1 | asc[1] >> 7
        rates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
        judge.check("init: AudioSpecificConfig", asc[0] >> 3 in (2, 5, 29) and index < 13, lambda: f"{where}: {asc.hex()}")
        if asc[0] >> 3 == 2 and init.rate:
            judge.equal("init: sample rate of esds and sample entry", rates[index], init.rate, where)
            stereo = (asc[1] >> 3 & 15) == 1 and init.rate <= 24000 and init.channels == 2      # parametric
            judge.check("init: channels of esds and sample entry", stereo or (asc[1] >> 3 & 15) == init.channels, lambda: f"{where}: {asc.hex()}, {init.channels}")
        judge.equal("init: audio timescale is the sample rate", init.timescale % max(init.rate, 1), 0, where)
    return init


def judge_avcc(judge, init, where):
    c = init.config
    judge.equal("init: avcC version", c[0], 1, where)
    judge.equal("init: avcC length size", (c[4] & 3) + 1, 4, where)
    count, at = c[5] & 31, 6
    judge.check("init: avcC has an SPS", count >= 1, where)
    size = bmff.u(c, at, 2)
    sps = h264.read_sps(c[at + 2:at + 2 + size])
    judge.equal("init: avcC profile, constraints, level are the SPS's", (c[1], c[2], c[3]), (sps.profile, sps.constraints, sps.level), where)
    judge.equal("init: picture size is the SPS's", (init.width, init.height), (sps.width, sps.height), where)
    for _ in range(count):
        at += 2 + bmff.u(c, at, 2)
    judge.check("init: avcC has a PPS", c[at] >= 1, where)
    at += 1
    for _ in range(c[at - 1]):
        judge.equal("init: avcC PPS is a PPS", c[at + 2] & 31, h264.PPS, where)
        at += 2 + bmff.u(c, at, 2)
    if c[1] in (100, 110, 122, 144, 244):
        judge.equal("init: avcC has the high profile's fields", len(c) - at >= 4, True, where)


def judge_hvcc(judge, init, part, where):
    """hvcC and the boxes of colour against the parameter sets, and against the SEI messages of the first picture."""
    box = hevc.read_hvcc(init.config)
    judge.equal("init: sample entry of HEVC", init.entry, "hvc1", where)
    judge.equal("init: hvcC version, length size, bytes left over", (box.version, box.length_size, box.left), (1, 4, 0), where)
    for kind, name in ((hevc.VPS, "a VPS"), (hevc.SPS, "an SPS"), (hevc.PPS, "a PPS")):
        complete, units = box.arrays.get(kind, (False, []))
        judge.check(f"init: hvcC has {name}, complete", complete and units and all(hevc.kind(u) == kind for u in units), lambda: f"{where}: {box.arrays}")
    sps = hevc.read_sps(box.arrays[hevc.SPS][1][0])
    judge.equal("init: hvcC profile, tier, level are the SPS's", box.profile, sps.profile, where)
    judge.equal("init: hvcC chroma, depths, layers, nesting are the SPS's", (box.chroma, box.depths, box.layers, box.nested),
                (sps.chroma, sps.depths, sps.layers, sps.nested), where)
    judge.equal("init: picture size is the SPS's", (init.width, init.height), (sps.width, sps.height), where)
    judge.equal("init: colr is the VUI's", init.colour and init.colour[:3], transfer(sps, part), where)
    nals = h264.length_prefixed(part.samples()[0].data)
    for kind, payload, size in (("mdcv", hevc.MASTERING, 24), ("clli", hevc.LIGHT, 4)):
        stated, stored = hevc.sei(nals, payload), init.entries[0].get(kind)
        judge.equal(f"init: {kind} is the SEI message's", stored and stored.data.hex(), stated and stated[:size].hex(), where)


def transfer(sps, part):
    """Primaries, transfer and matrix of the VUI; a preferred transfer that an SEI message names replaces its own."""
    if not sps.colour:
        return None
    other = hevc.sei(h264.length_prefixed(part.samples()[0].data), hevc.ALTERNATIVE_TRANSFER)
    return (sps.colour[0], other[0] if other else sps.colour[1], sps.colour[2])


def judge_dolby(judge, init, part, where):
    first = dolby.read_header(part.samples()[0].data)
    judge.equal("init: the sample entry is the frames' codec", init.entry, "ec-3" if first.enhanced else "ac-3", where)
    judge.equal("init: sample rate of sample entry and frames", init.rate, first.rate, where)
    if init.entry == "ac-3":
        box = dolby.read_dac3(init.config)
        judge.equal("init: dac3 is the frames'", (box.fscod, box.bsid, box.bsmod, box.acmod, box.lfe, box.code),
                    (first.fscod, first.bsid, first.bsmod, first.acmod, first.lfe, first.code), where)
    else:
        box = dolby.read_dec3(init.config)
        _, _, _, headers = dolby.access_units(part.samples()[0].data)[0][0]
        mine = box.substreams[0]
        judge.equal("init: dec3 is the frames'", (mine.fscod, mine.bsid, mine.acmod, mine.lfe), (first.fscod, first.bsid, first.acmod, first.lfe), where)
        judge.equal("init: dec3 counts the substreams", (len(box.substreams), [s.dependents for s in box.substreams][:1]),
                    (len({h.substream for h in headers if not h.dependent}), [sum(h.dependent for h in headers)]), where)
        judge.equal("init: dec3 has nothing left over", box.left, 0, where)
        sizes = [len(s.data) for s in part.samples()]
        rate = max(sizes) * 8 * first.rate / 1536 / 1000
        judge.check("init: dec3 data rate", box.kbits <= rate + 1 and box.kbits >= min(sizes) * 8 * first.rate / 1536 / 1000 - 1, f"{where}: {box.kbits}, frames have {rate:.0f}")
    for number, s in enumerate(part.samples()):
        units, faults = dolby.access_units(s.data)
        judge.check("one access unit in each sample", len(units) == 1 and not faults and len(units[0][1]) == len(s.data), lambda: f"{where} sample {number}: {faults}")
        judge.equal("samples last 1536 ticks of the sample rate", s.duration * first.rate, 1536 * init.timescale, f"{where} sample {number}")


def judge_mpeg_audio(judge, init, part, where):
    for number, s in enumerate(part.samples()):
        size, rate, channels, layer, samples = sound.mpeg_header(s.data[:4])
        here = f"{where} sample {number}"
        judge.equal("one frame in each sample", size, len(s.data), here)
        judge.equal("init: sample rate and channels of sample entry and frames", (init.rate, init.channels), (rate, channels), here)
        judge.equal("init: objectTypeIndication", init.object_type, 0x6B if rate >= 32000 else 0x69, here)
        judge.equal("samples last as long as a frame", s.duration * rate, samples * init.timescale, here)


def judge_layout(judge, raw, init, where):
    """The boxes of one segment, and the fragment in it."""
    root = bmff.file(raw)
    kinds = [b.kind for b in root.children]
    judge.check("one moof and one mdat", kinds.count("moof") == kinds.count("mdat") == 1, lambda: f"{where}: {kinds}")
    judge.check("no strange boxes", set(kinds) <= SEGMENT_BOXES, lambda: f"{where}: {kinds}")
    judge.check("mdat right after moof, and last", kinds[-2:] == ["moof", "mdat"], lambda: f"{where}: {kinds}")
    judge.check("styp first", kinds[:1] == ["styp"], lambda: f"{where}: {kinds}")
    if kinds[:1] == ["styp"]:
        _, names = bmff.brands(root.children[0])
        judge.check("styp has a CMAF segment brand", bool(names & {"cmfs", "cmff", "msdh"}), lambda: f"{where}: {sorted(names)}")
    fragments = bmff.read_segment(raw, init)
    if "sidx" in kinds and fragments:
        judge_sidx(judge, root, fragments[0], init, where)
    return root, fragments


def judge_sidx(judge, root, fragment, init, where):
    sidx, moof, mdat = root.need("sidx"), root.need("moof"), root.need("mdat")
    wide = 8 if sidx.version else 4
    at = 12 + 2 * wide + 4
    judge.equal("sidx: timescale", bmff.u(sidx.data, 8, 4), init.timescale, where)
    judge.equal("sidx: earliest presentation time", bmff.u(sidx.data, 12, wide), min(s.pts for s in fragment.samples), where)
    judge.equal("sidx: one reference", bmff.u(sidx.data, at - 2, 2), 1, where)
    judge.equal("sidx: size", bmff.u(sidx.data, at, 4) & 0x7FFFFFFF, moof.size + mdat.size, where)
    judge.equal("sidx: duration", bmff.u(sidx.data, at + 4, 4), sum(s.duration for s in fragment.samples), where)


def judge_fragment(judge, fragment, init, mdat, where):
    judge.equal("track id", fragment.track, init.track, where)
    judge.check("default-base-is-moof", bool(fragment.tfhd_flags & 0x20000), where)
    judge.check("no base-data-offset", not fragment.tfhd_flags & 1, where)
    judge.check("mfhd has a sequence number", fragment.sequence > 0, where)
    judge.check("one trun", len(fragment.truns) == 1, lambda: f"{where}: {len(fragment.truns)}")
    judge.check("trun version 1", all(v == 1 for v, *_ in fragment.truns), where)
    start = mdat.start + mdat.header
    judge.equal("data offset points at the mdat's payload", fragment.samples[0].start, start, where)
    last = fragment.samples[-1]
    judge.equal("sample sizes fill the mdat", last.start + len(last.data), start + len(mdat.data), where)
    judge.check("no empty sample", all(s.data for s in fragment.samples), where)
    judge.check("no sample without duration", all(s.duration > 0 for s in fragment.samples), where)
    judge.check("no sample before zero", all(s.pts >= 0 and s.dts >= 0 for s in fragment.samples), where)
    times = [s.pts for s in fragment.samples]
    judge.check("no two samples at one time", len(set(times)) == len(times), where)


def judge_flags(judge, fragment, init, where, recovery):
    first = fragment.samples[0]
    if recovery:
        return judge_recovery(judge, first, init, where)
    judge.check("first sample is a sync sample", first.sync, f"{where}: flags {first.flags:#010x}")
    if init.handler == "soun":
        judge.check("audio samples are sync samples", all(s.sync for s in fragment.samples), where)
        return
    judge.check("first sample depends on no other", first.depends_on == 2, f"{where}: flags {first.flags:#010x}")
    if init.entry in ("hvc1", "hev1"):
        judge_hevc_samples(judge, fragment, where)
    if init.entry not in ("avc1", "avc3"):
        return
    sps = h264.read_sps(init.config[8:8 + bmff.u(init.config, 6, 2)])
    for number, s in enumerate(fragment.samples):
        here = f"{where} sample {number}"
        nals = h264.length_prefixed(s.data)
        kinds = [h264.kind(n) for n in nals]
        judge.equal("both fields of a frame in one sample", h264.fields(nals, sps), 0, here)
        is_idr = h264.IDR in kinds
        judge.check("sync flag is the slice's", s.sync == is_idr or (s.sync and number == 0), lambda: f"{here}: NAL units {kinds}")
        judge.check("others depend on others", s.sync or s.depends_on != 2 or _intra(nals), lambda: f"{here}: flags {s.flags:#010x}")
        judge.check("no AUD or filler in a sample", not {h264.AUD, h264.FILLER} & set(kinds), lambda: f"{here}: NAL units {kinds}")
        judge.check("one picture in each sample", sum(h264.first_slice(n) for n in nals) in (1, 2), lambda: f"{here}: NAL units {kinds}")


def judge_recovery(judge, first, init, where):
    """Of a source without IDR pictures: no picture says that nothing before it is needed, unless it is so."""
    if init.handler == "soun":
        return
    nals = h264.length_prefixed(first.data)
    if init.entry in ("hvc1", "hev1"):
        kinds = [hevc.kind(n) for n in nals]
        judge.check("first sample is a random access point", bool(hevc.IRAP & set(kinds)), lambda: f"{where}: NAL units {kinds}")
        return
    kinds = [h264.kind(n) for n in nals]
    judge.check("first sample is a random access point", h264.IDR in kinds or h264.recovery_point(nals), lambda: f"{where}: NAL units {kinds}")
    judge.check("independent is what is intra", first.depends_on != 2 or _intra(nals), lambda: f"{where}: flags {first.flags:#010x}")


def judge_hevc_samples(judge, fragment, where):
    for number, s in enumerate(fragment.samples):
        here = f"{where} sample {number}"
        nals = h264.length_prefixed(s.data)
        kinds = [hevc.kind(n) for n in nals]
        irap = bool(hevc.IRAP & set(kinds))
        judge.check("sync flag is the slice's", s.sync == irap, lambda: f"{here}: NAL units {kinds}")
        judge.check("others depend on others", s.sync or s.depends_on != 2, lambda: f"{here}: flags {s.flags:#010x}")
        judge.check("no AUD, filler or end of sequence in a sample", not {hevc.AUD, hevc.FILLER, hevc.EOB} & set(kinds), lambda: f"{here}: NAL units {kinds}")
        judge.check("no parameter set in a sample of hvc1", not {hevc.VPS, hevc.SPS, hevc.PPS} & set(kinds), lambda: f"{here}: NAL units {kinds}")
        judge.equal("one picture in each sample", sum(hevc.first_slice(n) for n in nals), 1, here)


def _intra(nals):
    """All slices are I or SI."""
    for nal in nals:
        if h264.kind(nal) in (h264.SLICE, h264.IDR):
            bits = h264.Bits(nal[1:40])
            bits.ue()
            if bits.ue() % 5 not in (2, 4):
                return False
    return True


def judge_part(judge, rendition, part, recovery):
    where = f"{rendition.name} period {part.period}"
    init = judge_init(judge, rendition, part, where)
    following, sequences = None, []
    for number, segment in enumerate(part.segments):
        here = f"{where} segment {number}"
        root, fragments = judge_layout(judge, segment.data, init, here)
        if not judge.check("has samples", bool(fragments) and all(f.samples for f in fragments), here):
            continue
        for fragment in fragments:
            judge_fragment(judge, fragment, init, root.need("mdat"), here)
            judge_flags(judge, fragment, init, here, recovery)
            sequences.append(fragment.sequence)
        samples = [s for f in fragments for s in f.samples]
        start, total = fragments[0].tfdt, sum(s.duration for s in samples)
        if following is not None:
            judge.equal("tfdt is where the segment before ended", start, following, here)
        following = start + total
        if segment.time is not None:
            judge.equal("tfdt is the manifest's $Time$", start, segment.time, here)
            judge.equal("durations sum to the manifest's", total, segment.ticks, here)
        else:
            judge.check("durations sum to EXTINF", abs(Fraction(total, init.timescale) - segment.duration) <= Fraction(1, 1000),
                        lambda: f"{here}: {float(Fraction(total, init.timescale)):.6f}, EXTINF {float(segment.duration)}")
        earliest = min(s.pts for s in samples)
        if number == 0:
            judge.equal("presentation starts at tfdt", earliest, start, here)
            judge.equal("the first sample is the first shown", samples[0].pts, start, here)
        else:
            judge.check("presentation goes on at tfdt", abs(earliest - start) <= samples[0].duration,
                        lambda: f"{here}: {earliest} against {start}")
    judge.check("sequence numbers rise", all(a < b for a, b in zip(sequences, sequences[1:])), lambda: f"{where}: {sequences[:8]}")


def judge_boxes(report, subject, out, recovery=False):
    """`recovery`: the source has recovery points instead of IDR pictures."""
    with report.judge("boxes", subject) as judge:
        seen = set()
        for rendition in out.renditions + out.tricks:
            judge.check("is CMAF", rendition.cmaf, rendition.name)
            for part in rendition.parts:
                if (part.init_url, part.init_range, len(part.segments), part.segments[0].url) not in seen:
                    judge_part(judge, rendition, part, recovery)
                seen.add((part.init_url, part.init_range, len(part.segments), part.segments[0].url))


def main(*urls):
    report = Report()
    for url in urls:
        judge_boxes(report, url.rsplit("/", 1)[-1], presentation.load(url))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
