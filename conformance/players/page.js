// What runs inside the browser: one player on one video element, watched for anything that a viewer would notice.
// players.mjs loads the player's own script first and then calls start(), and the rest by name.
/* global Hls, dashjs, shaka */
"use strict";

const video = document.getElementById("video");
const watch = { errors: [], stalls: [], playing: false, excusedUntil: 0, emptyUntil: 0, last: { time: 0, at: 0 }, shown: { frames: 0, at: 0 }, picture: NaN, end: null };
const LONGEST_PICTURE = 0.1; // seconds
let adapter;

const now = () => performance.now() / 1000;
const sleep = (seconds) => new Promise((r) => setTimeout(r, seconds * 1000));

function fail(what) {
  watch.errors.push(what);
  document.getElementById("log").textContent += what + "\n";
}

/** The end was reached: where the first of player and element to say so stood. Until the next seek nothing more is judged. */
function ended() {
  watch.end ??= video.currentTime;
}

/** Waiting is no stall for a while after a seek or a forced switch. */
function excuse(seconds) {
  watch.excusedUntil = now() + seconds;
}

function stall(what) {
  // Standing at the first frame still is start-up.
  if (watch.playing && watch.end === null && watch.stalls.length < 20 && video.currentTime > 0.25 && !video.seeking && !video.ended && now() > watch.excusedUntil) {
    watch.stalls.push(`${what} at ${video.currentTime.toFixed(2)} s`);
  }
}

video.addEventListener("error", () => fail(`video element: code ${video.error.code} ${video.error.message}`));
video.addEventListener("playing", () => { watch.playing = true; });
video.addEventListener("waiting", () => {
  // Chromium says "waiting" in the instant before "ended" too.
  const at = video.currentTime;
  setTimeout(() => { if (!video.ended && at < video.duration - 0.2) stall("waiting"); }, 0);
});
video.addEventListener("ended", ended);

/** The time of the picture that is on the screen: after a seek, "seeked" may come long before its picture does. */
function pictured() {
  video.requestVideoFrameCallback((_, { mediaTime }) => {
    watch.picture = mediaTime;
    pictured();
  });
}
pictured();

// Chromium lets the clock run on for 3 s after pictures have run out, so currentTime alone would miss a frozen picture.
function pictures() {
  const at = video.currentTime;
  const ranges = [...Array(video.buffered.length).keys()];
  if (at < video.duration - 0.5 && now() > watch.emptyUntil && !ranges.some((i) => at >= video.buffered.start(i) - 0.25 && at <= video.buffered.end(i) + 0.25)) {
    stall("nothing buffered");
  }
  const shown = video.getVideoPlaybackQuality().totalVideoFrames;
  if (shown !== watch.shown.frames || video.paused || video.ended || video.seeking) {
    watch.shown = { frames: shown, at: now() };
  } else if (now() - watch.shown.at > 1) {
    stall("no new picture for 1 s");
    watch.shown.at = now();
  }
}

setInterval(() => {
  pictures();
  if (video.currentTime !== watch.last.time || video.paused || video.ended) {
    watch.last = { time: video.currentTime, at: now() };
  } else if (now() - watch.last.at > 1.5) {
    stall("no progress for 1.5 s");
    watch.last.at = now();
  }
}, 100);

const base64url = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((b) => parseInt(b, 16)))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const hexOf = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

