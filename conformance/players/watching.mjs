#!/usr/bin/env node
// Real players in a real browser make use of captions, trick play, filters and clips.
//
// usage: node watching.mjs --jobs JOBS.json --out FOLDER [--parallel N]
//
// Proves, by the job's kind:
//   captions   the player offers the channels that are in the pictures; having chosen one and sought to just before and just
//              behind each change, what it shows is the text that was written into the source
//   tricks     the player fetches segments of trick play, and the pictures that it shows meanwhile are the source's keyframes
//              (dash.js only when told so; hls.js in an element of its own)
//   thumbnail  an init segment and one fragment of an I-frame playlist are a picture for MediaSource alone
//   filter     the player's own lists of heights, languages and texts are what the filter leaves, and it plays
//   clip       where the player begins, how long it says the clip is, and with which of the source's pictures it begins and ends;
//              that it takes nothing of trick play for ordinary pictures
//
// Pictures are told by their pixels: each is looked up among pictures that ffmpeg decoded from the source, its neighbours
// among them, and has to be nearest to the right one.
//
// Cannot prove that captions are where they should be on the screen, nor what is heard at the ends of a clip.
// Jobs: [{player, subject, url, kind, pictures?: [{number, png}], …}]; watching.py says what else each kind has.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HERE, Checks, each, open, openPage } from "./browser.mjs";

const RATE = 4;
const FAR = 4; // of 255 in each colour, on average: more than what scaling and colour conversion leave
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const distinct = (list) => [...new Set(list)].sort((a, b) => (a > b) - (a < b));
const seconds = (time) => `${Number(time).toFixed(2)} s`;
const told = ({ number, off, next }) => `picture ${number} (${off.toFixed(1)} off, the next best ${next.toFixed(1)})`;

/** Starts to play; whether it does. */
async function begins(call, checks, job, options) {
  const begun = await call("start", job.player, job.url, 0.5, options);
  checks.add("starts", begun.errors.length === 0 && begun.time > 0, begun.errors[0] ?? "currentTime stays 0");
  return begun.errors.length === 0 && begun.time > 0;
}

/** Segments of trick play that are fetched from now on: status and URL. */
function fetchedTricks(page) {
  const fetched = [];
  page.on("response", (r) => /\/trick-\d+\/\d+\/\d+\.(ts|m4s)$/.test(r.url()) && fetched.push(`${r.status()} ${r.url()}`));
  return fetched;
}

