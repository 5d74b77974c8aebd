"""The content that all programs are given: a ladder of 1080p, 720p and 360p as HLS with transport streams.

Test pictures with noise of time at 5, 2.5 and 0.8 Mbit/s, 30 pictures a second, keyframes every 2 s, AAC at 128 kbit/s, segments
of 6 s: what a ladder of the field is, but for its look. ffmpeg makes it in about as long as 1080p takes to encode.
"""
import os
import shutil
import subprocess

# Height → width, kbit/s of pictures.
LADDER = {1080: (1920, 5000), 720: (1280, 2500), 360: (640, 800)}
RATE, KEYFRAME_SECONDS, SEGMENT_SECONDS = 30, 2, 6
# One after another: what programs read that take no playlist.
LONG = "1080.ts"


def is_there(folder):
    return os.path.exists(os.path.join(folder, "master.m3u8"))


def make(folder, seconds):
    """Writes the ladder to `folder`."""
    draft = folder + ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    for height in LADDER:
        os.makedirs(os.path.join(draft, str(height)))
    labels = "".join(f"[in{h}]" for h in LADDER)
    scaled = ";".join(f"[in{h}]scale={w}:{h}:flags=fast_bilinear[out{h}]" for h, (w, _) in LADDER.items())
    pictures = f"testsrc2=s=1920x1080:r={RATE}:d={seconds},noise=alls=14:allf=t,format=yuv420p"
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", pictures,
               "-f", "lavfi", "-i", f"anoisesrc=d={seconds}:c=pink:r=48000:a=0.3,aformat=channel_layouts=stereo",
               "-filter_complex", f"[0:v]split={len(LADDER)}{labels};{scaled}"]
    interval = RATE * KEYFRAME_SECONDS
    for height, (_, rate) in LADDER.items():
        command += ["-map", f"[out{height}]", "-map", "1:a", "-c:v", "libx264", "-preset", "superfast", "-profile:v", "high", "-bf", "3",
                    "-b_strategy", "0", "-g", str(interval), "-keyint_min", str(interval), "-sc_threshold", "0", "-flags", "+cgop",
                    "-b:v", f"{rate}k", "-maxrate", f"{rate * 6 // 5}k", "-bufsize", f"{rate * 2}k", "-c:a", "aac", "-b:a", "128k",
                    "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod", "-hls_flags", "independent_segments",
                    "-hls_segment_filename", os.path.join(draft, str(height), "%05d.ts"), os.path.join(draft, str(height), "index.m3u8")]
    subprocess.run(command, check=True)
    os.rename(draft, folder)
    playlists(folder)


def playlists(folder):
    """The master playlists, of all of the ladder and of the best alone, and the long file."""
    def master(heights):
        lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={LADDER[h][1] * 1300},RESOLUTION={LADDER[h][0]}x{h}\n{h}/index.m3u8" for h in heights]
        return "\n".join(["#EXTM3U", "#EXT-X-VERSION:6", *lines, ""])
    for name, heights in {"best.m3u8": [1080], "master.m3u8": LADDER}.items():
        with open(os.path.join(folder, name), "w") as out:
            out.write(master(heights))
    with open(os.path.join(folder, LONG), "wb") as out:
        for segment in segments(folder, 1080):
            with open(segment, "rb") as part:
                shutil.copyfileobj(part, out)


def segments(folder, height):
    """The source segments of one rendition, in order."""
    below = os.path.join(folder, str(height))
    return [os.path.join(below, name) for name in sorted(os.listdir(below)) if name.endswith(".ts")]
