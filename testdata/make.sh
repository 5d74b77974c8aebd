#!/usr/bin/env bash
# Makes every sample asset of this folder with ffmpeg. README.md says what each one exercises.
#
# usage: testdata/make.sh [asset...]      without names: all of them
#
# The commands reproduce: one thread, no version strings, no clock. The same ffmpeg gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")"

BITEXACT=(-fflags +bitexact -flags +bitexact -threads 1)
X264=(-c:v libx264 -preset slow -pix_fmt yuv420p -sc_threshold 0)

# A tone that climbs, so that no two audio frames are alike.  tone <sample rate>
tone() { echo "aevalsrc='0.2*sin(2*PI*(200+15*t)*t)|0.2*sin(2*PI*(300+20*t)*t)':s=$1"; }

ff() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }

# One rendition as an HLS playlist with TS segments.
# hls <folder> <seconds> <fps> <size> <kb/s> <GOP frames> <segment seconds> <audio kb/s, 0: none> <audio rate> [more options...]
hls() {
  local dir=$1 secs=$2 fps=$3 size=$4 rate=$5 gop=$6 seg=$7 akb=$8 arate=$9; shift 9
  mkdir -p "$dir"
  local audio_in=() audio_out=(-an)
  if [ "$akb" != 0 ]; then
    audio_in=(-f lavfi -i "$(tone "$arate")")
    audio_out=(-c:a aac -b:a "${akb}k" -ac 2)
  fi
  ff -f lavfi -i "testsrc2=size=$size:rate=$fps" "${audio_in[@]}" -t "$secs" \
    "${BITEXACT[@]}" "${X264[@]}" -bf 2 -b:v "${rate}k" -maxrate "$((rate * 3 / 2))k" -bufsize "$((rate * 2))k" \
    -g "$gop" -keyint_min "$gop" "${audio_out[@]}" "$@" \
    -f hls -hls_time "$seg" -hls_playlist_type vod -hls_segment_filename "$dir/%03d.ts" "$dir/media.m3u8"
}

make_ladder() {
  rm -rf ladder; mkdir ladder
  hls ladder/360p 34 24 640x360 88 48 10 24 48000
  hls ladder/240p 34 24 426x240 46 48 10 24 48000
  hls ladder/144p 34 24 256x144 22 48 10 24 48000
  cat > ladder/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=210000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=24.000
360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=150000,RESOLUTION=426x240,CODECS="avc1.640015,mp4a.40.2",FRAME-RATE=24.000
240p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=110000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=24.000
144p/media.m3u8
M
}

make_camera() {
  rm -rf camera; mkdir -p camera/video
  local common=("${BITEXACT[@]}" "${X264[@]}" -profile:v high -level 3.0 -bf 2 -b:v 70k -maxrate 100k -bufsize 140k
    -g 60 -c:a aac -b:a 32k -ac 2 -f segment -segment_format mpegts)
  # Before the jump: 465 frames. After it: 500 and 76 frames on a clock that is 74 s ahead of the first.
  ff -f lavfi -i "testsrc2=size=640x302:rate=30" -f lavfi -i "$(tone 44100)" -t 15.5 \
    "${common[@]}" -segment_frames 1000 -segment_start_number 120 camera/video/1723518810_%d.ts
  ff -f lavfi -i "testsrc2=size=640x302:rate=30" -f lavfi -i "$(tone 44100)" -t 19.2 -vf negate \
    "${common[@]}" -force_key_frames 'expr:eq(n,500)' -segment_frames 500 -segment_start_number 121 \
    -output_ts_offset 74 camera/video/1723518884_%d.ts
  mv camera/video/1723518884_122.ts camera/video/1723518886_122.ts
  cat > camera/master.m3u8 <<'M'
#EXTM3U
#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=100000,CODECS="mp4a.40.2,avc1.64001e",RESOLUTION=640x302
video/player-ld.m3u8
M
  cat > camera/video/player-ld.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-TARGETDURATION:17
#EXTINF:15.500,
1723518810_120.ts
#EXT-X-DISCONTINUITY
#EXTINF:16.666,
1723518884_121.ts
#EXTINF:2.533,
1723518886_122.ts
#EXT-X-ENDLIST
M
}

