# The media that quirks.py makes samples of; sourced by make.sh, whose ff, tone, BITEXACT and X264 it uses.

make_quirks() {
  local work; work=$(mktemp -d)
  local sound=(-c:a aac -b:a 24k -ac 2) name
  local small=("${BITEXACT[@]}" "${X264[@]}" -bf 2 -b:v 24k -maxrate 40k -bufsize 40k -g 25 -keyint_min 25)
  # quirk_input <size> <fps> <audio rate>
  quirk_input() { input=(-f lavfi -i "testsrc2=size=$1:rate=$2" -f lavfi -i "$(tone "$3")"); }
  local input
  mkdir "$work/coded"
  quirk_input 160x90 25 48000
  local tiny=("${input[@]}") to=(-muxdelay 0.7 -f mpegts)
  ff "${tiny[@]}" -t 6 "${small[@]}" "${sound[@]}" "${to[@]}" "$work/plain.ts"
  ff "${tiny[@]}" -t 6 "${small[@]}" -x264-params open-gop=1 "${sound[@]}" "${to[@]}" "$work/open-gop.ts"
  ff "${tiny[@]}" -t 6 "${small[@]}" -bf 0 -x264-params intra-refresh=1:open-gop=0 "${sound[@]}" "${to[@]}" "$work/intra-refresh.ts"
  ff "${tiny[@]}" -t 6 "${small[@]}" -g 1000 "${sound[@]}" "${to[@]}" "$work/one-keyframe.ts"
  ff "${tiny[@]}" -t 4 "${small[@]}" -c:a libmp3lame -b:a 48k -ac 2 "${to[@]}" "$work/mp3.ts"
  ff "${tiny[@]}" -t 4 "${small[@]}" -c:a ac3 -b:a 96k -ac 2 "${to[@]}" "$work/ac3.ts"
  ff "${tiny[@]}" -t 4 "${small[@]}" -c:a eac3 -b:a 64k -ac 2 "${to[@]}" "$work/eac3.ts"
  ff "${tiny[@]}" -t 4 "${small[@]}" "${sound[@]}" -mpegts_flags latm "${to[@]}" "$work/latm.ts"
  quirk_input 160x128 25 48000
  ff "${input[@]}" -t 6 "${small[@]}" -x264-params slices=8 "${sound[@]}" "${to[@]}" "$work/eight-slices.ts"
  quirk_input 192x108 25 44100
  ff "${input[@]}" -t 2 "${small[@]}" "${sound[@]}" "${to[@]}" "$work/other.ts"
  quirk_input 128x72 25 48000
  ff "${input[@]}" -t 8 "${small[@]}" "${sound[@]}" "${to[@]}" "$work/longer.ts"
  # Fields one after the other, each a picture of half the height: fields.py makes pairs of them.
  ff -f lavfi -i "testsrc2=size=160x96:rate=50" -t 4 -vf separatefields,select='eq(mod(n\,4)\,0)+eq(mod(n\,4)\,3)',setpts=N/50/TB -r 50 "${BITEXACT[@]}" "${X264[@]}" -profile:v main \
    -b:v 40k -bf 0 -g 50 -keyint_min 50 -x264-params cabac=0:ref=1:weightp=0:8x8dct=0:no-deblock=1 "${to[@]}" "$work/fields.ts"

  # coded <name> <seconds> <options...>: ffmpeg's own segments of 2 s
  coded() {
    local dir=$work/coded/$1 seconds=$2; shift 2
    mkdir -p "$dir"
    ff "${input[@]}" -t "$seconds" "${BITEXACT[@]}" "$@" -f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename "$dir/%03d.ts" "$dir/media.m3u8"
  }
  # hevc <name> <pixel format> <x265 parameters>
  hevc() {
    coded "$1" 4 -c:v libx265 -preset medium -pix_fmt "$2" -b:v 30k \
      -x265-params "log-level=error:info=0:pools=none:frame-threads=1:ctu=16:keyint=25:min-keyint=25:scenecut=0:repeat-headers=1:aud=1:$3" "${sound[@]}"
  }
  input=("${tiny[@]}")
  hevc hevc-main yuv420p open-gop=0:bframes=2
  hevc hevc-open-gop yuv420p open-gop=1:bframes=3
  hevc hevc-main10-hdr10 yuv420p10le "open-gop=0:bframes=2:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
  hevc hevc-main10-hlg yuv420p10le open-gop=0:bframes=2:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc
  local picture=("${small[@]}")
  coded ac3-stereo 4 "${picture[@]}" -c:a ac3 -b:a 96k -ac 2
  coded mp2 4 "${picture[@]}" -c:a mp2 -b:a 64k -ac 2
  coded dts 2 "${picture[@]}" -c:a dca -strict -2 -b:a 320k -ac 2
  coded opus 4 "${picture[@]}" -c:a libopus -b:a 32k -ac 2
  coded opus-alone 4 -vn -c:a libopus -b:a 32k -ac 2
  coded aac-and-dts 2 -map 0 -map 1 -map 1 "${picture[@]}" -c:a:0 aac -b:a:0 24k -c:a:1 dca -strict -2 -b:a:1 320k -ac 2
  coded mpeg2-video-ac3 2 -c:v mpeg2video -b:v 60k -g 25 -c:a ac3 -b:a 96k -ac 2
  input=(-f lavfi -i "testsrc2=size=160x90:rate=25" -f lavfi -i "aevalsrc='0.2*sin(2*PI*(200+15*t)*t)|0.2*sin(2*PI*(300+20*t)*t)|0.2*sin(2*PI*(400+25*t)*t)|0.2*sin(2*PI*(60+t)*t)|0.1*sin(2*PI*(500+30*t)*t)|0.1*sin(2*PI*(600+35*t)*t)':s=48000:c=5.1")
  coded ac3-surround 3 "${picture[@]}" -c:a ac3 -b:a 192k
  coded eac3-surround 3 "${picture[@]}" -c:a eac3 -b:a 128k
  quirk_input 160x96 50 48000
  coded mbaff 4 -vf tinterlace=interleave_top,fieldorder=tff "${picture[@]}" -x264-params tff=1 -flags +bitexact+ilme+ildct "${sound[@]}"
  quirk_input 160x90 25 48000
  coded fps-25-and-50/a 3 "${picture[@]}" -bf 0 "${sound[@]}"
  coded keyframes-never-agree/a 5 "${picture[@]}" "${sound[@]}"
  quirk_input 128x72 50 48000
  coded fps-25-and-50/b 3 "${picture[@]}" -bf 0 -g 50 -keyint_min 50 "${sound[@]}"
  quirk_input 128x72 25 48000
  coded keyframes-never-agree/b 5 "${picture[@]}" -g 1000 -force_key_frames "expr:gte(t,n_forced-0.48)" "${sound[@]}"
  mkdir "$work/coded/fmp4-source"
  ff "${tiny[@]}" -t 2 "${small[@]}" "${sound[@]}" -f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4 \
    -hls_fmp4_init_filename init.mp4 -hls_segment_filename "$work/coded/fmp4-source/%03d.m4s" "$work/coded/fmp4-source/media.m3u8"
  # expected.json stays: it is written by hand.
  find quirks -mindepth 1 -maxdepth 1 -type d -exec rm -r {} + 2>/dev/null || true
  python3 quirks.py "$work" quirks
  rm -r "$work"
}