// options: { largest: true to stay at the largest picture, text: true where text is chosen later, tricks: true to be told of trick
// play and not to buffer all before it, captions: true to show what lies in the pictures, drm: { keys: { keyIdHex: keyHex } } or { server: URL } }.
// Without drm the player is to find everything in the manifest.
const adapters = {
  async hlsjs(url, { largest, drm } = {}) {
    const hls = new Hls(drm?.server ? {
      emeEnabled: true,
      drmSystems: { "org.w3.clearkey": { licenseUrl: drm.server, generateRequest: drm.hook ? requestFromKeyId : undefined } },
    } : {});
    if (largest) {
      hls.on(Hls.Events.MANIFEST_PARSED, () => {
        const heights = hls.levels.map((l) => l.height);
        hls.loadLevel = heights.indexOf(Math.max(...heights));
      });
    }
    hls.on(Hls.Events.ERROR, (_, e) => {
      // hls.js 1.7.4 loses count of the first fragment of separate sound that waits for the pictures' clock: it says that
      // nothing was buffered in the moment before it says what was. So it does with any TS sound of its own.
      if (e.details === "bufferAppendNoProgress" && !e.fatal && e.frag?.type === "audio") return;
      // It says the same once after a forced switch, where it lays a fragment over one that is still there: nothing grows by that.
      // A fragment that really buffers nothing is loaded again, and said again.
      if (e.details === "bufferAppendNoProgress" && !e.fatal && e.appendsWithoutProgress === 1 && now() < watch.excusedUntil) return;
      // Of text that nobody wants any more.
      if (e.details === "aborted" && !e.fatal && e.frag?.type === "subtitle") return;
      fail(`hls.js: ${e.type} ${e.details} ${e.fatal ? "fatal " : ""}${e.error?.message ?? ""} ${e.frag ? `${e.frag.type} fragment ${e.frag.sn}` : ""}`);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    return {
      sizes: () => hls.levels.map((l) => l.height),
      lowest: () => {
        const heights = hls.levels.map((l) => l.height);
        hls.currentLevel = heights.indexOf(Math.min(...heights));
      },
      texts: () => hls.subtitleTracks.map((t) => t.name),
      choose: (name) => {
        hls.subtitleDisplay = true;
        hls.subtitleTrack = hls.subtitleTracks.findIndex((t) => t.name === name);
      },
      speak: (language) => { hls.audioTrack = hls.audioTracks.findIndex((t) => t.lang === language); },
      languages: () => hls.audioTracks.map((t) => t.lang),
      // A native track comes with the first caption in it.
      captions: () => [...video.textTracks].filter((t) => t.kind === "captions").map((t) => t.label),
      chooseCaptions: (name) => [...video.textTracks].forEach((t) => { t.mode = t.label === name ? "showing" : "disabled"; }),
      tricks: () => hls.iframeVariants.map((v) => v.height),
      player: hls,
    };
  },
  async dashjs(url, { largest, drm, tricks, captions } = {}) {
    const player = dashjs.MediaPlayer().create();
    // Unless it is told that somebody will know what to do with them, dash.js leaves trick-mode AdaptationSets out.
    if (tricks) {
      const { capabilities } = player.getSettings().streaming;
      player.updateSettings({ streaming: { buffer: { bufferTimeDefault: 12, bufferTimeAtTopQuality: 12 }, capabilities: {
        supportedEssentialProperties: [...capabilities.supportedEssentialProperties, { schemeIdUri: TRICKMODE }] } } });
    }
    if (largest) {
      player.updateSettings({ streaming: { selectionModeForInitialTrack: "highestBitrate",
        abr: { autoSwitchBitrate: { video: false }, initialBitrate: { video: 1e6 } } } });
    }
    player.on(dashjs.MediaPlayer.events.ERROR, (e) => fail(`dash.js: ${e.error?.code} ${e.error?.message}`));
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (e) => fail(`dash.js playback: ${e.error?.code} ${e.error?.message}`));
    // dash.js looks every 200 ms whether the MPD's end has been passed, and if the element has not yet said "ended" (the
    // last sound may outlast the MPD by a part of a frame), it ends by itself: it seeks to the MPD's end, which takes it
    // half a second back (seekDurationBackoff), and pauses. So it is asked too, before it does that (priority).
    player.on("playbackEnded", (e) => e.isLast && ended(), null, { priority: 10_000 });
    player.on("keyError", (e) => fail(`dash.js key: ${e.error?.code} ${e.error?.message}`));
    // Texts are chosen by their places in this list.
    let textTracks = [];
    player.on(dashjs.MediaPlayer.events.TEXT_TRACKS_ADDED, (e) => { textTracks = e.tracks; });
    // It draws TTML itself.
    const drawn = document.createElement("div");
    drawn.style.cssText = "position: absolute; left: 0; top: 0; width: 640px; height: 360px";
    document.body.append(drawn);
    const lineOf = (node) => node.nodeName === "BR" ? "\n" : node.childNodes.length ? [...node.childNodes].map(lineOf).join("") : node.textContent;
    player.initialize(video, url, false);
    const overlay = document.getElementById("overlay");
    player.attachTTMLRenderingDiv(captions ? overlay : drawn);
    if (drm?.server) player.setProtectionData({ "org.w3.clearkey": { serverURL: drm.server } });
    if (drm?.keys) {
      const clearkeys = Object.fromEntries(Object.entries(drm.keys).map(([id, key]) => [base64url(id), base64url(key)]));
      player.setProtectionData({ "org.w3.clearkey": { clearkeys } });
    }
    const all = () => player.getRepresentationsByType("video");
    return {
      sizes: () => all().map((r) => r.height),
      lowest: () => {
        player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
        const heights = all().map((r) => r.height);
        player.setRepresentationForTypeByIndex("video", heights.indexOf(Math.min(...heights)), true);
      },
      texts: () => player.getTracksFor("text").map((t) => t.labels[0]?.text),
      choose: (name) => player.setTextTrack(textTracks.findIndex((t) => t.labels[0]?.text === name)),
      shown: () => [...nativeTexts(), ...[...drawn.querySelectorAll("p")].map(lineOf)].filter((text) => text.trim()),
      speak: (language) => player.setCurrentTrack(player.getTracksFor("audio").find((t) => t.lang === language)),
      languages: () => player.getTracksFor("audio").map((t) => t.lang),
      captions: () => player.getTracksFor("text").filter((t) => t.isEmbedded).map((t) => t.id),
      chooseCaptions: (name) => player.setTextTrack(textTracks.findIndex((t) => t.id === name)),
      captionsShown: () => [...overlay.children].map((c) => c.textContent),
      tricks: () => player.getTracksFor("video").filter(isTrick).flatMap((t) => t.bitrateList.map((b) => b.height)),
      player,
    };
  },
  async shaka(url, { largest, drm, text } = {}) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    const say = (e) => fail(`Shaka: ${e.code} category ${e.category} ${JSON.stringify(e.data ?? e.message ?? "").slice(0, 300)}`);
    player.addEventListener("error", (e) => say(e.detail));
    // Without this Shaka may already have gone to the smallest on its own, and selecting the active track again makes
    // it clear its buffer in a loop. The other two players adapt freely.
    player.configure({ abr: { enabled: false } });
    if (drm?.keys) player.configure({ drm: { clearKeys: drm.keys } });
    if (drm?.server) player.configure({ drm: { servers: { "org.w3.clearkey": drm.server } } });
    // Shaka loses cues that it gives to a native track before the browser has loaded that, so they are kept here.
    let cues = [];
    player.configure({ textDisplayFactory: () => ({
      configure() {}, enableTextDisplayer() {}, setTextLanguage() {}, setTextVisibility() {}, isTextVisible: () => true,
      append: (more) => { cues.push(...more); },
      remove: (start, end) => { cues = cues.filter((c) => c.startTime >= end || c.endTime <= start); return true; },
      destroy: async () => { cues = []; },
    }) });
    // Of HLS Shaka learns where text lies with the next pictures that it buffers; not all shall be there when text is chosen.
    if (text) player.configure({ streaming: { bufferingGoal: 2 } });
    // Of TTML, cues hold divisions, which hold paragraphs, and each has times of its own. WebVTT is shown whole: times inside its cues
    // say what has been sung.
    const now = (cue) => cue.startTime <= video.currentTime && video.currentTime < cue.endTime;
    const textOf = (cue, is) => cue.lineBreak ? "\n" : cue.nestedCues.length ? cue.nestedCues.filter(is).map((c) => textOf(c, is)).join("") : cue.payload;
    const paragraphs = (cue) => !now(cue) ? [] : cue.isContainer ? cue.nestedCues.flatMap(paragraphs) : [textOf(cue, now)];
    const linesOf = (cue) => cue.isContainer ? paragraphs(cue) : now(cue) ? [textOf(cue, () => true)] : [];
    const textPlaylists = () => performance.getEntriesByType("resource").filter(({ name }) => /\/text-\d+\.m3u8/.test(name)).length;
    let playlistsBefore = 0;
    await player.attach(video);
    await player.load(url).catch(say);
    if (largest) {
      const tracks = player.getVariantTracks().sort((a, b) => b.height - a.height);
      if (tracks.length && !tracks[0].active) player.selectVariantTrack(tracks[0], true);
    }
    return {
      sizes: () => player.getVariantTracks().map((t) => t.height),
      lowest: () => {
        // With the sound that is played, where the smallest has it.
        const { audioId } = player.getVariantTracks().find((t) => t.active);
        const tracks = player.getVariantTracks().sort((a, b) => a.height - b.height || (b.audioId === audioId) - (a.audioId === audioId));
        if (!tracks[0].active) player.selectVariantTrack(tracks[0], true);
      },
      texts: () => player.getTextTracks().map((t) => t.label),
      // Shaka does not fetch text on while it is paused and sought in again and again. Of HLS it has to have the playlist before
      // further pictures come, which a fast origin sends sooner.
      hasText: () => text ? textPlaylists() > playlistsBefore : player.getBufferedInfo().text.length > 0,
      choose: (name) => {
        playlistsBefore = textPlaylists();
        player.selectTextTrack(player.getTextTracks().find((t) => t.label === name));
        player.setTextVisibility?.(true);
        player.setTextTrackVisibility?.(true);
      },
      shown: () => cues.flatMap(linesOf).filter((text) => text.trim()),
      speak: (language) => player.selectAudioTrack(player.getAudioTracks().find((t) => t.language === language)),
      languages: () => player.getAudioTracks().map((t) => t.language),
      captions: () => player.getTextTracks().filter((t) => t.kind === "caption").map((t) => t.originalTextId),
      chooseCaptions: (name) => {
        player.selectTextTrack(player.getTextTracks().find((t) => t.originalTextId === name));
        player.setTextVisibility?.(true);
        player.setTextTrackVisibility?.(true);
      },
      player,
    };
  },
};