make_codecs-change() {
  rm -rf codecs-change; mkdir codecs-change
  hls codecs-change/a 8 25 320x180 60 50 4 32 48000
  hls codecs-change/b 8 25 256x144 40 50 4 32 44100
  cat > codecs-change/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=140000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2"
media.m3u8
M
  cat > codecs-change/media.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-TARGETDURATION:4
#EXTINF:4.000,
a/000.ts
#EXTINF:4.000,
a/001.ts
#EXT-X-DISCONTINUITY
#EXTINF:4.000,
b/000.ts
#EXTINF:4.000,
b/001.ts
#EXT-X-ENDLIST
M
  rm codecs-change/?/media.m3u8
}

make_wrap() {
  rm -rf wrap; mkdir wrap
  # 2^33 ticks are 95443.7177 s: the clock wraps about 9 s in, in the middle of the second segment.
  hls wrap 24 24000/1001 320x180 60 48 6 32 48000 -output_ts_offset 95434.7 -hls_ts_options mpegts_copyts=1
  cat > wrap/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=140000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2",FRAME-RATE=23.976
media.m3u8
M
}

make_midgop() {
  rm -rf midgop; mkdir midgop
  ff -f lavfi -i "testsrc2=size=320x180:rate=25" -f lavfi -i "$(tone 48000)" -t 24 \
    "${BITEXACT[@]}" "${X264[@]}" -bf 2 -b:v 60k -maxrate 90k -bufsize 120k -g 50 -keyint_min 50 \
    -c:a aac -b:a 32k -ac 2 -f mpegts midgop/whole.ts
  # Keyframes lie at multiples of 50 frames; none of these cuts does.
  python3 cut.py midgop/whole.ts midgop 25 165 310 470
  rm midgop/whole.ts
  cat > midgop/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=140000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2"
media.m3u8
M
}

make_video-only() {
  rm -rf video-only; mkdir video-only
  hls video-only 13 30 320x180 60 30 4 0 0
  cat > video-only/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=320x180,CODECS="avc1.64000d"
media.m3u8
M
}

make_unaligned() {
  rm -rf unaligned; mkdir unaligned
  # Keyframes every 2.0 s and every 2.8 s: within 20 s they meet at 0 and 14 s only.
  hls unaligned/a 20 25 320x180 50 50 4 32 48000
  hls unaligned/b 20 25 256x144 30 70 5 32 48000
  cat > unaligned/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=130000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2"
a/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2"
b/media.m3u8
M
}

make_distinct-audio() {
  rm -rf distinct-audio; mkdir distinct-audio
  hls distinct-audio/high 12 25 320x180 50 50 4 64 48000
  hls distinct-audio/low 12 25 256x144 30 50 4 24 48000
  cat > distinct-audio/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=170000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2"
high/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=90000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2"
low/media.m3u8
M
}

# A master that names media.m3u8.  bad_master <folder>
bad_master() {
  cat > "bad/$1/master.m3u8" <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=128x72,CODECS="avc1.42c00a,mp4a.40.2"
media.m3u8
M
}

# A media playlist of 2 s segments, with ENDLIST.  bad_media <folder> <uri>...
bad_media() {
  local dir=$1; shift
  { printf '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:2\n'
    printf '#EXTINF:2.000,\n%s\n' "$@"
    printf '#EXT-X-ENDLIST\n'; } > "bad/$dir/media.m3u8"
}

