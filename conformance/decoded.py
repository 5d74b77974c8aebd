"""Decoded pictures and decoded sound of what is served, against those of the source, both as ffmpeg decodes them.

Frame hashes have to be equal one by one. What may differ is stated as an allowance: how many of the source's frames may
have no equal, and how many of ours. One reason for it lies in decoding itself: where a decoder starts anew (the first
segment of a Period), sound that overlaps with the frame before (AAC, Dolby) or lives on a bit reservoir (MP3) comes out
otherwise for a few frames. So `STARTS` frames are let differ for each start beyond those that both sides share.
"""
import decode
from walkers import mpegts

STARTS = {"aac": 2, "ac-3": 2, "ec-3": 2, "mp3": 4, "mp2": 2}


class Decoded:
    """Hashes of frames, in order, of one kind; and how often a decoder started anew."""

    def __init__(self, parts, kind):
        """`parts`: (bytes, file suffix) for each stretch that is decoded by itself."""
        self.frames, self.complaints, self.starts = [], [], 0
        for data, suffix in parts:
            found, complaint = (decode.frame_hashes if kind == "video" else decode.sound_hashes)(data, suffix)
            self.frames += found
            self.starts += bool(found)
            self.complaints += [complaint] if complaint else []


def unmatched(ours, theirs):
    """Frames of each side that have no equal in the other, in order: (ours, theirs), as positions."""
    import difflib
    if ours == theirs:
        return [], []
    mine, others = [], []
    for what, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if what != "equal":
            mine += range(a, b)
            others += range(c, d)
    return mine, others


def compare(judge, what, ours, theirs, allowed, where, why=""):
    """`allowed`: frames that may differ, on either side."""
    mine, others = unmatched(ours.frames, theirs.frames)
    judge.check(f"{what} is decoded", bool(ours.frames) or not theirs.frames, where)
    judge.check(f"decoded {what} is the source's", len(mine) <= allowed and len(others) <= allowed,
                lambda: f"{where}: of {len(theirs.frames)} frames {len(others)} are missing (first {others[:1]}), {len(mine)} of our {len(ours.frames)} are others "
                        f"(first {mine[:1]}), allowed {allowed}{' because ' + why if why else ''}")
    return mine, others


def codec_of(data):
    frames, _ = mpegts.audio_frames(mpegts.read(data))
    return frames[0].codec if frames else None


def start_allowance(codec, ours, theirs):
    extra = abs(ours.starts - theirs.starts)
    return STARTS.get(codec, 2) * extra
