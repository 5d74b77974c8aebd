#!/usr/bin/env node
// Real players decrypt what packorigin encrypts, and show what they show of the clear presentation.
//
// usage: node protected.mjs --jobs JOBS.json --out FOLDER [--parallel N]
//
// Proves, for each job: the player starts with its keys from where the job says; at each of the times, paused there
// after a seek, the element's pixels are those of the clear presentation in the same player; sound and pictures are
// decoded; it plays on to the end without an error. Pixels are compared because Chromium plays wrongly decrypted video
// to the end without a word; wrong sound ends in a decoder error. Screenshots of pairs that differ are kept.
//
// Cannot prove anything of Widevine, PlayReady and FairPlay modules: the keys come as ClearKey or as plain HLS keys.
// Jobs: [{player, subject, url, clear, times: [s], clearTimes?: [s], hasToFail?: bool, audio: bool, drm?: {keys: {kid: key}} or {server: URL, hook?: bool}}].
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HERE, Checks, each, open, openPage } from "./browser.mjs";

const RATE = 4;
const TOLERANCE = 8; // of 255, in each colour
const SHARE = 0.002; // of the pixels
const SPREAD = 10; // a black or frozen grey picture varies less

/** Screenshots of the video at each time, and what the player said. */
async function stills({ page, call }, player, url, times, options) {
  const begun = await call("start", player, url, 0.5, options);
  const shots = [];
  if (begun.errors.length || begun.time === 0) return { begun, shots };
  for (const time of times) {
    const state = await call("still", time);
    const png = await page.locator("#video").screenshot();
    shots.push({ time, state, png: png.toString("base64") });
    if (state.errors.length) break;
  }
  return { begun, shots };
}

async function reference(browser, base, job) {
  const broken = [], opened = await openPage(browser, base, job.player, broken);
  const found = await stills(opened, job.player, job.clear, job.clearTimes ?? job.times, { largest: true });
  await opened.context.close();
  return found;
}

async function judge(browser, base, job, clear, out) {
  const checks = new Checks(), broken = [];
  const opened = await openPage(browser, base, job.player, broken);
  try {
    await drive(opened, job, checks, clear, out);
  } catch (error) {
    checks.add("ran", false, error.message.split("\n")[0]);
  }
  checks.add("no script error in the page", broken.length === 0, broken[0]);
  await opened.context.close();
  return { player: job.player, subject: job.subject, url: job.url, checks: checks.list };
}

async function drive(opened, job, checks, clear, out) {
  const { call } = opened;
  const { begun, shots } = await stills(opened, job.player, job.url, job.times, { largest: true, drm: job.drm });
  if (!checks.add("starts", begun.errors.length === 0 && begun.time > 0, begun.errors[0] ?? "currentTime stays 0, as it does without a key")) return;
  checks.add("the clear presentation was shown", clear.shots.length === job.times.length && clear.shots.every((s) => s.state.done), clear.begun.errors[0] ?? "not reached");
  checks.add("seeks to each time", shots.length === job.times.length && shots.every((s) => s.state.done), shots.at(-1)?.state.errors[0] ?? "not reached");
  for (const [index, { time, state, png }] of shots.entries()) {
    const other = clear.shots[index];
    if (!other) continue;
    checks.add("the clear one's picture size", state.width === other.state.width && state.height === other.state.height,
      `at ${time} s: ${state.width}x${state.height}, clear ${other.state.width}x${other.state.height}`);
    checks.add("shows the clear one's time", Math.abs(state.picture - other.state.picture) < 0.001, `at ${time} s: ${state.picture}, clear ${other.state.picture}`);
    const { differing, spread } = await call("compare", png, other.png, TOLERANCE);
    const same = checks.add("shows the clear one's picture", differing <= SHARE, `at ${time} s: ${(differing * 100).toFixed(2)} % of the pixels differ`);
    checks.add("the picture is no plain surface", spread >= SPREAD, `at ${time} s: spread ${spread.toFixed(1)}`);
    if (!same) {
      for (const [what, shot] of [["encrypted", png], ["clear", other.png]]) {
        await writeFile(join(out, `${job.subject}-${job.player}-${time}-${what}.png`.replaceAll(/[^A-Za-z0-9._-]+/g, "-")), Buffer.from(shot, "base64"));
      }
    }
  }
  const last = shots.at(-1)?.state;
  if (last?.errors.length) {
    checks.add("no error", false, last.errors.join("; "));
    return;
  }
  const begin = await call("seek", 0);
  checks.add("plays on after a seek back", begin.done && !begin.errors.length, `stands at ${begin.time}; ${begin.errors[0] ?? ""}`);
  if (begin.errors.length) return;
  const end = await call("finish", RATE);
  checks.add("no error", end.errors.length === 0, end.errors.join("; "));
  checks.add("plays to the end", end.ended && Math.abs(end.time - end.duration) < 0.3, `ended ${end.ended}, stands at ${end.time} of ${end.duration}`);
  checks.add("pictures are decoded", end.frames > 0, `${end.frames} frames`);
  if (job.audio) checks.add("sound is decoded", end.audioBytes > 0, "no bytes of audio decoded");
}

async function main() {
  const { values } = parseArgs({ options: { jobs: { type: "string" }, out: { type: "string", default: join(HERE, "..", "out") }, parallel: { type: "string", default: "2" } } });
  const jobs = JSON.parse(await readFile(values.jobs));
  await mkdir(values.out, { recursive: true });
  const { browser, base, close } = await open();
  const key = (job) => JSON.stringify([job.player, job.clear, job.clearTimes ?? job.times]);
  const distinct = [...new Map(jobs.map((j) => [key(j), j])).values()];
  const shown = await each(distinct, values.parallel, (job) => reference(browser, base, job));
  const clear = new Map(distinct.map((job, index) => [key(job), shown[index]]));
  const results = await each(jobs, values.parallel, async (job) => {
    const result = await judge(browser, base, job, clear.get(key(job)), values.out);
    const failed = result.checks.filter((c) => !c.ok);
    console.log(`${result.player.padEnd(8)}${result.subject.padEnd(44)}${!failed.length ? "ok" : job.hasToFail ? "fails, as it has to" : "FAIL"}`
      + [...new Map(failed.map((c) => [c.name, c])).values()].map((c) => `\n    ${c.name}: ${c.detail}`).join(""));
    return result;
  });
  await close();
  await writeFile(join(values.out, "protected.json"), JSON.stringify(results, null, 1));
}

await main();