# Sound in playlists of its own.  sound <folder> <seconds> <lowest tone> <codec options...>
sound() {
  local dir=$1 secs=$2 tone=$3; shift 3
  mkdir -p "$dir"
  ff -f lavfi -i "aevalsrc='0.2*sin(2*PI*($tone+15*t)*t)|0.2*sin(2*PI*($tone*3/2+20*t)*t)':s=48000" -t "$secs" "${BITEXACT[@]}" "$@" \
    -output_ts_offset 0.08 -f hls -hls_time 4 -hls_playlist_type vod -hls_segment_filename "$dir/%03d.ts" "$dir/media.m3u8"
}

make_languages() {
  rm -rf languages; mkdir languages
  hls languages/360p 12 25 640x360 60 50 4 0 0
  hls languages/144p 12 25 256x144 20 50 4 0 0
  sound languages/en 12 200 -c:a aac -b:a 32k
  sound languages/de 12 260 -c:a aac -b:a 32k
  sound languages/described 12 340 -c:a aac -b:a 32k
  sound languages/en-ac3 12 200 -c:a ac3 -b:a 96k
  sound languages/de-ac3 12 260 -c:a ac3 -b:a 96k
  cat > languages/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="en/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="de/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English, described",LANGUAGE="en",AUTOSELECT=YES,CHANNELS="2",CHARACTERISTICS="public.accessibility.describes-video",URI="described/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="dolby",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="en-ac3/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="dolby",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="de-ac3/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=136000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo"
360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo"
144p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=202000,RESOLUTION=640x360,CODECS="avc1.64001e,ac-3",FRAME-RATE=25.000,AUDIO="dolby"
360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=162000,RESOLUTION=256x144,CODECS="avc1.64000c,ac-3",FRAME-RATE=25.000,AUDIO="dolby"
144p/media.m3u8
M
}

# A playlist of text.  subtitle_list <seconds each> <file...>
subtitle_list() {
  local each=$1; shift
  printf '#EXTM3U\n#EXT-X-TARGETDURATION:%s\n#EXT-X-PLAYLIST-TYPE:VOD\n' "$each"
  printf "#EXTINF:$each.000,\n%s\n" "$@"
  echo '#EXT-X-ENDLIST'
}

# Text beside pictures and sound of `languages`, whose first picture has the clock 133200.
make_subtitles() {
  # expected.json stays: it is written by hand.
  find subtitles -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + 2>/dev/null || true
  mkdir -p subtitles/{en,de,sdh,signs}
  cat > subtitles/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="../languages/en/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="en/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Deutsch",LANGUAGE="de",ASSOC-LANGUAGE="gsw",AUTOSELECT=YES,URI="de/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English (SDH)",LANGUAGE="en",AUTOSELECT=YES,CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",URI="sdh/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Signs",LANGUAGE="fr",AUTOSELECT=YES,FORCED=YES,URI="signs/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Gone",LANGUAGE="it",URI="it/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=136000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SUBTITLES="text"
../languages/360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SUBTITLES="text"
../languages/144p/media.m3u8
M
  # Segments of other lengths than the pictures', whose own clock begins at an hour.
  local head=$'WEBVTT\nX-TIMESTAMP-MAP=LOCAL:01:00:00.000,MPEGTS:133200\n\nSTYLE\n::cue(.yellow) { color: yellow }\n\nREGION\nid:top\nwidth:80%\nregionanchor:50%,0%\nviewportanchor:50%,0%\n'
  local across=$'\nacross\n01:00:04.500 --> 01:00:09.000 align:start line:0\n<c.yellow>Shown across three segments</c>\n'
  printf '%s\n01:00:01.000 --> 01:00:03.500\n<v Ann>Good morning!</v>\nIs it <i>four</i> yet?\n%s' "$head" "$across" > subtitles/en/0.vtt
  printf '%s%s\n01:00:06.000 --> 01:00:07.000\nOver the other one\n' "$head" "$across" > subtitles/en/1.vtt
  printf '%s\n01:00:10.040 --> 01:00:11.960 region:top\nÄ, ß, 字 &amp; 🎬\n' "$head" > subtitles/en/2.vtt
  subtitle_list 5 0.vtt 1.vtt 2.vtt > subtitles/en/media.m3u8
  printf '\xef\xbb\xbfWEBVTT\r\n\r\nNOTE no map\r\n\r\n00:01.000 --> 00:03.500\r\nGuten Morgen!\r\nIst es schon vier?\r\n\r\n00:08.500 --> 00:11.000 position:20%%,line-left\r\nSchluss\r\n\r\nbroken\r\n00:09 --> 00:10\r\nnever shown\r\n' > subtitles/de/all.vtt
  subtitle_list 12 all.vtt > subtitles/de/media.m3u8
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:133200,LOCAL:00:00:00.000\n\n00:00.000 --> 00:12.000\n[a climbing tone]\n\n00:02.000 --> 00:04.000\nSing <00:02.500>a <00:03.000>long\n' > subtitles/sdh/all.vtt
  subtitle_list 12 all.vtt > subtitles/sdh/media.m3u8
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:133200,LOCAL:00:00:00.000\n\n00:05.000 --> 00:06.000\nSORTIE\n' > subtitles/signs/all.vtt
  subtitle_list 12 all.vtt > subtitles/signs/media.m3u8
}

