#!/usr/bin/env node
// Real players in a real browser play what packorigin serves.
//
// usage: node players.mjs --jobs JOBS.json --out FOLDER [--parallel N]
//        node players.mjs --player hlsjs|dashjs|shaka --url URL [--out FOLDER]
//
// Proves, for each job: it starts; plays 3 s at normal speed and the rest at four times that without an error event of
// the player or the element, and without a stall (a `waiting` event, no progress, no new picture, or nothing buffered, after the first
// `playing`, seeks aside); reaches the end, which is where the presentation says; pictures of the right size and sound
// are decoded, and few are dropped; it plays on after a seek back, a seek forward and a switch to the smallest picture.
// A screenshot of each is kept.
//
// Cannot prove that pictures are right (`frames.py`) or that Safari, televisions and other decoders agree.
// Jobs: [{player, subject, url, duration?, tolerance?, sizes?: [[w, h]], audio?: bool, tones?: {language: Hz}}]. With tones the
// first language is heard, then the second, chosen while playing, without a stall.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HERE, Checks, each, open, openPage } from "./browser.mjs";

const RATE = 4;
const NORMAL_SPEED_SECONDS = 3;

async function play(browser, base, job, out) {
  const checks = new Checks(), broken = [];
  let opened;
  const screenshot = join(out, `${job.subject}-${job.player}.png`.replaceAll(/[^A-Za-z0-9._-]+/g, "-"));
  const numbers = {};
  try {
    opened = await openPage(browser, base, job.player, broken);
    await drive(opened, job, checks, screenshot, numbers);
  } catch (error) {
    checks.add("ran", false, error.message.split("\n")[0]);
  }
  checks.add("no script error in the page", broken.length === 0, broken[0]);
  await opened?.context.close();
  return { player: job.player, subject: job.subject, url: job.url, checks: checks.list, numbers };
}

async function drive({ page, call }, job, checks, screenshot, numbers) {
  const begun = await call("start", job.player, job.url, NORMAL_SPEED_SECONDS);
  await page.screenshot({ path: screenshot });
  Object.assign(numbers, { startup: begun.startup, frames: begun.frames, dropped: begun.dropped });
  if (!checks.add("starts", begun.errors.length === 0 && begun.time > 0, `${begun.errors[0] ?? "currentTime stays 0"}`)) return;
  checks.add("pictures are decoded", begun.frames > 0, `${begun.frames} frames`);
  checks.add("few pictures are dropped", begun.dropped <= Math.max(5, begun.frames / 10), `${begun.dropped} of ${begun.frames}`);
  if (job.audio) checks.add("sound is decoded", begun.audioBytes > 0, "no bytes of audio decoded");
  const sizes = (s) => !job.sizes || job.sizes.some(([w, h]) => s.width === w && s.height === h);
  checks.add("picture size", begun.width > 0 && sizes(begun), `${begun.width}x${begun.height}, source has ${JSON.stringify(job.sizes)}`);
  if (job.duration) checks.add("duration", Math.abs(begun.duration - job.duration) <= (job.tolerance ?? 0.1), `${begun.duration}, presentation has ${job.duration}`);

  if (job.tones) {
    const [first, other] = Object.keys(job.tones);
    const spoken = await call("speak", other, job.tones);
    numbers.heardAfter = spoken.waited;
    checks.add("speaks the default language", spoken.before.includes(first), `heard ${spoken.before}`);
    checks.add("changes the language in mid-play", spoken.done && !spoken.wrong.length && !spoken.errors.length,
      `${other} ${spoken.done ? "" : "not "}heard after ${spoken.waited.toFixed(2)} s; then ${spoken.wrong.slice(0, 3)} ${spoken.errors[0] ?? ""}`);
    checks.add("no stall while the language changes", spoken.stalls.length === 0, spoken.stalls.slice(0, 3).join("; "));
  }

  const end = await call("finish", RATE);
  Object.assign(numbers, { endedAt: end.time, duration: end.duration });
  checks.add("no error", end.errors.length === 0, end.errors.join("; "));
  checks.add("no stall beyond start-up", end.stalls.length === 0, end.stalls.slice(0, 5).join("; "));
  checks.add("plays to the end", end.ended && Math.abs(end.time - end.duration) < 0.3,
    `ended ${end.ended}, stands at ${end.time} of ${end.duration}, buffered ${JSON.stringify(end.buffered)}`);
  checks.add("picture size at the end", sizes(end), `${end.width}x${end.height}`);
  if (end.errors.length) return;

  const back = await call("seek", end.duration * 0.3);
  checks.add("plays on after a seek back", back.done && !back.errors.length, `stands at ${back.time}; ${back.errors[0] ?? ""}`);
  const forward = await call("seek", end.duration * 0.6);
  checks.add("plays on after a seek forward", forward.done && !forward.errors.length, `stands at ${forward.time}; ${forward.errors[0] ?? ""}`);
  if (new Set(begun.sizes).size > 1 && !forward.errors.length) {
    const small = await call("lowest", end.duration * 0.1);
    checks.add("plays on after a switch", small.done && !small.errors.length, `stands at ${small.time}; ${small.errors[0] ?? ""}`);
    checks.add("switches", small.switched, `height ${small.height} of ${begun.sizes}`);
  }
}

async function main() {
  const { values } = parseArgs({ options: {
    jobs: { type: "string" }, out: { type: "string", default: join(HERE, "..", "out") }, parallel: { type: "string", default: "2" },
    player: { type: "string" }, url: { type: "string" },
  } });
  const jobs = values.jobs ? JSON.parse(await readFile(values.jobs)) : [{ player: values.player, subject: "one", url: values.url }];
  await mkdir(values.out, { recursive: true });
  const { browser, base, close } = await open();
  const results = await each(jobs, values.parallel, async (job) => {
    const result = await play(browser, base, job, values.out);
    const failed = result.checks.filter((c) => !c.ok);
    console.log(`${result.player.padEnd(8)}${result.subject.padEnd(26)}${failed.length ? "FAIL" : "ok  "} start-up ${(result.numbers.startup ?? NaN).toFixed(2)} s, `
      + `${result.numbers.dropped} of ${result.numbers.frames} dropped, ended at ${result.numbers.endedAt?.toFixed(2)} of ${result.numbers.duration?.toFixed(2)}`
        + (result.numbers.heardAfter === undefined ? "" : `, the other language after ${result.numbers.heardAfter.toFixed(2)} s`)
        + failed.map((c) => `\n    ${c.name}: ${c.detail}`).join(""));
    return result;
  });
  await close();
  await writeFile(join(values.out, "players.json"), JSON.stringify(results, null, 1));
  process.exit(results.some((r) => r.checks.some((c) => !c.ok)) ? 1 : 0);
}

await main();
