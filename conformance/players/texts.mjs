#!/usr/bin/env node
// Real players in a real browser show subtitles of what packorigin serves.
//
// usage: node texts.mjs --jobs JOBS.json --out FOLDER
//
// Proves, for each job: the player offers the texts by their names; having chosen one and sought to just before and just
// behind each moment at which what is shown changes, the browser's active cues are the expected text, and nothing else.
//
// Cannot prove that text is where it should be on the screen.
// Jobs: [{player, subject, url, duration, names: [name], name, moments: [[seconds, [text, …]], …]}].
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HERE, Checks, each, open, openPage } from "./browser.mjs";

async function show(browser, base, job) {
  const checks = new Checks(), broken = [];
  let opened;
  try {
    opened = await openPage(browser, base, job.player, broken);
    const { call } = opened;
    // HLS: Shaka learns where text lies from the next pictures that it buffers, so some are left and then asked for.
    const text = job.url.includes(".m3u8");
    const begun = await call("start", job.player, job.url, 0.5, { text });
    if (checks.add("starts", begun.errors.length === 0 && begun.time > 0, begun.errors[0] ?? "currentTime stays 0")) {
      const names = await call("chooseText", job.name);
      checks.add("offers the texts", JSON.stringify([...names].sort()) === JSON.stringify([...job.names].sort()), JSON.stringify(names));
      if (text) await call("seek", job.duration * 0.75);
      for (const [time, wanted] of job.moments) {
        const { shown, time: at, errors } = await call("textAt", time, wanted);
        checks.add(`shows the text at ${time} s`, JSON.stringify(shown) === JSON.stringify(wanted) && !errors.length,
          `at ${at} s it shows ${JSON.stringify(shown)}, not ${JSON.stringify(wanted)}; ${errors[0] ?? ""}`);
      }
    }
  } catch (error) {
    checks.add("ran", false, error.message.split("\n")[0]);
  }
  checks.add("no script error in the page", broken.length === 0, broken[0]);
  await opened?.context.close();
  return { player: job.player, subject: job.subject, name: job.name, checks: checks.list };
}

async function main() {
  const { values } = parseArgs({ options: { jobs: { type: "string" }, out: { type: "string", default: join(HERE, "..", "out") }, parallel: { type: "string", default: "2" } } });
  const jobs = JSON.parse(await readFile(values.jobs));
  await mkdir(values.out, { recursive: true });
  const { browser, base, close } = await open();
  const results = await each(jobs, values.parallel, async (job) => {
    const result = await show(browser, base, job);
    const failed = result.checks.filter((c) => !c.ok);
    console.log(`${result.player.padEnd(8)}${result.subject.padEnd(28)}${result.name.padEnd(16)}${failed.length ? "FAIL" : "ok"}` + failed.map((c) => `\n    ${c.name}: ${c.detail}`).join(""));
    return result;
  });
  await close();
  await writeFile(join(values.out, "texts.json"), JSON.stringify(results, null, 1));
  process.exit(results.some((r) => r.checks.some((c) => !c.ok)) ? 1 : 0);
}

await main();
