#!/usr/bin/env python3
"""What manifests say is what the media is.

usage: manifests.py [--source MASTER] [--seconds N] URL...

Proves that playlists are strictly well formed and that an MPD is what DASH asks for; that durations, codecs, sizes,
frame rates, channels and bandwidths equal what is recomputed from the segments; that discontinuities and Periods stand
where the source has them; that boundaries lie on the keyframe nearest to each multiple of N seconds; that renditions
can be switched. Bandwidth: at least the peak as RFC 8216 4.3.4.2 defines it, at most 10 % above the largest segment.

Cannot prove that a player agrees (`players/`). The rule for boundaries is applied from each period's first picture.
"""
import sys
from fractions import Fraction
from math import ceil

import decode
import presentation
from report import Report
from walkers import bmff, dolby, h264, hevc, m3u8, mpegts, sound

MILLISECOND = Fraction(1, 1000)
RANGES = {16: "PQ", 18: "HLG"}         # by transfer characteristics
DASH = "{urn:mpeg:dash:schema:mpd:2011}"
CICP = "urn:mpeg:mpegB:cicp:"
# Values of AudioChannelConfiguration by scheme (ISO/IEC 23091-3; ETSI TS 102 366 I.1.2.1: a bit for each place).
CHANNELS = {CICP + "ChannelConfiguration": {1: "1", 2: "2", 3: "3", 4: "4", 5: "5", 6: "6", 8: "12"},
            "urn:mpeg:dash:23003:3:audio_channel_configuration:2011": {1: "1", 2: "2", 3: "3", 4: "4", 5: "5", 6: "6", 8: "12"},
            "tag:dolby.com,2014:dash:audio_channel_configuration:2011": {1: "4000", 2: "A000", 3: "E000", 5: "F800", 6: "F801", 8: "FA01"},
            "urn:dolby:dash:audio_channel_configuration:2011": {1: "4000", 2: "A000", 3: "E000", 5: "F800", 6: "F801", 8: "FA01"}}


