//! The framers of sound against ffmpeg: frames, their sizes and bytes, and the boxes that describe
//! them, for streams of real encoders.
//!
//! Streams are encoded with ffmpeg into transport streams of their own, and read in place from real
//! media (`PACKORIGIN_TEST_MEDIA`, or `../shared/media`). What is missing is skipped, and it says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use packorigin::codec::sound::Framer;
use packorigin::model::codec::{CodecConfig, StreamSyntax};
use packorigin::ts::packet::{PACKET_BYTES, Packet, PacketReader};
use packorigin::ts::pes::PesReader;

/// What a command prints; `None` where it cannot be run.
fn run(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    Some(output.stdout)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The sound of a transport stream as ffprobe sees it.
struct Probed {
    pid: u16,
    syntax: StreamSyntax,
    sizes: Vec<usize>,
}

fn probe(path: &Path) -> Option<Probed> {
    let arguments = ["-v", "error", "-select_streams", "a:0", "-of", "csv=p=0"];
    let stream = ["-show_entries", "stream=codec_name,id", text(path)];
    let stream = run("ffprobe", &[&arguments[..], &stream].concat())?;
    let stream = String::from_utf8(stream).unwrap();
    let (codec, pid) = stream.lines().next()?.trim_end_matches(',').split_once(',')?;
    let syntax = match codec {
        "aac" => StreamSyntax::Adts,
        "aac_latm" => StreamSyntax::Latm,
        "ac3" | "eac3" => StreamSyntax::Dolby,
        "mp2" | "mp3" => StreamSyntax::MpegAudio,
        _ => return None,
    };
    let packets = ["-show_entries", "packet=size", text(path)];
    let packets = run("ffprobe", &[&arguments[..], &packets].concat())?;
    let packets = String::from_utf8(packets).unwrap();
    let sizes = packets.lines().filter_map(|line| line.trim_end_matches(',').parse().ok());
    let pid = u16::from_str_radix(pid.trim_start_matches("0x"), 16).unwrap();
    Some(Probed { pid, syntax, sizes: sizes.collect() })
}

fn frame(path: &Path, probed: &Probed) -> Framer {
    let mut framer = Framer::new(probed.syntax, Vec::new()).unwrap();
    let mut pes = PesReader::waiting();
    let mut take = |bytes: &[u8; PACKET_BYTES]| {
        let Ok(packet) = Packet::parse(bytes) else { return };
        if packet.pid == probed.pid
            && let Some(part) = pes.push(&packet)
        {
            if let Some(timestamps) = part.begins {
                framer.begin_packet(timestamps);
            }
            framer.push(part.payload, 0);
        }
    };
    let mut reader = PacketReader::default();
    reader.push(&std::fs::read(path).unwrap(), |_, bytes| take(bytes));
    reader.finish_object(|_, bytes| take(bytes));
    framer.finish();
    framer
}

/// The body of a box that ffmpeg writes when it copies the sound into an MP4 file.
fn box_by_ffmpeg(path: &Path, name: &[u8; 4]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.mp4");
    let arguments = ["-v", "error", "-i", text(path), "-map", "0:a:0", "-c", "copy", text(&copy)];
    run("ffmpeg", &arguments)?;
    let file = std::fs::read(&copy).unwrap();
    let at = file.windows(4).position(|window| window == name)?;
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    Some(file[at + 4..at - 4 + size].to_vec())
}

/// Sizes of frames joined to those of units: what ffprobe shows one by one may be one sample.
fn joined(frames: &[usize], units: &[usize]) -> Option<Vec<usize>> {
    let mut frames = frames.iter();
    let mut joined = Vec::new();
    for &unit in units {
        let mut size = 0;
        while size < unit {
            size += frames.next()?;
        }
        joined.push(size);
    }
    frames.next().is_none().then_some(joined)
}

/// Compares a stream with what ffmpeg finds in it.
fn check(path: &Path) {
    let Some(probed) = probe(path) else {
        println!("skipped: {} has no sound that is read, or ffprobe is not there", path.display());
        return;
    };
    let name = path.display();
    let framer = frame(path, &probed);
    let sizes: Vec<usize> = framer.units().iter().map(|unit| unit.size).collect();
    println!("{name}: {} frames, {:?}", sizes.len(), framer.damage());
    println!("    {:?}", framer.configs());
    let header = match probed.syntax {
        // ffprobe counts the headers that are dropped.
        StreamSyntax::Adts => 7,
        _ => 0,
    };
    let expected: Vec<usize> = probed.sizes.iter().map(|size| size - header).collect();
    // ffprobe shows what is left of frames that the ends of a file cut.
    let ends = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let whole = ends.iter().filter_map(|(first, last)| expected.get(*first..expected.len() - last));
    match probed.syntax {
        StreamSyntax::Latm => assert_eq!(sizes.len(), expected.len(), "{name}"),
        _ => assert!(
            whole.clone().any(|whole| joined(whole, &sizes).as_ref() == Some(&sizes)),
            "{name}: {sizes:?}, {expected:?}"
        ),
    }
    match &framer.configs()[0] {
        CodecConfig::Ac3(config) => {
            let written = box_by_ffmpeg(path, b"dac3").unwrap();
            assert_eq!(config.specific()[..], written, "{name}");
        }
        CodecConfig::Eac3(config) => {
            let mut written = box_by_ffmpeg(path, b"dec3").unwrap();
            // ffmpeg 5.1 knows nothing of objects.
            if let (Some(complexity), 5) = (config.joc_complexity, written.len()) {
                written.extend_from_slice(&[1, complexity]);
            }
            assert_eq!(config.specific(), written, "{name}");
        }
        _ => {}
    }
}

/// Encodes a few seconds of sound into a transport stream.
fn encode(folder: &Path, name: &str, source: &str, arguments: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name).with_extension("ts");
    let input = ["-v", "error", "-f", "lavfi", "-i", source, "-t", "2"];
    run("ffmpeg", &[&input[..], arguments, &["-f", "mpegts", text(&path)]].concat())?;
    Some(path)
}

