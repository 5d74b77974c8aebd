"""Samples with timed metadata beside sound and pictures."""
from quirk_case import case, thirds, written
from tsclip import Track, Unit, Writer

METADATA_PID = 0x102
# metadata_pointer_descriptor and metadata_descriptor (ISO/IEC 13818-1 2.6.58, 2.6.60) as Apple wants them.
POINTER = b"\x25\x0f\xff\xffID3 \xffID3 \0\x1f\0\1"
DESCRIPTOR = b"\x26\x0d\xff\xffID3 \xffID3 \0\x0f"


def tag(text, size=0):
    """An ID3v2.4 tag with one TXXX frame, at least of this size."""
    body = b"\3packorigin\0" + text.encode() + b"\0"
    body += b"x" * (size - 20 - len(body))
    seven = lambda n: bytes(n >> shift & 0x7F for shift in (21, 14, 7, 0))
    frame = b"TXXX" + seven(len(body)) + b"\0\0" + body
    return b"ID3\4\0\0" + seven(len(frame)) + frame


@case("id3")
def _(folder):
    """A tag each half second from before the first picture on, one of 3000 bytes; JSON that is no tag; one without a time."""
    clip = folder.clip()
    start = min(u.pts for u in clip.video.units)
    units = [Unit(tag(f"tag {n}", 3000 if n == 4 else 0), t, None, True, t) for n, t in enumerate(range(start - 9000, start + 6 * 90000, 45000))]
    middle = start + 90000
    units += [Unit(b'{"no": "tag"}', middle, None, True, middle), Unit(tag("timeless"), None, None, True, middle + 1)]
    units.sort(key=lambda u: u.order)
    clip.tracks.append(Track(METADATA_PID, 0x15, 0xBD, units, DESCRIPTOR))
    folder.title(written(thirds(clip), Writer(program_info=POINTER)))