class Media:
    """What one rendition's segments of one period are, recomputed."""

    def __init__(self, part, kind):
        self.codecs, self.size, self.fps, self.channels, self.rate = [], None, None, None, None     # codecs: a set of equal names for each track
        self.range, self.colour, self.joc, self.frame, self.output = "SDR", None, None, 1024, None
        self.start, self.durations, self.keyframes, self.first = Fraction(0), [], [], None
        self.bytes = [len(s.data) for s in part.segments]
        self._cmaf(part, kind) if part.init_url else self._ts(part)

    @property
    def end(self):
        return self.start + sum(self.durations)

    def _cmaf(self, part, kind):
        init = part.init
        scale, samples = init.timescale, []
        for segment in part.segments:
            mine = [s for f in bmff.read_segment(segment.data, init) for s in f.samples]
            self.durations.append(Fraction(sum(s.duration for s in mine), scale))
            samples += mine
        self.start = Fraction(samples[0].dts, scale) - Fraction(part.offset, part.timescale or 1)
        if init.handler == "vide":
            c = init.config
            self.codecs = [{hevc.read_hvcc(c).profile.codec if init.entry == "hvc1" else f"avc1.{c[1]:02x}{c[2]:02x}{c[3]:02x}"}]
            self.colour = init.colour
            self.range = RANGES.get(init.colour[1], "SDR") if init.colour else "SDR"
            self.size = (init.width, init.height)
            # By what most pictures last, or by the mean: they differ where the source leaves pictures out.
            self.fps = (scale / sorted(s.duration for s in samples)[len(samples) // 2], len(samples) / float(sum(self.durations)))
            self.keyframes = [Fraction(s.pts, scale) for s in samples if s.sync]
        else:
            self.channels, self.rate, self.frame = init.channels, init.rate, Fraction(samples[0].duration * init.rate, scale)
            if init.entry == "ac-3":
                self.codecs = [{"ac-3"}]
                box = dolby.read_dac3(init.config)
                self.channels = dolby.MAIN[box.acmod] + box.lfe
            elif init.entry == "ec-3":
                self.codecs = [{"ec-3"}]
                box = dolby.read_dec3(init.config)
                self.channels, self.joc = box.substreams[0].channels, box.joc
            elif init.object_type != 0x40:
                self.codecs = [{f"mp4a.{init.object_type:02X}", f"mp4a.{init.object_type:02x}"}]
            else:
                self.codecs = [{f"mp4a.40.{init.config[0] >> 3}"}]
                self._extended(part, ".mp4")

    def _ts(self, part):
        first, end, step, count = [], None, Fraction(1, 25), 0
        if not mpegts.read(part.segments[0].data).units(mpegts.VIDEO):
            return self._sound(part)
        for segment in part.segments:
            stream = mpegts.read(segment.data)
            units = stream.units(mpegts.VIDEO)
            times = mpegts.unwrap([p.pts for p in units], end)
            ordered = sorted(times)
            first.append(ordered[0])
            count += len(ordered)
            if len(ordered) > 1:
                step = Fraction(ordered[-1] - ordered[0], len(ordered) - 1)
            end = ordered[-1]
            for pes, time in zip(units, times):
                kinds = [h264.kind(n) for n in h264.annex_b(pes.payload)]
                if h264.IDR in kinds or pes.random_access:
                    self.keyframes.append(Fraction(time, 90000))
            if self.size is None:
                sps = next((n for p in units for n in h264.annex_b(p.payload) if h264.kind(n) == h264.SPS), None)
                read = h264.read_sps(sps)
                self.codecs, self.size = [{read.codec}], (read.width, read.height)
                self._heard(mpegts.audio_frames(stream)[0], part)
        self.first = first[0]
        edges = first + [end + step]
        self.durations = [Fraction(b - a, 90000) for a, b in zip(edges, edges[1:])]
        self.fps = (float(90000 / step), count / float(sum(self.durations)))
        self.keyframes = [k - Fraction(first[0], 90000) for k in self.keyframes]

    def _extended(self, part, suffix):
        """HE-AAC, which says nothing of itself in ADTS and need not in the AudioSpecificConfig: the decoder is asked."""
        if self.rate > 24000:
            return
        object_type, self.output, channels = decode.aac_object_type(part.init_data + part.segments[0].data, suffix)
        if object_type != 2:
            # Wherever mono might be parametric stereo, ffmpeg puts out two channels.
            self.codecs[-1] = {"mp4a.40.5", "mp4a.40.29"} if channels == 2 and self.channels == 1 else {f"mp4a.40.{object_type}"}

    def _heard(self, audio, part):
        if audio:
            self.codecs.append(audio[0].codecs)
            self.channels, self.rate, self.frame = audio[0].channels, audio[0].rate, audio[0].samples
            if audio[0].codec == "aac":
                self._extended(part, ".ts")

    def _sound(self, part):
        """TS without pictures."""
        for number, segment in enumerate(part.segments):
            frames, _ = mpegts.audio_frames(mpegts.read(segment.data))
            self.durations.append(Fraction(sum(f.samples for f in frames), frames[0].rate))
            if number == 0:
                self.first = frames[0].pts
                self._heard(frames, part)


def media_of(rendition):
    return [Media(p, rendition.kind) for p in rendition.parts]


def peak(sizes, durations, target):
    """Largest bit rate of any run of segments that lasts 0.5 to 1.5 target durations (RFC 8216)."""
    best = Fraction(0)
    for i in range(len(sizes)):
        total, time = 0, Fraction(0)
        for size, duration in zip(sizes[i:], durations[i:]):
            total, time = total + size * 8, time + duration
            if time > target * Fraction(3, 2):
                break
            if time >= target / 2:
                best = max(best, total / time)
    return best or max((Fraction(s * 8) / d for s, d in zip(sizes, durations)), default=Fraction(0))


def rates(medias):
    """(peak by the RFC, largest of single segments, average) in bits per second."""
    sizes, durations = [b for m in medias for b in m.bytes], [d for m in medias for d in m.durations]
    target = Fraction(max(round(d) for d in durations) or 1)
    return (peak(sizes, durations, target), max(Fraction(s * 8) / d for s, d in zip(sizes, durations)),
            Fraction(sum(sizes) * 8) / sum(durations))


def near(stated, rates_of_pictures):
    return any(abs(stated - r) < 0.01 for r in rates_of_pictures)


def judge_rate(judge, check, stated, low, high, where):
    # How long the last picture lasts is known to one tick of 90 kHz, which is a bit or two per second.
    judge.check(check, low <= stated + 2 and stated <= high, lambda: f"{where}: {stated}, media has {float(low):.0f} to {float(high):.0f}")


# ---------------------------------------------------------------- HLS

def codecs_of_texts(master):
    """What fragments of subtitles need; files need nothing."""
    maps = {s.map["uri"] for m in master.media if m.get("TYPE") == "SUBTITLES" for s in m3u8.read(presentation.fetch(m["uri"]), m["uri"]).segments if s.map}
    entries = {bmff.read_init(presentation.fetch(url)).entry for url in maps}
    return [{"stpp.ttml.im1t"} if entry == "stpp" else {entry} for entry in sorted(entries)]


def judge_hls_master(judge, out, medias, recovery):
    master = out.master
    judge.check("master: strictly well formed", not master.faults, lambda: master.faults[0])
    judge.check("master: version", master.number("EXT-X-VERSION", 1) >= (7 if out.format == "HLS_CMAF" else 3), master.tags.get("EXT-X-VERSION"))
    judge.check("master: INDEPENDENT-SEGMENTS", recovery or "EXT-X-INDEPENDENT-SEGMENTS" in master.tags, out.url)
    judge.check("master: URIs are relative", not any("://" in u or u.startswith("/") for u in master.uris), lambda: master.uris)
    for group in {m["GROUP-ID"] for m in master.media}:
        names = [m["NAME"] for m in master.media if m["GROUP-ID"] == group and m["TYPE"] == "AUDIO"]
        judge.check("master: names in a group differ", len(set(names)) == len(names), lambda: names)
        judge.check("master: one default in a group", sum(m.get("DEFAULT") == "YES" for m in master.media if m["GROUP-ID"] == group) <= 1, group)
    for variant in master.variants:
        video = next(r for r in out.renditions if r.playlist.url == variant["uri"])
        where = f"variant {variant['relative']}"
        mine = medias[video.name]
        wanted = {"BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS"} | ({"RESOLUTION", "FRAME-RATE"} if any(m.size for m in mine) else set())
        judge.check("variant: attributes", wanted <= set(variant), lambda: f"{where} has {sorted(variant)}")
        sounds = [r for r in out.of("audio") if "AUDIO" in variant and r.attributes.get("GROUP-ID") == variant["AUDIO"]]
        for r in sounds:
            heard = medias[r.name][0]
            # RFC 8216bis 4.4.6.1: the number, and for Dolby Atmos that of the objects with the identifier JOC.
            wanted = str(heard.channels) if heard.joc is None else f"{heard.joc}/JOC"
            judge.check("audio: CHANNELS", r.attributes.get("CHANNELS") == wanted, lambda: f"{r.attributes}, media has {wanted}")
        every = [c for m in mine + [m for r in sounds for m in medias[r.name]] for c in m.codecs] + codecs_of_texts(out.master)
        stated = set(variant.get("CODECS", "").replace(" ", "").split(","))
        judge.check("variant: CODECS", all(stated & c for c in every) and all(any(s in c for c in every) for s in stated), lambda: f"{where}: {stated}, media has {every}")
        ranges = {m.range for m in mine}
        judge.check("variant: VIDEO-RANGE", variant.get("VIDEO-RANGE", "SDR") in ranges, lambda: f"{where}: {variant.get('VIDEO-RANGE')}, media has {ranges}")
        if not any(m.size for m in mine):
            judge.check("variant: no RESOLUTION without pictures", "RESOLUTION" not in variant, where)
            continue
        judge.check("variant: RESOLUTION", variant.get("RESOLUTION") in {"%dx%d" % m.size for m in mine},
                    lambda: f"{where}: {variant.get('RESOLUTION')}, media has {[m.size for m in mine]}")
        fps = [max(m.fps[i] for m in mine) for i in (0, 1)]
        judge.check("variant: FRAME-RATE", near(float(variant.get("FRAME-RATE", 0)), fps), lambda: f"{where}: {variant.get('FRAME-RATE')}, media has {fps}")
        low, high, average = rates(mine)
        if sounds:
            audio = [rates(medias[r.name]) for r in sounds]
            low_joint = max([low] + [a[0] for a in audio])      # either alone is a floor
            high, average = high + max(a[1] for a in audio), average + max(a[2] for a in audio)
            low = max(low_joint, average)
        judge_rate(judge, "variant: BANDWIDTH is the measured peak", int(variant.get("BANDWIDTH", 0)), low, high * Fraction(11, 10), where)
        judge_rate(judge, "variant: AVERAGE-BANDWIDTH is measured", int(variant.get("AVERAGE-BANDWIDTH", 0)),
                   average * Fraction(9, 10), average * Fraction(11, 10), where)


def judge_hls_media(judge, out, rendition, medias, source, recovery):
    playlist, where = rendition.playlist, rendition.name
    judge.check("playlist: strictly well formed", not playlist.faults, lambda: f"{where}: {playlist.faults[0]}")
    judge.check("playlist: version", playlist.number("EXT-X-VERSION", 1) >= (7 if rendition.cmaf else 3), where)
    judge.check("playlist: ENDLIST", "EXT-X-ENDLIST" in playlist.tags, where)
    judge.equal("playlist: PLAYLIST-TYPE", playlist.tags.get("EXT-X-PLAYLIST-TYPE"), ["VOD"], where)
    judge.check("playlist: INDEPENDENT-SEGMENTS here or in the master", recovery or "EXT-X-INDEPENDENT-SEGMENTS" in playlist.tags
                or "EXT-X-INDEPENDENT-SEGMENTS" in out.master.tags, where)
    target = playlist.number("EXT-X-TARGETDURATION", 0)
    longest = max(s.duration for s in playlist.segments)
    judge.check("playlist: TARGETDURATION", int(longest + Fraction(1, 2)) <= target <= int(longest) + 1, f"{where}: {target}, longest {float(longest)}")
    judge.check("playlist: EXT-X-MAP", all(bool(s.map) == (out.format == "HLS_CMAF") for s in playlist.segments), where)
    judge.check("playlist: URIs are relative", not any("://" in u or u.startswith("/") for u in playlist.uris), lambda: f"{where}: {playlist.uris[:2]}")
    if source:
        judge.equal("playlist: discontinuities are the source's", len(rendition.parts), len(source.renditions[0].parts), where)
    for part, media in zip(rendition.parts, medias[rendition.name]):
        for number, (segment, duration) in enumerate(zip(part.segments, media.durations)):
            judge.check("playlist: EXTINF is the media's duration", abs(segment.duration - duration) <= MILLISECOND,
                        lambda: f"{where} period {part.period} segment {number}: {float(segment.duration)}, media has {float(duration):.6f}")
    stated, real = sum(s.duration for s in playlist.segments), sum(d for m in medias[rendition.name] for d in m.durations)
    judge.check("playlist: EXTINF sum is the media's", abs(stated - real) <= MILLISECOND, lambda: f"{where}: {float(stated)}, media has {float(real):.6f}")


# ---------------------------------------------------------------- DASH

def told_apart(group):
    """What people choose sound by: codec, language, label."""
    label = group.element.find(DASH + "Label")
    return group.representations[0].attributes.get("codecs"), group.attributes.get("lang"), label is not None and label.text


def judge_mpd(judge, out, medias, source, recovery, uneven):
    mpd = out.mpd
    judge.check("MPD: well formed", not mpd.faults, lambda: mpd.faults[0])
    judge.equal("MPD: type", mpd.attributes.get("type", "static"), "static")
    profiles = mpd.attributes.get("profiles", "")
    judge.check("MPD: profiles", "urn:mpeg:dash:profile:isoff-live:2011" in profiles and "urn:mpeg:dash:profile:cmaf:2019" in profiles, profiles)
    judge.check("MPD: minBufferTime", "minBufferTime" in mpd.attributes, sorted(mpd.attributes))
    total = sum((p.duration or 0 for p in mpd.periods), Fraction(0))
    judge.check("MPD: mediaPresentationDuration is the Periods' sum", mpd.duration is not None and abs(mpd.duration - total) <= Fraction(1, 10000),
                f"{mpd.duration}, Periods {total}")
    if source:
        judge.equal("MPD: Periods are the source's", len(mpd.periods), len(source.renditions[0].parts))
    for number, period in enumerate(mpd.periods):
        kinds = [(s.content_type, s.key_id) if s.content_type == "video" else (s.content_type, s.key_id, *told_apart(s)) for s in period.sets if s.content_type != "text"]
        judge.check("MPD: at most one AdaptationSet for each key, and of audio for each codec, language and label", len(kinds) == len(set(kinds)) and {k for k, *_ in kinds} <= {"video", "audio"} and bool(kinds), lambda: kinds)
        judge.check("MPD: Period ids differ", len({p.attributes.get("id") for p in mpd.periods}) == len(mpd.periods), number)
        here = [(r, p, m) for r in out.renditions for p, m in zip(r.parts, medias[r.name]) if p.period == number]
        ends = [m.end for _, _, m in here]
        judge.check("MPD: Period ends where a track ends", any(abs(e - period.duration) <= MILLISECOND for e in ends),
                    lambda: f"Period {number}: {float(period.duration)}, media ends at {[float(e) for e in ends]}")
        judge.check("MPD: a track begins with the Period", any(abs(m.start) <= MILLISECOND for _, _, m in here),
                    lambda: f"Period {number}: {float(min(m.start for _, _, m in here)):.6f}")
        for rendition, part, media in here:
            judge_representation(judge, rendition, part, media, period, f"Period {number} {rendition.name}", recovery, uneven)
        if number:
            before = {r.name: r.parts[number - 1].init_data for r in out.renditions if len(r.parts) > number}
            if all(r.parts[number].init_data == before[r.name] for r in out.renditions if len(r.parts) > number):
                signs = [e.get("schemeIdUri", "") for s in period.sets if s.content_type != "text" for e in s.element.findall("{urn:mpeg:dash:schema:mpd:2011}SupplementalProperty")]
                judge.check("MPD: period continuity where codecs match", any("period-con" in s for s in signs), f"Period {number}: {signs}")


def judge_representation(judge, rendition, part, media, period, where, recovery, uneven):
    a, element = part.representation.attributes, part.representation.set.element
    mime = f"{rendition.kind}/mp4"
    judge.equal("Representation: mimeType", a.get("mimeType"), mime, where)
    judge.check("Representation: codecs", a.get("codecs") in media.codecs[0], lambda: f"{where}: {a.get('codecs')}, media has {media.codecs[0]}")
    judge.check("Representation: startWithSAP", a.get("startWithSAP") in (("1", "2", "3", "4") if recovery else ("1",)), f"{where}: {a.get('startWithSAP')}")
    judge.check("Representation: ids differ in a Period", len({r.id for s in period.sets for r in s.representations})
                == sum(len(s.representations) for s in period.sets), where)
    judge.check("Representation: timeline covers the Period", max(abs(media.start), abs(media.end - period.duration)) <= (uneven or Fraction(1, 10)),
                lambda: f"{where}: {float(media.start):.4f} to {float(media.end):.4f} of {float(period.duration):.4f}")
    low, high, _ = rates([media])
    judge_rate(judge, "Representation: bandwidth is the measured peak", int(a.get("bandwidth", 0)), low, max_rate(rendition) * Fraction(11, 10), where)
    if rendition.kind == "video":
        judge.equal("Representation: size", (int(a.get("width", 0)), int(a.get("height", 0))), media.size, where)
        stated = Fraction(a.get("frameRate", "0"))
        judge_colour(judge, part.representation, media, where)
        judge.check("Representation: frameRate", near(float(stated), media.fps), lambda: f"{where}: {stated}, media has {media.fps}")
    else:
        tags = [t for t in part.representation.own(DASH + "AudioChannelConfiguration")]
        known = [(t.get("schemeIdUri"), t.get("value", "").upper()) for t in tags]
        judge.check("Representation: AudioChannelConfiguration", bool(tags) and all(CHANNELS.get(s, {}).get(media.channels) == v for s, v in known),
                    lambda: f"{where}: {known}, media has {media.channels}")
        judge.equal("Representation: JOC", properties(part.representation, "tag:dolby.com,2018:dash:EC3_ExtensionType:2018"), ["JOC"] if media.joc else [], where)
        judge.equal("Representation: complexity of JOC", properties(part.representation, "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018"),
                    [str(media.joc)] if media.joc else [], where)
        judge.equal("Representation: audioSamplingRate", a.get("audioSamplingRate"), str(media.output or media.rate), where)


def properties(representation, scheme):
    """Values of the properties of this scheme, of the AdaptationSet and of the Representation."""
    return [e.get("value") for kind in ("SupplementalProperty", "EssentialProperty") for e in representation.own(DASH + kind) if e.get("schemeIdUri") == scheme]


def judge_colour(judge, representation, media, where):
    """DASH-IF IOP: what the sample entry says of colour; it has to be said where it is not what players expect."""
    stated = [properties(representation, CICP + name) for name in ("ColourPrimaries", "TransferCharacteristics", "MatrixCoefficients")]
    wanted = media.colour[:3] if media.colour else (None, None, None)
    for name, values, value in zip(("primaries", "transfer", "matrix"), stated, wanted):
        judge.check("Representation: colour is the media's", values == [str(value)] or not values and media.range == "SDR", lambda: f"{where}: {name} {values}, media has {value}")


def max_rate(rendition):
    return rates([Media(p, rendition.kind) for p in rendition.parts])[1]


# ---------------------------------------------------------------- both

def aligned(one, other):
    """Whether segments begin at the same times, up to the end of the shorter rendition."""
    return len(one) == len(other) and all(a.durations[:n - 1] == b.durations[:n - 1] if len(a.durations) != len(b.durations) else a.durations[:-1] == b.durations[:-1]
                                          for a, b in zip(one, other) for n in [min(len(a.durations), len(b.durations))])


def judge_switching(judge, out, medias, shared, sound_too):
    videos = [medias[r.name] for r in out.of("video", "muxed") or out.of("audio")]
    same = all([m.durations for m in v] == [m.durations for m in videos[0]] for v in videos)
    if shared:
        judge.check("renditions have the same boundaries", same, "")
    if out.mpd:
        sets = [s for p in out.mpd.periods for s in p.sets if s.content_type == "video"]
        stated = all(s.attributes.get("segmentAlignment") in ("true", "1") for s in sets)
        judge.equal("MPD: segmentAlignment is true where it is so", stated, all(aligned(v, videos[0]) for v in videos))
    for r in out.of("audio"):
        for number, (sound, video) in enumerate(zip(medias[r.name], videos[0])):
            if sound_too:
                judge.equal("audio has as many segments as video", len(sound.durations), len(video.durations), f"{r.name} period {number}")
            step, clock, limit = Fraction(sound.frame * (2 if sound.frame == 1024 and sound.rate <= 24000 else 1), sound.rate), sound.start, sum(video.durations)
            if sound.first is not None and video.first is not None:       # transport streams: where sound lies on the clock of the pictures
                clock += Fraction(sound.first - video.first, 90000)
            bounds = [video.start]
            for d in video.durations:
                bounds.append(bounds[-1] + d)
            for d in sound.durations[:-1] if sound_too else []:
                clock += d
                near = min(abs(clock - b) for b in bounds)
                judge.check("audio cuts at the frame nearest to video's", near <= step / 2 + MILLISECOND,
                            lambda: f"{r.name} period {number}: {float(near) * 1000:.1f} ms from a video boundary, a frame lasts {float(step) * 1000:.1f}")


def judge_boundaries(judge, out, source, seconds, breaks=()):
    """Boundaries against the keyframes that all renditions of the source share. Multiples are counted from `breaks` anew: times in a
    title of one period at which segments have to begin."""
    keyframes = [[set(Media(p, "muxed").keyframes) for p in r.parts] for r in source.of("video", "muxed")]
    videos = out.of("video", "muxed")
    if not videos or not any(any(k) for k in keyframes):
        return      # sound alone is cut anywhere
    for number in range(len(videos[0].parts)):
        shared = sorted(set.intersection(*[k[number] for k in keyframes]))
        durations = Media(videos[0].parts[number], videos[0].kind).durations
        bounds = [sum(durations[:i], Fraction(0)) for i in range(1, len(durations))]
        end, where = sum(durations), f"period {number}"
        stretches = [Fraction(0), *(b for b in sorted(breaks) if b < end), end]
        wanted, needed = {(b,) for b in stretches[1:-1]}, {(b,) for b in stretches[1:-1]}
        for start, stop in zip(stretches, stretches[1:]):
            for n in range(1, ceil((stop - start) / seconds)):
                distance = min(abs(k - start - n * seconds) for k in shared)
                choice = tuple(k for k in shared if abs(abs(k - start - n * seconds) - distance) <= MILLISECOND)
                wanted.add(choice)
                if choice[0] > start and stop - choice[-1] >= Fraction(seconds, 4):
                    needed.add(choice)
        for bound in bounds:
            judge.check("boundaries lie on the keyframe nearest to a multiple", any(abs(k - bound) <= MILLISECOND for w in wanted for k in w),
                        lambda: f"{where}: {float(bound):.3f} s is none of {[[float(k) for k in w] for w in sorted(wanted)]}")
        for choice in sorted(needed):
            judge.check("no boundary is missing", any(abs(k - b) <= MILLISECOND for k in choice for b in bounds),
                        lambda: f"{where}: none at {[float(k) for k in choice]}, boundaries at {[float(b) for b in bounds]}")
        judge.check("no short last segment", len(durations) == 1 or durations[-1] >= min(Fraction(seconds, 4), end - stretches[-2]), f"{where}: {float(durations[-1]):.3f} s")


def judge_manifests(report, subject, out, source=None, seconds=None, shared=True, recovery=False, uneven=None, breaks=()):
    """`recovery`: the source has recovery points instead of IDR pictures, so segments need not be independent. `uneven`: by how
    many seconds the source's tracks begin or end apart."""
    with report.judge("manifests", subject) as judge:
        medias = {r.name: media_of(r) for r in out.renditions}
        if out.mpd:
            judge_mpd(judge, out, medias, source, recovery, uneven)
        else:
            judge_hls_master(judge, out, medias, recovery)
            for rendition in out.renditions:
                judge_hls_media(judge, out, rendition, medias, source, recovery)
        judge_switching(judge, out, medias, shared, shared and not uneven)
        if source and seconds and shared:
            judge_boundaries(judge, out, source, seconds, breaks)


def segment_urls(out):
    """All URLs of media, to compare presentations that should share them."""
    return {u for r in out.renditions + out.tricks for p in r.parts for u in [p.init_url] + [s.url for s in p.segments]}


def main(args):
    source = seconds = None
    while args[0].startswith("--"):
        source, seconds = (presentation.load(args[1]), seconds) if args[0] == "--source" else (source, int(args[1]))
        args = args[2:]
    report = Report()
    for url in args:
        judge_manifests(report, url.rsplit("/", 1)[-1], presentation.load(url), source, seconds)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