#[test]
fn frames_of_ffmpegs_encoders_are_found_as_ffprobe_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let tones = |channels: usize, frequency: u32| {
        let tones = (1..=channels).map(|n| format!("0.2*sin({}*t*(1+t))", 700 * n));
        format!("aevalsrc='{}':s={frequency}", tones.collect::<Vec<_>>().join("|"))
    };
    for (name, channels, frequency, arguments) in [
        ("ac3-48", 2, 48_000, &["-c:a", "ac3", "-b:a", "192k"][..]),
        ("ac3-44", 2, 44_100, &["-c:a", "ac3", "-b:a", "192k"]),
        ("ac3-32", 2, 32_000, &["-c:a", "ac3", "-b:a", "128k"]),
        ("ac3-51", 6, 48_000, &["-c:a", "ac3", "-b:a", "448k"]),
        ("ac3-51-44", 6, 44_100, &["-c:a", "ac3", "-b:a", "448k"]),
        ("eac3", 2, 48_000, &["-c:a", "eac3", "-b:a", "96k"]),
        (
            "eac3-51",
            6,
            48_000,
            &["-c:a", "eac3", "-b:a", "384k", "-mixing_level", "80", "-room_type", "1"],
        ),
        ("eac3-44", 6, 44_100, &["-c:a", "eac3", "-b:a", "384k", "-dsurex_mode", "2"]),
        ("mp2", 2, 48_000, &["-c:a", "mp2", "-b:a", "192k"]),
        ("mp2-24", 1, 24_000, &["-c:a", "mp2", "-b:a", "64k"]),
        ("mp3-44", 2, 44_100, &["-c:a", "libmp3lame", "-q:a", "4"]),
        ("mp3-22", 1, 22_050, &["-c:a", "libmp3lame", "-b:a", "56k"]),
        ("mp3-8", 1, 8_000, &["-c:a", "libmp3lame", "-b:a", "8k"]),
        ("adts", 2, 48_000, &["-c:a", "aac", "-b:a", "128k"]),
        ("adts-51", 6, 44_100, &["-c:a", "aac", "-b:a", "320k"]),
    ] {
        let Some(path) = encode(folder.path(), name, &tones(channels, frequency), arguments) else {
            println!("skipped: ffmpeg is not there");
            return;
        };
        check(&path);
    }
}

#[test]
fn latm_holds_the_frames_that_were_put_into_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, channels, frequency) in [("latm", "2", "44100"), ("latm-51", "6", "48000")] {
        let source = "aevalsrc='0.2*sin(700*t*(1+t))|0.2*sin(900*t*(1+t))':s=48000";
        // The same encoder twice, so the same frames.
        let arguments = ["-ac", channels, "-ar", frequency, "-c:a", "aac", "-b:a", "128k"];
        let arguments = [&arguments[..], &["-flags", "+bitexact"]].concat();
        let Some(adts) = encode(folder.path(), &format!("{name}-adts"), source, &arguments) else {
            println!("skipped: ffmpeg is not there");
            return;
        };
        let arguments = [&arguments[..], &["-mpegts_flags", "latm"]].concat();
        let latm = encode(folder.path(), name, source, &arguments).unwrap();
        let probed = probe(&latm).unwrap();
        assert_eq!(probed.syntax, StreamSyntax::Latm);
        check(&latm);
        let of_latm = frame(&latm, &probed);
        let of_adts = frame(&adts, &probe(&adts).unwrap());
        assert_eq!(of_latm.configs(), of_adts.configs());
        assert_eq!(of_latm.into_parts().0, of_adts.into_parts().0);
    }
}

#[test]
fn real_media_are_read_as_ffprobe_reads_them() {
    let stated = std::env::var_os("PACKORIGIN_TEST_MEDIA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media");
    let Some(media) = stated.or(Some(beside)).filter(|media| media.is_dir()) else {
        println!("skipped: no media at PACKORIGIN_TEST_MEDIA or ../shared/media");
        return;
    };
    let mut folders = vec![media];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ts") {
                check(&path);
            }
        }
    }
}