const TRICKMODE = "http://dashif.org/guidelines/trickmode";
const isTrick = (track) => track.essentialProperties.some((p) => p.schemeIdUri === TRICKMODE);

/** hls.js makes its request from pssh boxes; where there is none, or none with every key, it is made from the key ID. */
function requestFromKeyId(_type, _data, context) {
  const id = context.decryptdata?.keyId;
  if (!id) throw new Error("no key ID yet");
  return { initDataType: "keyids", initData: new TextEncoder().encode(JSON.stringify({ kids: [base64url(hexOf(id))] })) };
}

/** Everything that moves while a player gets on with it. */
function progress() {
  const ranges = [...Array(video.buffered.length).keys()].map((i) => [video.buffered.start(i), video.buffered.end(i)]);
  return JSON.stringify([video.currentTime, video.readyState, video.seeking, video.videoHeight, video.getVideoPlaybackQuality().totalVideoFrames, watch.picture, ranges]);
}

/** Waits for a condition; gives up when nothing has moved for `patience` seconds. A slow machine takes longer, a player that hangs does not. */
async function until(condition, patience, most = 100) {
  const begun = now();
  let moved = begun, last = progress();
  while (now() - moved < patience && now() - begun < most) {
    if (condition()) return true;
    if (watch.errors.length) return false;
    await sleep(0.05);
    const here = progress();
    if (here !== last) [last, moved] = [here, now()];
  }
  return condition();
}