# Sections of SCTE-35 beside pictures that have a keyframe wherever one says that something begins. threefive (PyPI) makes them.
make_markers() {
  find markers -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + 2>/dev/null || true
  mkdir -p markers
  hls markers/180p 24 25 320x180 40 50 6 24 48000 -force_key_frames 7,15,19
  hls markers/90p 24 25 160x90 16 50 6 24 48000 -force_key_frames 7,15,19
  python3 markers.py markers/180p markers/90p
  cat > markers/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=320x180,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000
180p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=80000,RESOLUTION=160x90,CODECS="avc1.64000b,mp4a.40.2",FRAME-RATE=25.000
90p/media.m3u8
M
}

# Tags beside pictures and sound of `languages`.
make_markers-tags() {
  mkdir -p markers-tags
  local out back size
  out=$(python3 markers.py --tag out) back=$(python3 markers.py --tag back)
  for size in 360p 144p; do
    cat > markers-tags/$size.m3u8 <<M
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678+01:00
#EXT-X-DATERANGE:ID="chapter",CLASS="com.example.chapter",START-DATE="2026-01-02T02:04:06.678Z",END-DATE="2026-01-02T02:04:08.178Z",X-TITLE="One, two",X-NUMBER=1
#EXT-X-DATERANGE:ID="broken",START-DATE="soon"
#EXT-X-DATERANGE:ID="after",START-DATE="2026-01-02T02:14:06.678Z"
#EXTINF:4.000,
../languages/$size/000.ts
#EXT-OATCLS-SCTE35:$out
#EXT-X-CUE-OUT:DURATION=4
#EXTINF:4.000,
../languages/$size/001.ts
#EXT-OATCLS-SCTE35:$back
#EXT-X-CUE-IN
#EXT-X-CUE-OUT:2
#EXTINF:4.000,
../languages/$size/002.ts
#EXT-X-ENDLIST
M
  done
  cat > markers-tags/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="../languages/en/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=136000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo"
360p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo"
144p.m3u8
M
}

