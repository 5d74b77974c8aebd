// What runs inside the browser beside page.js, for watching.mjs: which picture is on the screen, by its pixels; and players
// that wind with trick play.
/* global Hls, LONGEST_PICTURE, adapter, adapters, video, watch, until, fail, heard, isTrick, state */
"use strict";

const WIDTH = 160, HEIGHT = 90;
const brush = new OffscreenCanvas(WIDTH, HEIGHT).getContext("2d", { willReadFrequently: true });
let references = [];

function pixels(image) {
  // Nothing is drawn of an element without a picture, and what was drawn before must not be taken for one.
  brush.clearRect(0, 0, WIDTH, HEIGHT);
  brush.drawImage(image, 0, 0, WIDTH, HEIGHT);
  return brush.getImageData(0, 0, WIDTH, HEIGHT).data;
}

/** The source's pictures among which others are looked up: [{ number, png (base64) }]. */
async function learn(pictures) {
  references = await Promise.all(pictures.map(async ({ number, png }) => {
    const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
    return { number, data: pixels(await createImageBitmap(new Blob([bytes], { type: "image/png" }))) };
  }));
}

function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / (a.length * 3 / 4);
}

/** Which of the source's pictures these pixels are: its number, how far it is off, and how far the next best (of 255). */
function which(data) {
  const [best, next] = references.map(({ number, data: other }) => ({ number, off: distance(data, other) })).sort((a, b) => a.off - b.off);
  return { number: best.number, off: best.off, next: next.off };
}

/** Every picture that an element shows from now on, as { time, number, off, next }, while `into` is kept. */
function look(element, into) {
  const one = (_, { mediaTime }) => {
    into.push({ time: mediaTime, data: pixels(element) });
    element.requestVideoFrameCallback(one);
  };
  element.requestVideoFrameCallback(one);
}

const named = (seen) => seen.map(({ time, data }) => ({ time, ...which(data) }));

/** Opens a presentation without playing it; the picture that it stands at. */
async function opened(player, url, options) {
  adapter = await adapters[player](url, options);
  await until(() => video.readyState >= 2 && !video.seeking && watch.picture >= 0 && watch.picture <= video.currentTime + LONGEST_PICTURE, 5, 20);
  return { ...state(), first: watch.picture >= 0 ? which(pixels(video)) : null };
}

/** Plays what stands, a second of it and the rest fast; the pictures that were shown, and what is on the screen at the end. */
async function playOut(rate) {
  const seen = [], from = video.currentTime;
  look(video, seen);
  video.play().catch((e) => fail(`play(): ${e.message}`));
  await until(() => video.currentTime > from + 1, 10);
  const early = seen.length;
  video.playbackRate = rate;
  await until(() => watch.end !== null, 15);
  video.playbackRate = 1;
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  return { ...state(), time: watch.end ?? video.currentTime, early: named(seen.slice(0, early)), last: which(pixels(video)) };
}

const winders = {
  /** Shaka plays on, faster and with the trick-play stream. */
  async shaka(rate) {
    const seen = [];
    look(video, seen);
    adapter.player.trickPlay(rate);
    await until(() => watch.end !== null, 15);
    adapter.player.cancelTrickPlay();
    return named(seen);
  },
  /** dash.js plays the trick-mode AdaptationSet as it plays any. */
  async dashjs(rate) {
    const seen = [];
    look(video, seen);
    adapter.player.setCurrentTrack(adapter.player.getTracksFor("video").find(isTrick));
    video.playbackRate = rate;
    await until(() => watch.end !== null, 15);
    video.playbackRate = 1;
    return named(seen);
  },
  /**
   * hls.js shows single pictures in another element. It forgets what it is asked before it has playlist and element; and asked for
   * one many seconds before the one that it shows, 1.7.4 loads the picture and waits for ever for more, in either container: so times go on.
   */
  async hlsjs(_rate, times) {
    video.pause();
    const out = [], screen = document.createElement("video");
    screen.style.cssText = "width: 640px; height: 360px";
    screen.muted = true;
    document.body.append(screen);
    const iframes = adapter.player.createIFramePlayer();
    if (!iframes) {
      fail("hls.js knows of no I-frames");
      return out;
    }
    iframes.on(Hls.Events.ERROR, (_, e) => fail(`hls.js, I-frames: ${e.type} ${e.details} ${e.error?.message ?? ""}`));
    const ready = [Hls.Events.LEVEL_LOADED, Hls.Events.MEDIA_ATTACHED].map((event) => new Promise((done) => iframes.once(event, done)));
    iframes.attachMedia(screen);
    iframes.startLoad(times[0]);
    await Promise.all(ready);
    for (const time of times) {
      const seen = [];
      look(screen, seen);
      iframes.loadMediaAt(time);
      await until(() => seen.length && !screen.seeking && Math.abs(screen.currentTime - time) < 0.01, 8);
      for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
      out.push({ time, ...which(pixels(screen)) });
    }
    iframes.destroy();
    return out;
  },
};

/** Has the player wind; the pictures that it shows. */
async function wind(player, rate, times) {
  const seen = await winders[player](rate, times);
  return { ...state(), seen };
}

/** One picture out of an init segment and one fragment, with nothing but MediaSource. */
async function thumbnail(type, init, url, time) {
  const source = new MediaSource(), screen = document.createElement("video");
  const happens = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));
  document.body.append(screen);
  screen.muted = true;
  screen.src = URL.createObjectURL(source);
  await happens(source, "sourceopen");
  const buffer = source.addSourceBuffer(type);
  for (const part of [init, url]) {
    buffer.appendBuffer(await (await fetch(part)).arrayBuffer());
    await happens(buffer, "updateend");
  }
  source.endOfStream();
  const seen = [];
  look(screen, seen);
  screen.currentTime = time;
  await until(() => seen.length, 5);
  const out = { time, ...which(pixels(screen)), buffered: [screen.buffered.start(0), screen.buffered.end(0)] };
  screen.remove();
  return out;
}

/** What the player has to choose from; undefined where it does not tell. */
function offers() {
  return { sizes: adapter.sizes(), languages: adapter.languages(), texts: adapter.texts(), tricks: adapter.tricks?.(), duration: video.duration };
}

/** The language that is heard, once it is `wanted` or nothing else has come for a while. */
async function hears(wanted, tones) {
  await until(() => heard(tones) === wanted, 3);
  return heard(tones);
}