function state() {
  const q = video.getVideoPlaybackQuality();
  return {
    time: video.currentTime, duration: video.duration, ended: watch.end !== null, picture: watch.picture, width: video.videoWidth, height: video.videoHeight,
    frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, audioBytes: video.webkitAudioDecodedByteCount,
    errors: watch.errors, stalls: watch.stalls, buffered: [...Array(video.buffered.length).keys()].map((i) => [video.buffered.start(i), video.buffered.end(i)]),
  };
}

/** Begins to play, and plays `seconds` at normal speed. */
async function start(player, url, seconds, options) {
  const begun = now();
  adapter = await adapters[player](url, options);
  if (watch.errors.length) return state();
  await until(() => video.readyState >= 2, 20);
  video.play().catch((e) => fail(`play(): ${e.message}`));
  await until(() => watch.playing && video.currentTime > 0, 20);
  const startup = now() - begun;
  await until(() => video.currentTime >= seconds || watch.end !== null, seconds * 2 + 5);
  return { ...state(), startup, sizes: adapter.sizes() };
}

/** Plays on to the end, fast. `time` is where it stood when the end was told. */
async function finish(rate) {
  // Without sound to keep its clock Chromium says "waiting" for an instant when the rate changes.
  excuse(1);
  video.playbackRate = rate;
  await until(() => watch.end !== null, 15);
  const out = { ...state(), time: watch.end ?? video.currentTime };
  video.playbackRate = 1;
  return out;
}

