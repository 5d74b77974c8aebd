"""DASH MPD with SegmentTemplate and SegmentTimeline: segment URLs and times, as a player would resolve them.

Faults are collected for `manifests.py`. Cannot read SegmentList, SegmentBase, xlink, or dynamic MPDs.
"""
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import urljoin

NS = "{urn:mpeg:dash:schema:mpd:2011}"
TRICK = "http://dashif.org/guidelines/trickmode"
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass
class Timed:
    url: str
    time: int
    duration: int


@dataclass
class Representation:
    id: str
    attributes: dict            # with those inherited from the AdaptationSet
    timescale: int
    offset: int                 # presentationTimeOffset
    init: str
    segments: list
    set: "AdaptationSet"
    element: ET.Element | None = None

    def own(self, tag):
        """Elements of this name that hold for it: those of its AdaptationSet and its own."""
        return self.set.element.findall(tag) + self.element.findall(tag)


@dataclass
class AdaptationSet:
    attributes: dict
    content_type: str
    representations: list = field(default_factory=list)
    element: ET.Element | None = None

    @property
    def trick_of(self):
        """The id of the set of pictures that this one is trick play of; None where it is none."""
        return next((e.get("value") for e in self.element.findall(NS + "EssentialProperty") if e.get("schemeIdUri") == TRICK), None)

    @property
    def key_id(self):
        """cenc:default_KID; None where the set is clear."""
        kids = [e.get("{urn:mpeg:cenc:2013}default_KID") for e in self.element.findall(NS + "ContentProtection")]
        return next(filter(None, kids), None)


@dataclass
class Period:
    attributes: dict
    start: Fraction
    duration: Fraction | None
    sets: list = field(default_factory=list)
    tricks: list = field(default_factory=list)      # sets of trick play, which are in no other list


@dataclass
class Mpd:
    attributes: dict
    duration: Fraction | None
    periods: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def seconds(text):
    if text is None:
        return None
    match = DURATION.fullmatch(text)
    if not match or text in ("P", "PT"):
        raise ValueError(f"{text!r} is no duration")
    days, hours, minutes, secs = match.groups()
    return Fraction(int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60) + Fraction(secs or 0)


def fill(template, **values):
    def one(match):
        name, width = match.group(1), match.group(2)
        value = values[name]
        return f"{value:{width[1:-1]}d}" if width else str(value)
    return re.sub(r"\$(RepresentationID|Number|Time|Bandwidth)(%0\d+d)?\$", one, template).replace("$$", "$")


def _timeline(template, faults, where, length):
    """(time, duration) of each segment; of those with one duration for all, as that says, over the Period's length in seconds."""
    timeline = template.find(NS + "SegmentTimeline")
    if timeline is None and template.get("duration"):
        duration, scale = int(template.get("duration")), int(template.get("timescale", 1))
        return [(int(template.get("presentationTimeOffset", 0)) + n * duration, duration) for n in range(-int(-length * scale // duration))]
    if timeline is None:
        faults.append(f"{where}: no SegmentTimeline")
        return []
    out, time = [], 0
    for s in timeline:
        stated = s.get("t")
        if stated is not None:
            if out and int(stated) != time:
                faults.append(f"{where}: timeline jumps from {time} to {stated}")
            time = int(stated)
        repeat, duration = int(s.get("r", 0)), int(s.get("d"))
        if repeat < 0 or duration <= 0:
            faults.append(f"{where}: S with r={repeat} d={duration}")
        for _ in range(repeat + 1):
            out.append((time, duration))
            time += duration
    return out


def read(text, url):
    root = ET.fromstring(text)
    out = Mpd(dict(root.attrib), seconds(root.get("mediaPresentationDuration")))
    if root.tag != NS + "MPD":
        out.faults.append(f"root element is {root.tag}")
    base = root.findtext(NS + "BaseURL")
    base, clock = urljoin(url, base) if base else url, Fraction(0)
    for number, p in enumerate(root.findall(NS + "Period")):
        start = seconds(p.get("start"))
        if start is not None and number and start != clock:
            out.faults.append(f"Period {number} starts at {start}, the one before ends at {clock}")
        start = clock if start is None else start
        period = Period(dict(p.attrib), start, seconds(p.get("duration")))
        clock = start + (period.duration or 0)
        period_base = urljoin(base, p.findtext(NS + "BaseURL") or "")
        for a in p.findall(NS + "AdaptationSet"):
            content = a.get("contentType") or (a.get("mimeType") or (a.find(NS + "Representation").get("mimeType") or "")).split("/")[0]
            group = AdaptationSet(dict(a.attrib), content, element=a)
            for r in a.findall(NS + "Representation"):
                where = f"Period {number} {content} {r.get('id')}"
                template = {}
                timeline = []
                for level in (p, a, r):
                    t = level.find(NS + "SegmentTemplate")
                    if t is not None:
                        template |= t.attrib
                        timeline = _timeline(t, out.faults, where, period.duration or out.duration) or timeline
                attributes = {k: v for k, v in a.attrib.items() if k not in ("id",)} | dict(r.attrib)
                values = {"RepresentationID": r.get("id"), "Bandwidth": int(r.get("bandwidth", 0))}
                first = int(template.get("startNumber", 1))
                rep_base = urljoin(urljoin(period_base, a.findtext(NS + "BaseURL") or ""), r.findtext(NS + "BaseURL") or "")
                segments = [Timed(urljoin(rep_base, fill(template["media"], Number=first + i, Time=t, **values)), t, d)
                            for i, (t, d) in enumerate(timeline)] if "media" in template else []
                init = urljoin(rep_base, fill(template.get("initialization", ""), Number=0, Time=0, **values))
                group.representations.append(Representation(r.get("id"), attributes, int(template.get("timescale", 1)),
                                                            int(template.get("presentationTimeOffset", 0)), init, segments, group, r))
            (period.tricks if group.trick_of else period.sets).append(group)
        out.periods.append(period)
    if out.periods and out.periods[-1].duration is None and out.duration is not None:
        out.periods[-1].duration = out.duration - out.periods[-1].start
    return out