const kinds = {
  // names: all channels; name: the chosen one; moments: [[seconds, [text]]].
  async captions({ call }, checks, job) {
    if (!await begins(call, checks, job, { captions: true })) return "";
    const names = await call("chooseCaptions", job.name);
    checks.add("offers the captions", same([...names].sort(), [...job.names].sort()), JSON.stringify(names));
    const seen = [];
    for (const [time, wanted] of job.moments) {
      const { shown, errors } = await call("textAt", time, wanted);
      checks.add(`shows the captions at ${time} s`, same(shown, wanted) && !errors.length, `${JSON.stringify(shown)}, not ${JSON.stringify(wanted)}; ${errors[0] ?? ""}`);
      seen.push(`${time} s ${shown.map((s) => `“${s}”`).join(", ") || "nothing"}`);
    }
    return `offers ${names.join(", ")}; shows of ${job.name}: ${seen.join(", ")}`;
  },

  // times: where single pictures are asked for; keyframes: [[seconds, number]]; tail: from when on trick play alone is shown.
  async tricks({ page, call }, checks, job) {
    const fetched = fetchedTricks(page);
    if (!await begins(call, checks, job, { tricks: true, largest: true })) return "";
    const { seen, errors } = await call("wind", job.player, RATE, job.times);
    checks.add("fetches segments of trick play", fetched.length >= 3 && fetched.every((f) => f.startsWith("200 ")), fetched.join(" ") || "none");
    checks.add("no error", errors.length === 0, errors[0]);
    const at = new Map(job.keyframes.map(([time, number]) => [number, time]));
    const keyframes = seen.filter((s) => at.has(s.number) && s.off <= FAR);
    const several = distinct(keyframes.map((s) => s.number));
    checks.add("shows several keyframes", several.length >= 3, `${several}`);
    // What is asked for by time is shown there, by the last keyframe before.
    if (job.player === "hlsjs") {
      const last = (time) => job.keyframes.filter(([t]) => t <= time).at(-1)[1];
      const wrong = seen.filter((s) => s.number !== last(s.time) || s.off > FAR);
      checks.add("shows the keyframe of the time asked for", seen.length === job.times.length && !wrong.length, wrong.map((s) => `at ${seconds(s.time)} ${told(s)}`).join("; "));
      return `loads ${fetched.length} trick segments for ${seen.length} times asked for: ${seen.map((s) => `at ${seconds(s.time)} ${told(s)}`).join(", ")}`;
    }
    // The tail is trick play alone: what is on the screen then is a keyframe at its own time.
    const tail = seen.filter((s) => s.time >= job.tail);
    const wrong = tail.filter((s) => !at.has(s.number) || s.off > FAR || Math.abs(at.get(s.number) - s.time) > 0.05);
    checks.add("shows keyframes at their times", tail.length >= 3 && !wrong.length, `${tail.length}, wrong ${wrong.slice(0, 3).map((s) => `at ${seconds(s.time)} ${told(s)}`).join("; ")}`);
    return `fetches ${fetched.length} trick segments; from ${seconds(job.tail)} on it shows ${tail.map((s) => `at ${seconds(s.time)} picture ${s.number}`).join(", ")}`;
  },

  // fragments: [{init, url, time, number}] and their type.
  async thumbnail({ call }, checks, job) {
    const seen = [];
    for (const { init, url, time, number } of job.fragments) {
      const found = await call("thumbnail", job.type, init, url, time);
      checks.add("is the source's picture", found.number === number && found.off <= FAR, `at ${seconds(time)} ${told(found)}, not ${number}`);
      seen.push(`at ${seconds(time)} ${told(found)}`);
    }
    return `init segment and one fragment show ${seen.join(", ")}`;
  },

  // wanted: {sizes, languages, texts, tricks}, each where it is judged; tones where the language shall be heard.
  async filter({ call }, checks, job) {
    if (!await begins(call, checks, job, { tricks: true })) return "";
    const offered = await call("offers");
    for (const [what, wanted] of Object.entries(job.wanted)) {
      if (offered[what]) checks.add(`offers these ${what}`, same(distinct(offered[what]), wanted), `${distinct(offered[what])}, not ${wanted}`);
    }
    let heard = "";
    if (job.tones) {
      const language = await call("hears", job.wanted.languages[0], job.tones);
      checks.add("the language is heard", language === job.wanted.languages[0], language);
      heard = `, ${language} is heard`;
    }
    await call("seek", offered.duration - 4);
    const end = await call("finish", RATE);
    checks.add("plays to the end", end.ended && end.errors.length === 0, `stands at ${end.time} of ${end.duration}; ${end.errors[0] ?? ""}`);
    return Object.keys(job.wanted).filter((what) => offered[what]).map((what) => `${what} ${distinct(offered[what]).join(", ") || "none"}`).join("; ") + `${heard}; plays to its end at ${seconds(end.time)}`;
  },

  // duration, begin: seconds of the player's timeline; first, last: numbers of pictures, of which one has to be shown.
  async clip({ page, call }, checks, job) {
    const tricks = fetchedTricks(page);
    const begun = await call("opened", job.player, job.url, { largest: true });
    if (!checks.add("opens", begun.errors.length === 0 && begun.first, begun.errors[0] ?? "no picture")) return "";
    checks.add("duration", Math.abs(begun.duration - job.duration) < 0.15, `${begun.duration}, should be ${job.duration}`);
    checks.add("begins at the start", Math.abs(begun.time - job.begin) < 0.05, `${begun.time}, should be ${job.begin}`);
    checks.add("first picture", job.first.includes(begun.first.number) && begun.first.off <= FAR, `${told(begun.first)}, should be one of ${job.first}`);
    const end = await call("playOut", RATE);
    checks.add("no error", end.errors.length === 0, end.errors[0]);
    checks.add("plays to the end", end.ended && Math.abs(end.time - end.duration) < 0.3, `stands at ${end.time} of ${end.duration}`);
    checks.add("last picture", job.last.includes(end.last.number) && end.last.off <= FAR, `${told(end.last)}, should be one of ${job.last}`);
    checks.add("leaves trick play alone", tricks.length === 0, tricks[0]);
    const early = end.early[0];
    return `says ${seconds(begun.duration)}, begins at ${seconds(begun.time)} with ${told(begun.first)}`
      + `${early ? `, then ${early.number} at ${seconds(early.time)}` : ""}, ends at ${seconds(end.time)} with ${told(end.last)}`;
  },
};

async function watch(browser, base, job) {
  const checks = new Checks(), broken = [];
  let opened, observed = "";
  try {
    opened = await openPage(browser, base, job.player, broken);
    await opened.page.addScriptTag({ url: `${base}/pictures.js` });
    if (job.pictures) await opened.call("learn", job.pictures);
    observed = await kinds[job.kind](opened, checks, job);
  } catch (error) {
    checks.add("ran", false, error.message.split("\n")[0]);
  }
  checks.add("no script error in the page", broken.length === 0, broken[0]);
  await opened?.context.close();
  return { player: job.player, subject: job.subject, kind: job.kind, observed, checks: checks.list };
}

async function main() {
  const { values } = parseArgs({ options: { jobs: { type: "string" }, out: { type: "string", default: join(HERE, "..", "out") }, parallel: { type: "string", default: "2" } } });
  const { jobs, pictures } = JSON.parse(await readFile(values.jobs));
  await mkdir(values.out, { recursive: true });
  const { browser, base, close } = await open();
  const results = await each(jobs, values.parallel, async (job) => {
    const begun = Date.now();
    const result = await watch(browser, base, { ...job, pictures: job.pictures?.map((number) => ({ number, png: pictures[number] })) });
    const failed = result.checks.filter((c) => !c.ok);
    console.log(`${result.player.padEnd(8)}${result.subject.padEnd(44)}${failed.length ? "FAIL" : "ok  "} ${((Date.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${result.observed}`
      + failed.map((c) => `\n    ${c.name}: ${c.detail}`).join(""));
    return result;
  });
  await close();
  await writeFile(join(values.out, "watching.json"), JSON.stringify(results, null, 1));
  process.exit(results.some((r) => r.checks.some((c) => !c.ok)) ? 1 : 0);
}

await main();