/** Seeks and plays one second from there. */
async function seek(target) {
  watch.end = null;
  excuse(10);
  video.currentTime = target;
  video.play().catch((e) => fail(`play(): ${e.message}`));
  const done = await until(() => !video.seeking && video.currentTime >= target + 0.8 && video.currentTime < target + 8, 12);
  return { ...state(), done };
}

/** Forces the smallest picture while playing, waits until it is shown, then seeks to where nothing of it is buffered. */
async function lowest(target) {
  excuse(20);
  adapter.lowest();
  const small = Math.min(...adapter.sizes());
  const switched = await until(() => video.videoHeight === small, 10);
  return { ...(await seek(target)), switched };
}

let ear;

/**
 * The language that is heard, by its tones: { language: lowest tone in Hz at the start }. Two tones climb, by 30 and 40 Hz
 * each second, from the lowest and from one and a half times that (testdata/make.sh).
 */
function heard(tones) {
  if (!ear) {
    const context = new AudioContext();
    ear = context.createAnalyser();
    ear.fftSize = 8192;
    ear.smoothingTimeConstant = 0;
    context.createMediaElementSource(video).connect(ear).connect(context.destination);
    context.resume();
  }
  const spectrum = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(spectrum);
  const width = ear.context.sampleRate / ear.fftSize;
  // What is analysed is about a window's half in the past.
  const at = video.currentTime - ear.fftSize / ear.context.sampleRate / 2;
  const level = (hertz) => Math.max(...spectrum.slice(Math.round(hertz / width) - 3, Math.round(hertz / width) + 4));
  const levels = Object.entries(tones).map(([language, lowest]) => [level(lowest + 30 * at) + level(lowest * 1.5 + 40 * at), language]);
  const [loudest] = levels.sort((a, b) => b[0] - a[0]);
  // Silence is no language.
  return loudest[0] > -140 ? loudest[1] : null;
}

/** Listens, chooses another language while playing, and waits until it is heard. */
async function speak(language, tones) {
  const before = new Set();
  await until(() => before.add(heard(tones)).has(Object.keys(tones)[0]), 5);
  const { currentTime } = video;
  // Players empty the buffer of sound before they fill it anew; what counts is whether it is noticed.
  watch.emptyUntil = now() + 2;
  adapter.speak(language);
  const done = await until(() => heard(tones) === language, 6);
  const after = video.currentTime;
  // It has to be that language from then on.
  const wrong = [];
  await until(() => { const now = heard(tones); if (now !== language) wrong.push(`${now} at ${video.currentTime.toFixed(2)} s`); return video.currentTime > after + 1; }, 5);
  return { ...state(), done, before: [...before], waited: after - currentTime, wrong };
}

