"""Samples with captions in their pictures: cc_data of ATSC A/53 part 4 in messages of H.264."""
from quirk_case import AAC, case, thirds, written
from tsclip import renal

ROW_15 = (0x14, 0x70)


def odd(byte):
    return byte | (0 if bin(byte).count("1") % 2 else 0x80)


def shown(field, text, start, end, channel=0):
    """The pairs of one caption of CTA-608, by the picture that carries them: loaded, shown at `start`, erased at `end`."""
    code = lambda a, b: [(a | channel << 3, b)] * 2
    text += " " * (len(text) % 2)
    load = code(0x14, 0x20) + code(0x14, 0x2E) + code(*ROW_15) + [tuple(text[i:i + 2].encode()) for i in range(0, len(text), 2)]
    pairs = dict(enumerate(load, start - len(load)))
    for at, command in ((start, 0x2F), (end, 0x2C)):
        pairs.update(enumerate(code(0x14, command), at))
    return {(field, at): pair for at, pair in pairs.items()}


def packet(sequence, service, codes):
    """A caption channel packet of CTA-708 as constructs."""
    data = bytes([service << 5 | len(codes)]) + codes
    data += b"\0" * (1 - len(data) % 2)
    data = bytes([sequence << 6 | (len(data) + 1) // 2]) + data
    return [bytes([0xFF if i == 0 else 0xFE]) + data[i:i + 2] for i in range(0, len(data), 2)]


def message(constructs):
    """The NAL unit of these constructs, emulation prevented."""
    payload = b"\xb5\0\x31GA94\3" + bytes([0xC0 | len(constructs), 0xFF]) + b"".join(constructs) + b"\xff"
    out, zeros = bytearray([6]), 0
    for byte in bytes([4, len(payload)]) + payload + b"\x80":
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def captioned(clip, pairs, packets):
    """`pairs`: by field and picture; `packets`: constructs by picture. Pictures are counted as they are shown."""
    ranks = {pts: n for n, pts in enumerate(sorted(u.pts for u in clip.video.units))}

    def change(units, number):
        at = ranks[clip.video.units[number].pts]
        constructs = [bytes([0xFC | field]) + bytes(odd(b) for b in pairs.get((field, at), (0, 0))) for field in (0, 1)]
        constructs += packets.get(at, [b"\xf8\0\0"])
        first = next(i for i, n in enumerate(units) if n[0] & 31 in (1, 5))
        return units[:first] + [message(constructs)] + units[first:]
    return renal(clip, change)


# Window 0 of one row and 24 columns at the bottom, visible; then what is written into it (CTA-708-E 8.10.5.2).
WINDOW = bytes([0x98, 0x38, 0x46, 0x00, 0x00, 0x17, 0x11])


@case("captions")
def _(folder):
    """CC1 and CC3 of CTA-608 and one service of CTA-708; the master playlist knows the first and the last, and one that is not there."""
    pairs = shown(0, "Hello from CC1", 25, 60) | shown(0, "Goodbye from CC1", 90, 130)
    pairs |= shown(1, "Hej fran CC3", 30, 65) | shown(1, "Adjo fran CC3", 95, 135)
    packets = {25: packet(0, 1, WINDOW), 26: packet(1, 1, b"Hello from 708\3"), 60: packet(2, 1, b"\x8c\1"),
               90: packet(3, 1, WINDOW), 91: packet(0, 1, b"Goodbye from 708\3"), 130: packet(1, 1, b"\x8c\1")}
    folder.title(written(thirds(captioned(folder.clip(), pairs, packets))))
    stream = folder.stream("media.m3u8", AAC, "160x90", 25).replace(",RESOLUTION", ',CLOSED-CAPTIONS="captions",RESOLUTION')
    media = "".join(f'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="captions",NAME="{name}",LANGUAGE="{language}",{flags}INSTREAM-ID="{channel}"\n'
                    for name, language, flags, channel in (("English", "en-US", "DEFAULT=YES,AUTOSELECT=YES,", "CC1"), ("Deutsch", "de", "", "CC2"),
                                                           ("English, digital", "en", "AUTOSELECT=YES,", "SERVICE1")))
    folder.put("master.m3u8", "#EXTM3U\n#EXT-X-VERSION:7\n" + media + stream)
