"""TTML documents of segments show what the documents of the source show, as ttconv (Sandflow) has both.

Compared at moments between all changes: every piece of text with its colour, slant, weight and the place of its region, and
what regions have behind them. Names of styles, regions and paragraphs are not compared, as those of joined documents differ.

Cannot tell what ttconv does not read: it passes over times that are broken, where packorigin leaves the paragraph out, so
text that begins with "Never" is not expected.
"""
import os
import re
import xml.etree.ElementTree as ET
from fractions import Fraction

from walkers import bmff

NAMESPACE = "http://www.w3.org/ns/ttml"


def sources(master):
    """Name → documents of the source, for all texts of a local master playlist that are TTML."""
    out = {}
    folder = os.path.dirname(master)
    with open(master) as f:
        rows = [dict(re.findall(r'([A-Z-]+)="?([^",]*)', line)) for line in f if "TYPE=SUBTITLES" in line]
    for row in rows:
        paths = [os.path.join(folder, row["URI"])]
        if not os.path.exists(paths[0]):
            continue
        with open(paths[0]) as f:
            text = f.read()
        if text.startswith("#EXTM3U"):
            base = os.path.dirname(paths[0])
            paths = [os.path.join(base, line) for line in text.splitlines() if line and not line.startswith("#")]
        documents = []
        for path in paths:
            with open(path, "rb") as f:
                documents.append(f.read())
        if all(d.lstrip().startswith(b"<") for d in documents):
            out[row["NAME"]] = [Document(d) for d in documents]
    return out


class Document:
    def __init__(self, data):
        import ttconv.imsc.reader as reader
        self.data = data
        self.model = reader.to_model(ET.ElementTree(ET.fromstring(data)))

    def changes(self):
        from ttconv.isd import ISD
        return set(ISD.significant_times(self.model))

    def shown(self, at):
        """What is shown at a time: pieces of text, and what is behind regions."""
        import ttconv.model as model
        from ttconv.isd import ISD
        from ttconv.style_properties import StyleProperties as S
        pieces = set()
        scene = ISD.from_model(self.model, at)
        for region in scene.iter_regions() if scene else []:
            place = tuple(str(region.get_style(s)) for s in (S.Origin, S.Extent, S.DisplayAlign, S.BackgroundColor))
            if region.get_style(S.BackgroundColor).components[3]:
                pieces.add(("", *place))
            for element in region.dfs_iterator():
                if isinstance(element, model.Br):
                    pieces.add(("\n", *place))
                elif isinstance(element, model.Text) and not element.get_text().startswith("Never"):
                    parent = element.parent()
                    look = tuple(str(parent.get_style(s)) for s in (S.Color, S.FontStyle, S.FontWeight, S.FontSize, S.FontFamily))
                    pieces.add((element.get_text(), type(parent).__name__, *look, *place))
        return pieces


def moments(documents, start, end):
    """Between all changes, from `start` to `end`, in seconds of the title."""
    times = sorted({start, end} | {t for d in documents for t in d.changes() if t is not None and start < t < end})
    # Half a tick of rounding is no change.
    return [(a + b) / 2 for a, b in zip(times, times[1:]) if b - a > Fraction(1, 1000)]


def judge_document(judge, source, data, start, end, zero, where):
    """`data` shows from `start` to `end` what the source shows; its times are those of the title and `zero`."""
    judge.check("document: UTF-8 and no times of frames or ticks", b"frameRate" not in data and b"tickRate" not in data and data.decode(), where)
    times = re.findall(rb'(?:begin|end|dur)="([^"]*)"', data)
    judge.check("document: times are hh:mm:ss.fraction", all(re.fullmatch(rb"\d\d:\d\d:\d\d\.(\d{3}|\d{6})", t) for t in times), where)
    document = Document(data)
    for at in moments([*source, document], start, end):
        wanted = set().union(*(d.shown(at) for d in source))
        found = document.shown(at + zero)
        judge.equal("document: shows what the source shows", sorted(found), sorted(wanted), f"{where} at {float(at)} s")


def judge_init(judge, data, language, where):
    init = bmff.read_init(data)
    root = bmff.file(data)
    judge.equal("init: handler and entry", (init.handler, init.entry), ("subt", "stpp"), where)
    mdia = root.need("moov/trak/mdia")
    judge.check("init: sthd", mdia.get("minf/sthd") is not None and mdia.get("minf/nmhd") is None, where)
    judge.equal("init: elng", mdia.need("elng").data[4:].rstrip(b"\0").decode(), language, where)
    judge.check("init: brands", b"im1t" in root.need("ftyp").data and b"cmfc" in root.need("ftyp").data, where)
    entry = root.need("moov/trak/mdia/minf/stbl/stsd").data[16:]
    judge.equal("init: namespace, no schema, nothing beside", entry[8:], NAMESPACE.encode() + b"\0\0\0", where)
    return init


def read_segment(judge, data, init, time, duration, where):
    """The document in a segment."""
    fragments = bmff.read_segment(data, init)
    samples = [s for f in fragments for s in f.samples]
    judge.equal("segment: one fragment that begins at its time", [f.tfdt for f in fragments], [time], where)
    judge.equal("segment: one sample that covers it", [s.duration for s in samples], [duration], where)
    return bytes(samples[0].data)