# Text in TTML beside pictures and sound of `languages`; the documents are written by hand.
make_ttml() {
  find ttml -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + 2>/dev/null || true
  mkdir -p ttml/{de,signs,pictures}
  cat > ttml/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="../languages/en/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="en.xml"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,URI="de/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Signs",LANGUAGE="fr",AUTOSELECT=YES,FORCED=YES,URI="signs/media.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Pictures",LANGUAGE="it",URI="pictures/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=136000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SUBTITLES="text"
../languages/360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SUBTITLES="text"
../languages/144p/media.m3u8
M
  # Other prefixes than usual, frames, a sequence, times in divisions and spans, ruby, a region that moves.
  cat > ttml/en.xml <<'T'
<?xml version="1.0" encoding="UTF-8"?>
<t:tt xmlns:t="http://www.w3.org/ns/ttml" xmlns:p="http://www.w3.org/ns/ttml#parameter" xmlns:s="http://www.w3.org/ns/ttml#styling"
      xmlns:m="http://www.w3.org/ns/ttml#metadata" xmlns:other="urn:other" xml:lang="en" other:kept="no"
      p:cellResolution="40 24" p:frameRate="25" p:timeBase="media">
  <t:head>
    <t:metadata><m:title>Two &amp; three</m:title></t:metadata>
    <t:styling>
      <t:style xml:id="base" s:fontFamily="proportionalSansSerif" s:fontSize="100%" s:textAlign="center"/>
      <t:style xml:id="aside" style="base" s:fontStyle="italic" s:color="#ffff00ff"/>
    </t:styling>
    <t:layout>
      <t:region xml:id="bottom" s:origin="10% 80%" s:extent="80% 15%" s:displayAlign="after"/>
      <t:region xml:id="top" s:origin="10% 5%" s:extent="80% 15%">
        <t:set begin="9s" s:backgroundColor="#000000ff"/>
      </t:region>
    </t:layout>
  </t:head>
  <t:body style="base">
    <t:div region="bottom">
      <t:p xml:id="first" begin="00:00:01:00" end="00:00:03:12">Good morning!<t:br/>Is it <t:span style="aside">four</t:span> yet?</t:p>
      <t:p begin="4.5s" dur="112.5f">Shown over the border</t:p>
      <t:p begin="9.5s" end="not a time">Never shown</t:p>
    </t:div>
    <t:div region="top" begin="5s" end="11s">
      <t:p timeContainer="seq" begin="1s">
        <t:span dur="500ms">One,</t:span>
        <t:span dur="500ms">two.</t:span>
      </t:p>
      <t:p begin="00:00:04.000" end="00:00:20"><t:span begin="1s">&#196;, ß, 字 &amp; 🎬</t:span></t:p>
    </t:div>
    <t:div region="bottom">
      <t:p begin="10.5s"><t:span s:ruby="container"><t:span s:ruby="base">漢</t:span><t:span s:ruby="text">かん</t:span></t:span></t:p>
    </t:div>
  </t:body>
</t:tt>
T
  # Segments with ticks; the last names another style; the second repeats what is shown across the border.
  local number style across='<p xml:id="p2" region="r" style="s" begin="45000000t" end="90000000t">Über die Grenze</p>'
  local texts=('<p xml:id="p1" region="r" style="s" begin="10000000t" end="35000000t">Guten Morgen!<br/>Ist es schon vier?</p>'"$across"
    "$across"'<p xml:id="p1" region="r" style="s" begin="60000000t" end="70000000t">Darüber</p>'
    '<p xml:id="p1" region="r" style="s" begin="100400000t" end="119600000t">Schluss</p>')
  for number in 0 1 2; do
    style='tts:color="white"'
    ((number == 2)) && style='tts:color="lime" tts:fontWeight="bold"'
    printf '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang="de" ttp:tickRate="10000000"><head><styling><style xml:id="s" %s/></styling><layout><region xml:id="r" tts:origin="10%% 80%%" tts:extent="80%% 15%%" tts:displayAlign="after"/></layout></head><body><div>%s</div></body></tt>' \
      "$style" "${texts[number]}" > "ttml/de/$number.ttml"
  done
  subtitle_list 5 0.ttml 1.ttml 2.ttml > ttml/de/media.m3u8
  printf '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr"><body><div><p begin="5s" end="6s">SORTIE</p></div></body></tt>' > ttml/signs/all.ttml
  subtitle_list 12 all.ttml > ttml/signs/media.m3u8
  printf '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt" xml:lang="it"><body><div begin="1s" end="2s" smpte:backgroundImage="1.png"/></body></tt>' > ttml/pictures/all.ttml
  subtitle_list 12 all.ttml > ttml/pictures/media.m3u8
}

