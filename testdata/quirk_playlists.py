"""Samples of playlists: most point at the media of `plain`, and some encrypt or join them."""
import os
import shutil
import subprocess

from quirk_case import AAC, PLAIN, case, written
from quirk_streams import NOISE
from tsclip import cut


def listed(folder, durations=(2, 2, 2), uris=PLAIN, **options):
    folder.media([None] * len(uris), list(durations), uris=list(uris), **options)
    folder.master(measured="../plain/media.m3u8")


@case("same-file-twice")
def _(folder):
    listed(folder, uris=[PLAIN[0], PLAIN[1], PLAIN[0]])


@case("extinf-wrong")
def _(folder):
    listed(folder, (4, 0.5, 1.25))


@case("extinf-above-target")
def _(folder):
    listed(folder, target=1)


@case("crlf-bom-comments")
def _(folder):
    listed(folder, head=("", "# a comment", "#EXT-X-VENDOR-TAG:WHAT=EVER", "#EXTINFORMATION:no", ""), before=lambda n: ("", f"# segment {n}", "#EXT-X-CUE-OUT:1"))
    for name in ("master.m3u8", "media.m3u8"):
        with open(os.path.join(folder.path, name)) as f:
            text = f.read()
        folder.put(name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())


@case("spaces-in-tags")
def _(folder):
    listed(folder)
    line = folder.stream("media.m3u8", AAC, "160x90", 25, "../plain/media.m3u8").replace(",", ", ").replace("INF:", "INF: ").replace("\n", " \n")
    folder.put("master.m3u8", f"#EXTM3U \n#EXT-X-VERSION: 3\n{line}")
    folder.put("media.m3u8", "#EXTM3U\n#EXT-X-VERSION: 3\n#EXT-X-TARGETDURATION: 2\n#EXT-X-PLAYLIST-TYPE: VOD\n"
               + "".join(f"#EXTINF: 2.000 , a title\n {u} \n" for u in PLAIN) + "#EXT-X-ENDLIST \n")


@case("percent-encoded")
def _(folder):
    shutil.copy(os.path.join(folder.path, PLAIN[1]), os.path.join(folder.path, "zweites Stück.ts"))
    listed(folder, uris=["../pl%61in/000.ts?session=a%20b&at=1", "zweites%20St%C3%BCck.ts", "../plain/002.ts?x=/../y"])


@case("byterange")
def _(folder):
    sizes = []
    whole = b""
    for uri in PLAIN:
        with open(os.path.join(folder.path, uri), "rb") as f:
            data = f.read()
        sizes.append(len(data))
        whole += data
    folder.put("whole.ts", NOISE[:188 * 2] + whole)
    offsets = [f"{sizes[0]}@376", f"{sizes[1]}", f"{sizes[2]}"]
    listed(folder, uris=["whole.ts"] * 3, version=4, before=lambda n: (f"#EXT-X-BYTERANGE:{offsets[n]}",))


@case("gap-tag")
def _(folder):
    listed(folder, uris=[PLAIN[0], "missing.ts", PLAIN[2]], version=8, before=lambda n: ("#EXT-X-GAP",) if n == 1 else ())


@case("define")
def _(folder):
    listed(folder, uris=[u.replace("../plain", "{$where}/{$what}") for u in PLAIN], version=8,
           head=('#EXT-X-DEFINE:NAME="where",VALUE=".."', '#EXT-X-DEFINE:IMPORT="what"'))
    line = folder.stream("{$file}.m3u8", AAC, "160x90", 25, "../plain/media.m3u8").replace("160x90", "{$width}x90")
    folder.put("master.m3u8", "#EXTM3U\n#EXT-X-VERSION:8\n" + "".join(f'#EXT-X-DEFINE:NAME="{n}",VALUE="{v}"\n' for n, v in (("what", "plain"), ("file", "media"), ("width", "160"))) + line)


@case("program-date-time")
def _(folder):
    listed(folder, before=lambda n: (f"#EXT-X-PROGRAM-DATE-TIME:2024-02-29T23:59:{57 + n:02d}.500+01:00",) if n in (0, 2) else ())


