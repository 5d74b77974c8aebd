"""What ffmpeg makes of media: a hash for every decoded frame of pictures and of sound, and the warnings of ffprobe.

Equal hashes prove equal pictures of equal size; they prove nothing about times, which `frames.py` compares on its own.
"""
import base64
import hashlib
import json
import os
import subprocess
import tempfile
from fractions import Fraction

_decoded = {}


def _file(data, suffix):
    handle, path = tempfile.mkstemp(suffix=suffix)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    return path


def _format(suffix):
    """A TS of three packets is not recognised as one, so it is told."""
    return ["-f", "mpegts"] if suffix == ".ts" else []


def _hashes(data, suffix, select):
    rows, complaint = _rows(data, suffix, select)
    return [row[5].strip() for row in rows], complaint


def _rows(data, suffix, select, options=(), timed=False):
    """The lines of framemd5, and what ffmpeg complained about; with `timed`, the time base of the first stream too."""
    key = hashlib.sha256(data).digest(), select, timed
    if key not in _decoded:
        path = _file(data, suffix)
        try:
            done = subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "2", *options, *_format(suffix), "-i", path,
                                   "-map", select, "-fps_mode", "passthrough", "-f", "framemd5", "-"],
                                  capture_output=True, text=True, timeout=300)
        finally:
            os.unlink(path)
        if "matches no streams" in done.stderr:
            done.stderr, done.returncode = "", 0
        rows = [line.split(",") for line in done.stdout.splitlines() if line and not line.startswith("#")]
        complaint = done.stderr.strip() or ("" if done.returncode == 0 else f"exit code {done.returncode}")
        _decoded[key] = (rows, complaint, time_base(done.stdout)) if timed else (rows, complaint)
    return _decoded[key]


def time_base(text):
    """Of stream 0 in framemd5."""
    line = next((line for line in text.splitlines() if line.startswith("#tb 0:")), "#tb 0: 1/1")
    return Fraction(line.rpartition(" ")[2])


def timed_hashes(data, suffix):
    """(time in seconds on the file's own clock, hash) of all video frames in the order of presentation, and the complaint."""
    rows, complaint, base = _rows(data, suffix, "0:v:0", ("-copyts",), True)
    return [(int(row[2]) * base, row[5].strip()) for row in rows], complaint


def frame_hashes(data, suffix):
    """The hashes of all video frames in the order of presentation, and what ffmpeg complained about."""
    return _hashes(data, suffix, "0:v:0")


def sound_hashes(data, suffix):
    """The hashes of all decoded audio frames, as signed 16-bit samples; nothing where there is no audio."""
    return _hashes(data, suffix, "0:a:0")


def pictures(data, suffix, numbers):
    """Some of the video frames as PNG in base64, by their number in the order of presentation; those that there are.

    The samples do not say what their colours mean; browsers take them for BT.709, and so does this.
    """
    path, wanted = _file(data, suffix), sorted(numbers)
    try:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", *_format(suffix), "-i", path, "-map", "0:v:0",
                            "-vf", "select='" + "+".join(f"eq(n,{n})" for n in wanted) + "',scale=in_color_matrix=bt709", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", os.path.join(folder, "%05d.png")],
                           stdin=subprocess.DEVNULL, check=True, timeout=300)
            out = {}
            for number, name in zip(wanted, sorted(os.listdir(folder))):
                with open(os.path.join(folder, name), "rb") as f:
                    out[number] = base64.b64encode(f.read()).decode()
            return out
    finally:
        os.unlink(path)


def aac_object_type(data, suffix):
    """(2, 5 or 29; sample rate; channels): what the decoder finds in the frames, whatever headers say."""
    key = hashlib.sha256(data).digest(), "profile"
    if key not in _decoded:
        path = _file(data, suffix)
        try:
            done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=profile,sample_rate,channels", "-of", "json",
                                   *_format(suffix), path], capture_output=True, text=True, timeout=60)
        finally:
            os.unlink(path)
        found = (json.loads(done.stdout or "{}").get("streams") or [{}])[0]
        _decoded[key] = {"HE-AAC": 5, "HE-AACv2": 29}.get(found.get("profile"), 2), int(found.get("sample_rate", 0)), found.get("channels", 0)
    return _decoded[key]


def probe_warnings(data, suffix):
    """What `ffprobe -v warning` prints when it reads every packet and decodes the first frames."""
    path = _file(data, suffix)
    try:
        done = subprocess.run(["ffprobe", "-v", "warning", "-show_packets", "-show_streams", "-of", "csv", *_format(suffix), path],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
    finally:
        os.unlink(path)
    lines = done.stderr.replace(path, "FILE").strip().splitlines()
    if len(data) < 20 * 188:        # too few packets for ffprobe to be sure of their size
        lines = [line for line in lines if "Could not detect TS packet size" not in line]
    # ID3 tags (98313): ffprobe names the stream and has no decoder for it.
    return "\n".join(line for line in lines if "Unsupported codec with id 98313" not in line)