# Text beside `camera`, whose clock jumps after 15.5 s from 132000 + 15.5 s to 6786000; segments of text do not end there.
# What master playlists say of a title, and dates that jump without a discontinuity, over `languages`.
make_clock() {
  rm -rf clock; mkdir -p clock/{360p,144p}
  cat > clock/master.m3u8 <<'M'
#EXTM3U
#EXT-X-VERSION:8
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=2.5,PRECISE=YES
#EXT-X-DEFINE:NAME="site",VALUE="https://www.example.com"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",LANGUAGE="en",VALUE="The clock, striking"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",LANGUAGE="de",VALUE="Die Uhr schlägt"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",LANGUAGE="DE",VALUE="never told"
#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.chapters",URI="chapters.json"
#EXT-X-SESSION-DATA:DATA-ID="com.example.poster",URI="poster.bin",FORMAT=RAW
#EXT-X-SESSION-DATA:DATA-ID="com.example.page",URI="{$site}/page.json"
#EXT-X-SESSION-DATA:DATA-ID="com.example.gone",URI="gone.json"
#EXT-X-SESSION-DATA:VALUE="of what?"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",STABLE-RENDITION-ID="en-aac",URI="../languages/en/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="stereo",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="../languages/de/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="dolby",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="../languages/en-ac3/media.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=136000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SCORE=3.0,STABLE-VARIANT-ID="high"
360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=96000,RESOLUTION=256x144,CODECS="avc1.64000c,mp4a.40.2",FRAME-RATE=25.000,AUDIO="stereo",SCORE=1.25,STABLE-VARIANT-ID="low"
144p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=202000,RESOLUTION=640x360,CODECS="avc1.64001e,ac-3",FRAME-RATE=25.000,AUDIO="dolby",SCORE=4.0,STABLE-VARIANT-ID="high"
360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=162000,RESOLUTION=256x144,CODECS="avc1.64000c,ac-3",FRAME-RATE=25.000,AUDIO="dolby",SCORE=2.0,STABLE-VARIANT-ID="low"
144p/media.m3u8
M
  for size in 360p 144p; do
    cat > clock/$size/media.m3u8 <<M
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:00:00.000+01:00
#EXTINF:4.000000,
../../languages/$size/000.ts
#EXTINF:4.000000,
../../languages/$size/001.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-31T10:30:00.000+01:00
#EXTINF:4.000000,
../../languages/$size/002.ts
#EXT-X-ENDLIST
M
  done
  printf '[{"chapter": 1, "start-time": 0, "duration": 8}, {"chapter": 2, "start-time": 8, "duration": 4}]\n' > clock/chapters.json
  printf '\x89raw\x00\xff' > clock/poster.bin
}

make_subtitles-break() {
  find subtitles-break -mindepth 1 -maxdepth 1 ! -name expected.json -exec rm -r {} + 2>/dev/null || true
  mkdir -p subtitles-break
  cat > subtitles-break/master.m3u8 <<'M'
#EXTM3U
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="text.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="mp4a.40.2,avc1.64001e",RESOLUTION=640x302,SUBTITLES="text"
../camera/video/player-ld.m3u8
M
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:132000,LOCAL:00:00:00.000\n\n00:02.000 --> 00:04.000\nBefore\n' > subtitles-break/0.vtt
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:132000,LOCAL:00:00:00.000\n\n00:14.000 --> 00:17.000\nOver the break\n' > subtitles-break/1.vtt
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:6786000,LOCAL:00:00:00.000\n\n00:07.500 --> 00:09.500\nBehind\n' > subtitles-break/2.vtt
  printf 'WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:6786000,LOCAL:00:00:00.000\n\n00:16.500 --> 00:18.500\nLast\n' > subtitles-break/3.vtt
  subtitle_list 10 0.vtt 1.vtt 2.vtt 3.vtt > subtitles-break/text.m3u8
}