@case("start-and-sequences")
def _(folder):
    listed(folder, version=6, head=("#EXT-X-MEDIA-SEQUENCE:7794", "#EXT-X-DISCONTINUITY-SEQUENCE:5", "#EXT-X-START:TIME-OFFSET=2.5,PRECISE=YES"))


KEYS = [bytes((k * 31 + i * 7 + 5) & 255 for i in range(16)) for k in range(2)]


def encrypted(folder, key, iv, data):
    done = subprocess.run(["openssl", "enc", "-aes-128-cbc", "-K", KEYS[key].hex(), "-iv", iv.hex()], input=data, capture_output=True, check=True)
    folder.put(f"key-{key}.bin", KEYS[key])
    return done.stdout


def protect(name, keys, head=()):
    """`keys`: for each segment (number of the key, explicit IV or None) or None for clear; tags are written where they change."""
    @case(name)
    def make(folder):
        segments, tags, last = [], {}, None
        for n, uri in enumerate(PLAIN):
            with open(os.path.join(folder.path, uri), "rb") as f:
                data = f.read()
            if keys[n] is not None:
                key, iv = keys[n]
                data = encrypted(folder, key, iv or (n + (7794 if head else 0)).to_bytes(16, "big"), data)
            segments.append(data if keys[n] else None)
            if keys[n] != last:
                tags[n] = ("#EXT-X-KEY:METHOD=NONE" if keys[n] is None else
                           f'#EXT-X-KEY:METHOD=AES-128,URI="key-{keys[n][0]}.bin"' + (f",IV=0x{keys[n][1].hex()}" if keys[n][1] else ""))
            last = keys[n]
        uris = [f"{n:03d}.ts" if s else PLAIN[n] for n, s in enumerate(segments)]
        folder.media(segments, [2, 2, 2], uris=uris, head=head, before=lambda n: (tags[n],) if n in tags else ())
        folder.master(measured="../plain/media.m3u8")


IV = bytes(range(0xA0, 0xB0))
protect("aes-128-iv", [(0, IV)] * 3)
protect("aes-128-sequence", [(0, None)] * 3, ("#EXT-X-MEDIA-SEQUENCE:7794",))
protect("aes-128-key-change", [(0, None), (1, IV), None])


@case("sample-aes")
def _(folder):
    folder.put("key-0.bin", KEYS[0])
    listed(folder, version=5, before=lambda n: ('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key-0.bin",IV=0x' + IV.hex(),) if n == 0 else ())


@case("fmp4-source")
def _(folder):
    folder.master()


def variants(folder, *rows):
    """(URI, size, frame rate) each; what a missing or shared one measures is `plain`'s."""
    lines = [folder.stream(uri, AAC, size, fps, uri if os.path.exists(os.path.join(folder.path, uri)) and "backup" not in uri else "../plain/media.m3u8")
             for uri, size, fps in rows]
    folder.put("master.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n" + "".join(lines))


@case("duplicate-variants")
def _(folder):
    variants(folder, *[("../plain/media.m3u8", "160x90", 25)] * 2)


@case("redundant-variants")
def _(folder):
    folder.media([None] * 3, [2, 2, 2], "backup/media.m3u8", ["../" + u for u in PLAIN])
    variants(folder, ("../plain/media.m3u8", "160x90", 25), ("backup/media.m3u8", "160x90", 25))


@case("variants-differ-in-length")
def _(folder):
    clip = folder.clip("longer")
    folder.media(written(cut(clip, [50, 100, 150])), [2, 2, 2, 2], "longer/media.m3u8", [f"{n:03d}.ts" for n in range(4)])
    for n in range(4):
        os.replace(os.path.join(folder.path, f"{n:03d}.ts"), os.path.join(folder.path, f"longer/{n:03d}.ts"))
    variants(folder, ("../plain/media.m3u8", "160x90", 25), ("longer/media.m3u8", "128x72", 25))


@case("variant-missing")
def _(folder):
    variants(folder, ("nowhere/media.m3u8", "320x180", 25), ("../plain/media.m3u8", "160x90", 25))
