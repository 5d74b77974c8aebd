// Reads manifests with parsers that others wrote, and says what each made of them.
//
// usage: node parsers.mjs --jobs FILE     FILE: [{"kind": "master" | "media" | "mpd", "url": "…", "text": "…"}]
//
// Prints [{"parser": …, "complaints": [...], "found": {...}}, …] for each job: numbers that parsers.py compares with each
// other and with what its own walkers read.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Parser } = require('m3u8-parser');
const HLS = require('hls-parser');
const mpdParser = require('mpd-parser');

HLS.setOptions({ strictMode: true });

const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);

function withVideoJs(job) {
  const complaints = [], parser = new Parser({ url: job.url });
  // What it takes the default of it tells, too, as `info`.
  parser.on('warn', e => complaints.push(e.message));
  parser.push(job.text);
  parser.end();
  const { manifest } = parser;
  if (job.kind === 'master') {
    const sounds = Object.values(manifest.mediaGroups.AUDIO).flatMap(group => Object.values(group));
    return { complaints, found: { variants: (manifest.playlists ?? []).length, sounds: sounds.length, groups: Object.keys(manifest.mediaGroups.AUDIO).length } };
  }
  return { complaints, found: { segments: manifest.segments.length, seconds: sum(manifest.segments, s => s.duration), ended: manifest.endList === true } };
}

function withHlsParser(job) {
  const playlist = HLS.parse(job.text);
  if (playlist.isMasterPlaylist !== (job.kind === 'master')) return { complaints: ['takes it for the other kind'], found: {} };
  if (job.kind === 'master') {
    const groups = new Map();
    for (const variant of playlist.variants) for (const sound of variant.audio) groups.set(`${sound.groupId}\n${sound.name}`, sound.groupId);
    const variants = playlist.variants.filter(v => !v.isIFrameOnly).length;
    return { complaints: [], found: { variants, sounds: groups.size, groups: new Set(groups.values()).size } };
  }
  return { complaints: [], found: { segments: playlist.segments.length, seconds: sum(playlist.segments, s => s.duration), ended: playlist.endlist } };
}

function withMpdParser(job) {
  const complaints = [];
  const eventHandler = e => e.type === 'warn' && complaints.push(e.message);
  const manifest = mpdParser.parse(job.text, { manifestUri: job.url, eventHandler });
  const lists = Object.values(manifest.mediaGroups.AUDIO).flatMap(group => Object.values(group)).flatMap(label => label.playlists);
  // Sound that goes with nothing is listed among the pictures, too, and so is trick play: it does not look at
  // EssentialProperty.
  const isVideo = p => p.attributes.RESOLUTION && !p.attributes.NAME.startsWith('trick-');
  return { complaints, found: { videos: manifest.playlists.filter(isVideo).length, sounds: lists.length, seconds: manifest.duration } };
}

const READERS = { 'm3u8-parser': withVideoJs, 'hls-parser': withHlsParser, 'mpd-parser': withMpdParser };
const jobs = JSON.parse(readFileSync(process.argv[process.argv.indexOf('--jobs') + 1], 'utf8'));
// What parsers print for developers is no result.
console.warn = console.error = () => {};
const results = jobs.map(job => (job.kind === 'mpd' ? ['mpd-parser'] : ['m3u8-parser', 'hls-parser']).map(parser => {
  try {
    return { parser, ...READERS[parser](job) };
  } catch (error) {
    return { parser, complaints: [String(error.message ?? error)], found: {} };
  }
}));
process.stdout.write(JSON.stringify(results));