make_bad() {
  # expected.json stays: it is written by hand.
  find bad -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + 2>/dev/null || true
  mkdir -p bad/{media-playlist,live,missing-segment,html,empty,empty-segment,not-ts,escaping,absolute-path,other-host,two-programs,mpeg2video,no-keyframes,no-variants,fmp4}
  local tiny=(-f lavfi -i "testsrc2=size=128x72:rate=25" -f lavfi -i "$(tone 48000)")
  local avc=("${BITEXACT[@]}" "${X264[@]}" -profile:v baseline -b:v 20k -g 50 -c:a aac -b:a 16k -ac 2)
  ff "${tiny[@]}" -t 2 "${avc[@]}" -f mpegts bad/good.ts
  local d
  for d in live missing-segment empty-segment not-ts escaping absolute-path other-host two-programs mpeg2video no-keyframes fmp4; do
    bad_master "$d"
  done
  for d in media-playlist live missing-segment escaping absolute-path other-host empty-segment not-ts; do
    cp bad/good.ts "bad/$d/000.ts"
  done

  bad_media media-playlist 000.ts; mv bad/media-playlist/media.m3u8 bad/media-playlist/master.m3u8
  bad_media live 000.ts; sed -i '/ENDLIST/d; /PLAYLIST-TYPE/d' bad/live/media.m3u8
  bad_media missing-segment 000.ts 001.ts
  printf '<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n' > bad/html/master.m3u8
  : > bad/empty/master.m3u8
  bad_media empty-segment 000.ts 001.ts; : > bad/empty-segment/001.ts
  bad_media not-ts 000.ts 001.ts
  printf '{"error": "The storage answered with a message instead of media."}\n%.0s' {1..20} > bad/not-ts/001.ts
  bad_media escaping 000.ts ../../../../../../../../etc/passwd
  bad_media absolute-path 000.ts /etc/passwd
  bad_media other-host 000.ts http://169.254.169.254/latest/meta-data/000.ts
  ff "${tiny[@]}" -f lavfi -i "testsrc2=size=96x54:rate=25" -f lavfi -i "$(tone 44100)" -t 2 -map 0 -map 1 -map 2 -map 3 \
    "${avc[@]}" -program program_num=1:st=0:st=1 -program program_num=2:st=2:st=3 -f mpegts bad/two-programs/000.ts
  bad_media two-programs 000.ts
  ff "${tiny[@]}" -t 2 "${BITEXACT[@]}" -c:v mpeg2video -b:v 60k -g 25 -c:a mp2 -b:a 32k -f mpegts bad/mpeg2video/000.ts
  bad_media mpeg2video 000.ts
  # One keyframe at frame 0, and the part that holds it thrown away.
  ff "${tiny[@]}" -t 4 "${BITEXACT[@]}" "${X264[@]}" -profile:v baseline -b:v 20k -g 1000 -c:a aac -b:a 16k -ac 2 -f mpegts bad/no-keyframes/whole.ts
  python3 cut.py bad/no-keyframes/whole.ts bad/no-keyframes 25 50
  rm bad/no-keyframes/whole.ts bad/no-keyframes/000.ts
  bad_media no-keyframes 001.ts
  printf '#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="sound",URI="media.m3u8"\n' > bad/no-variants/master.m3u8
  ff "${tiny[@]}" -t 2 "${avc[@]}" -f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4 \
    -hls_fmp4_init_filename init.mp4 -hls_segment_filename 'bad/fmp4/%03d.m4s' bad/fmp4/media.m3u8
  rm bad/good.ts
}

source ./quirks.sh
ALL=(ladder camera codecs-change wrap midgop video-only unaligned distinct-audio languages markers markers-tags subtitles subtitles-break ttml clock bad quirks)
for asset in "${@:-${ALL[@]}}"; do
  "make_$asset"
  echo "$asset: $(du -sb --apparent-size "$asset" | cut -f1) bytes"
done
