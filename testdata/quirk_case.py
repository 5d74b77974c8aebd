"""What a sample of `quirks/` is made with: its folder, its playlists, and the list of all cases."""
import os
import re

import tsclip
from tsclip import Writer, cut

AAC = "mp4a.40.2"
PLAIN = [f"../plain/{n:03d}.ts" for n in range(3)]
CASES = {}


class Folder:
    """One sample: its segments, its playlists."""

    def __init__(self, work, path):
        self.work, self.path = work, path
        os.makedirs(path, exist_ok=True)

    def clip(self, name="plain"):
        return tsclip.read(os.path.join(self.work, name + ".ts"))

    def put(self, name, data):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)

    def media(self, segments, durations, name="media.m3u8", uris=None, target=None, head=(), version=3, before=lambda n: ()):
        """Writes segments (lists of packets, bytes, or None for what lies elsewhere) and their playlist."""
        uris = uris or [f"{n:03d}.ts" for n in range(len(segments))]
        lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", "#EXT-X-PLAYLIST-TYPE:VOD", f"#EXT-X-TARGETDURATION:{target or max(1, round(max(durations)))}", *head]
        for number, (segment, duration) in enumerate(zip(segments, durations)):
            if segment is not None:
                self.put(uris[number], segment if isinstance(segment, bytes) else b"".join(segment))
            lines += [*before(number), f"#EXTINF:{duration:.3f},", uris[number]]
        self.put(name, "\n".join(lines + ["#EXT-X-ENDLIST", ""]))

    def stream(self, uri, codecs, size, fps, measured=None):
        """The line of a variant, as true as can be. `codecs`: those of sound, and of pictures that are not H.264."""
        measured = measured or uri
        every = ",".join(filter(None, (self.avc(measured), codecs)))
        return f'#EXT-X-STREAM-INF:BANDWIDTH={self.measured(measured)},CODECS="{every}"' + (f",RESOLUTION={size},FRAME-RATE={fps:.3f}" if size else "") + f"\n{uri}\n"

    def master(self, codecs=AAC, size="160x90", fps=25, measured=None):
        self.put("master.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n" + self.stream("media.m3u8", codecs, size, fps, measured))

    def avc(self, uri):
        """The codec string of the first SPS of H.264 that the playlist's files hold."""
        folder = os.path.dirname(os.path.join(self.path, uri))
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith((".ts", ".mp4")):
                with open(os.path.join(folder, name), "rb") as f:
                    found = re.search(rb"(?:\x00\x00\x01[\x27\x67]|avcC\x01)([\x42\x4d\x64]..)", f.read(), re.DOTALL)
                if found:
                    return "avc1." + found.group(1).hex()
        return None

    def measured(self, uri="media.m3u8"):
        """The peak bit rate of the playlist's segments."""
        peak, duration, folder = 0, 1, os.path.dirname(os.path.join(self.path, uri))
        with open(os.path.join(self.path, uri)) as f:
            for line in f:
                if line.startswith("#EXTINF:"):
                    duration = float(line[8:].split(",")[0])
                elif not line.startswith("#") and os.path.exists(os.path.join(folder, line.strip())):
                    peak = max(peak, round(os.path.getsize(os.path.join(folder, line.strip())) * 8 / duration))
        return peak or 80000

    def title(self, segments, durations=(2, 2, 2), **master):
        self.media(segments, list(durations)[:len(segments)])
        self.master(**master)


def case(name):
    def add(make):
        assert name not in CASES
        CASES[name] = make
        return make
    return add


def written(parts, writer=None):
    writer = writer or Writer()
    return [writer.write(p) for p in parts]


def thirds(clip):
    return cut(clip, [50, 100])