/**
 * Stops at a time and waits until its picture is on the screen, for a screenshot. dash.js takes a new MediaSource when a
 * seek leads to another period, and may play on a little from there; then it is asked again.
 */
async function still(target) {
  excuse(30);
  const there = () => video.paused && !video.seeking && video.readyState >= 2 && Math.abs(video.currentTime - target) < 0.01
    && watch.picture <= target + 0.01 && watch.picture > target - LONGEST_PICTURE;
  let done = false;
  for (let attempt = 0; attempt < 5 && !done && !watch.errors.length; attempt++) {
    video.pause();
    video.currentTime = target;
    await until(there, 6, 20);
    await sleep(0.3);
    done = there();
  }
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  return { ...state(), done };
}

/** Has the player show one of its texts; what it calls all of them. */
async function chooseText(name) {
  await until(() => adapter.texts().includes(name), 10);
  const names = adapter.texts();
  if (names.includes(name)) {
    adapter.choose(name);
    await until(() => adapter.hasText?.() ?? true, 5);
  }
  return names;
}

/** The same of the captions that lie in its pictures. */
async function chooseCaptions(name) {
  await until(() => adapter.captions().includes(name), 10);
  const names = adapter.captions();
  if (names.includes(name)) adapter.chooseCaptions(name);
  adapter.shown = adapter.captionsShown ?? adapter.shown;
  return names;
}

/** What the browser shows of text by itself. */
function nativeTexts() {
  const cues = [...video.textTracks].filter((t) => t.mode === "showing").flatMap((t) => [...t.activeCues ?? []]);
  return cues.map((c) => c.getCueAsHTML?.().textContent ?? "");
}

/** Stops at a time; what is shown there, as plain text, once it is `wanted` or nothing has come for a while. */
async function textAt(target, wanted) {
  excuse(60);
  video.pause();
  video.currentTime = target;
  const plain = (text) => text.replace(/\s+/g, " ").trim();
  const shown = () => [...new Set((adapter.shown ?? nativeTexts)().map(plain))].sort();
  const same = () => !video.seeking && Math.abs(video.currentTime - target) < 0.01 && JSON.stringify(shown()) === JSON.stringify(wanted);
  for (let waited = 0; waited < 100 && !same() && !watch.errors.length; waited++) {
    await sleep(0.1);
    // dash.js may move a little when a seek leads to another period, and shows what has come since only when the time is told.
    if (waited % 10 === 9) video.currentTime = target;
  }
  // Not only for an instant.
  await sleep(0.2);
  return { shown: shown(), time: video.currentTime, errors: watch.errors };
}

/** Share of the pixels of two PNG files (base64) that differ by more than `tolerance`, and how much the first one's pixels vary. */
async function compare(mine, other, tolerance) {
  const pixels = async (base64) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  };
  const [a, b] = [await pixels(mine), await pixels(other)];
  if (a.data.length !== b.data.length) return { differing: 1, spread: 0 };
  let differing = 0, sum = 0, squares = 0;
  const count = a.data.length / 4;
  for (let i = 0; i < a.data.length; i += 4) {
    const distance = Math.max(Math.abs(a.data[i] - b.data[i]), Math.abs(a.data[i + 1] - b.data[i + 1]), Math.abs(a.data[i + 2] - b.data[i + 2]));
    if (distance > tolerance) differing++;
    sum += a.data[i + 1];
    squares += a.data[i + 1] ** 2;
  }
  return { differing: differing / count, spread: Math.sqrt(squares / count - (sum / count) ** 2) };
}
