// The browser that players run in, the server of their pages, and a list of checks.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = join(HERE, "node_modules");
const FILES = {
  "/page.html": ["text/html", join(HERE, "page.html")],
  "/page.js": ["text/javascript", join(HERE, "page.js")],
  "/pictures.js": ["text/javascript", join(HERE, "pictures.js")],
  "/hlsjs.js": ["text/javascript", join(MODULES, "hls.js/dist/hls.min.js")],
  "/dashjs.js": ["text/javascript", join(MODULES, "dashjs/dist/modern/umd/dash.all.min.js")],
  "/shaka.js": ["text/javascript", join(MODULES, "shaka-player/dist/shaka-player.compiled.js")],
};

function servePages() {
  const server = createServer(async (request, response) => {
    const file = FILES[request.url.split("?")[0]];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": file[0] }).end(await readFile(file[1]));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

export class Checks {
  list = [];
  add(name, ok, detail = "") {
    this.list.push({ name, ok: Boolean(ok), detail: ok ? "" : String(detail) });
    return ok;
  }
}

/** A browser and the address of the pages; `close` ends both. */
export async function open() {
  const server = await servePages();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-dev-shm-usage",
      "--disable-renderer-backgrounding", "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows"],
  });
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { browser, base: `http://127.0.0.1:${server.address().port}`, close };
}

/** A page with one player loaded, and a way to call the functions of page.js. */
export async function openPage(browser, base, player, broken) {
  const context = await browser.newContext({ viewport: { width: 640, height: 400 } });
  const page = await context.newPage();
  page.setDefaultTimeout(180_000);
  page.on("pageerror", (e) => broken.push(e.message));
  await page.goto(`${base}/page.html`);
  await page.addScriptTag({ url: `${base}/${player}.js` });
  const call = (name, ...args) => page.evaluate(([n, a]) => globalThis[n]?.(...a) ?? eval(n)(...a), [name, args]);
  return { context, page, call };
}

/** Runs `work` on every job, `parallel` at a time; the results in the order of the jobs. */
export async function each(jobs, parallel, work) {
  const results = new Array(jobs.length);
  let next = 0;
  const one = async () => {
    while (next < jobs.length) {
      const number = next++;
      results[number] = await work(jobs[number]);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(parallel)) }, one));
  return results;
}
