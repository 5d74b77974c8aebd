"""Makes field pairs (PAFF) of pictures that an encoder coded as frames of half the height, for `quirks.py`.

No encoder at hand writes H.264 fields. But in CAVLC, without 8x8 transform and loop filter, a field has the syntax of a
frame of its own size, save for the SPS and the slice headers (ISO/IEC 14496-10 7.3.2.1, 7.3.3). So these are rewritten:
two pictures become one frame's top and bottom field, and P fields name the field just before as their reference, which
is what the encoder used. One thing stays wrong on purpose: coefficients keep the zigzag order of frames, so decoded
pictures look coarse. The stream is valid all the same, and every decoder shows the same.
"""
from tsclip import Unit, byte_stream, nals


class Bits:
    """Reads a payload without emulation prevention bytes."""

    def __init__(self, nal):
        data, zeros = bytearray(), 0
        for byte in nal:
            if zeros >= 2 and byte == 3:
                zeros = 0
                continue
            zeros = zeros + 1 if byte == 0 else 0
            data.append(byte)
        self.text = "".join(f"{b:08b}" for b in data).rstrip("0")[:-1]     # without the stop bit
        self.at = 0

    def u(self, n):
        self.at += n
        return self.text[self.at - n:self.at]

    def ue(self):
        zeros = self.text.index("1", self.at) - self.at
        return self.u(2 * zeros + 1)

    @property
    def rest(self):
        return self.text[self.at:]


def value(code):
    return int(code, 2) - 1


def code(number):
    text = f"{number + 1:b}"
    return "0" * (len(text) - 1) + text


def nal(header, text):
    text += "1"
    text += "0" * (-len(text) % 8)
    out, zeros = bytearray([header]), 0
    for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


class Sps:
    """Main profile, POC type 2, as x264 writes it without B-frames; rewritten for fields."""

    def __init__(self, unit):
        bits = Bits(unit[1:])
        bits.u(16)                      # Baseline, which has no fields
        out = f"{77:08b}" + "0" * 8 + bits.u(8) + bits.ue()
        number = bits.ue()
        self.frame_num_bits = value(number) + 4
        order = bits.ue()
        if value(order) != 2:
            raise ValueError("fields.py reads POC type 2 only")
        out += number + order + bits.ue() + bits.u(1) + bits.ue() + bits.ue()
        if bits.u(1) != "1":
            raise ValueError("these are fields already")
        bits.u(1)                       # direct_8x8_inference_flag: has to be 1 for fields
        self.nal = nal(unit[0], out + "0" + "0" + "1" + bits.rest)


def field(unit, sps, frame, bottom):
    """A slice of a picture as one of the top field (first) or of the bottom field (second) of the frame of this number since the IDR."""
    idr, bits = unit[0] & 31 == 5, Bits(unit[1:])
    out, kind = bits.ue(), bits.ue()
    intra = value(kind) % 5 == 2
    out += kind + bits.ue()
    bits.u(sps.frame_num_bits)
    out += f"{frame % (1 << sps.frame_num_bits):0{sps.frame_num_bits}b}" + "1" + str(int(bottom))
    if idr:
        out += bits.ue()                # idr_pic_id
    if not intra:
        out += bits.u(1)                # num_ref_idx_active_override_flag
        if out[-1] == "1":
            out += bits.ue()
        if bits.u(1) != "0":
            raise ValueError("the encoder reordered its references")
        # The field just before has the other parity: of this frame (picture number one less) or of the one before (three less).
        out += "1" + code(0) + code(0 if bottom else 2) + code(3)
    out += bits.u(2) if idr else bits.u(1)      # dec_ref_pic_marking
    return nal(unit[0], out + bits.rest)


def paired(clip, sound):
    """Pairs the pictures of a clip, one PES packet for both fields; sound comes from another clip."""
    units, sps, frame = clip.video.units, None, 0
    start, out = min(u.pts for u in sound.video.units), []
    for number, (top, bottom) in enumerate(zip(units[::2], units[1::2])):
        made, frame = [], 0 if top.key else frame + 1
        for unit, is_bottom in ((top, False), (bottom, True)):
            for n in nals(unit.data):
                kind = n[0] & 31
                if kind == 7:
                    sps = Sps(n)
                    n = sps.nal
                elif kind in (1, 5):
                    n = field(n, sps, frame, is_bottom)
                elif kind == 9:
                    n = b"\x09\xf0"
                made.append(n)
        time = start + number * 3600
        out.append(Unit(byte_stream(made), time, time, top.key, time))
    sound.video.units = out
    sound.audio.units = [u for u in sound.audio.units if u.order < start + len(out) * 3600]
    return sound
