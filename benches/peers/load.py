"""Answers over HTTP: what a request costs the server's core.

Server and wrk have a core each. A request's cost is all that the server's core did meanwhile, the kernel's share of the network
included, by the number of requests: on a loopback it is wrk that cannot keep up with large bodies, so requests in a second would
compare wrk with itself. nginx serves, by sendfile, the files that `packorigin export` wrote: the same bytes under the same names.
"""
import os
import re
import shutil
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import machine
from origin import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 16
# Few enough to lie in any cache of segments.
CACHED = 20
NGINX = """
daemon off; master_process off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; open_file_cache max=10000;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Nginx:
    """Static files below `root`."""

    def __init__(self, root, work, core):
        self.base = f"http://127.0.0.1:{(port := free_port())}"
        configuration = os.path.join(work, "nginx.conf")
        with open(configuration, "w") as out:
            out.write(NGINX.format(work=work, port=port, root=root))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(machine.pinned([program, "-c", configuration, "-e", f"{work}/nginx.log"], core), stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(self.base, timeout=5).close()
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("nginx did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def is_there():
    return shutil.which("nginx") or os.access("/usr/sbin/nginx", os.X_OK)


class Row:
    """What one server is asked for."""

    def __init__(self, what, who, pid, base, paths):
        self.what, self.who, self.pid, self.base, self.paths = what, who, pid, base, paths
        with urllib.request.urlopen(base + paths[0], timeout=30) as answer:
            self.bytes = len(answer.read())


def rows(cold, cached, nginx, below):
    """`cold` and `cached` are origins; `below` is the path of the asset that nginx has exported."""
    found = []

    def add(what, who, server, urls):
        base = server.base if who == "nginx" else server.playback
        paths = [urlsplit(url).path for url in urls]
        if who == "nginx":
            paths = [path.removeprefix(below) for path in paths]
        found.append(Row(what, who, server.process.pid, base, paths))

    dash = cold.addresses("ladder", "dash")
    ts = cold.addresses("ladder", "ts")
    for name in ("dash", "dash-cenc", "dash-cbcs", "ts", "ts-aes-128", "ts-sample-aes"):
        segments = cold.addresses("ladder", name)["segments"]
        for height in (1080, 360) if name in ("dash", "dash-cenc", "ts") else (1080,):
            add(f"{name} {height}p", "cold", cold, segments[height])
    add("MPD", "cold", cold, [dash["entry"]])
    add("media playlist", "cold", cold, [ts["media"]])
    add("init segment", "cold", cold, [dash["init"]])
    # The same of both servers, so that what one builds the other has on its shelf.
    shelf = {"dash 1080p": dash["segments"][1080][:CACHED], "dash 360p": dash["segments"][360][:CACHED], "ts 1080p": ts["segments"][1080][:CACHED],
             "MPD": [dash["entry"]], "media playlist": [ts["media"]], "init segment": [dash["init"]]}
    for what, urls in shelf.items():
        add(what, "cached", cached, [cached.playback + urlsplit(url).path for url in urls])
        if nginx:
            add(what, "nginx", nginx, urls)
    return found


def wrk(row, core, seconds, work):
    with open(os.path.join(work, "paths.txt"), "w") as out:
        out.writelines(path + "\n" for path in row.paths)
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", "--timeout", "30s", "-s", os.path.join(HERE, "walk.lua"), row.base, "--", out.name]
    text = subprocess.run(machine.pinned(command, core), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{row.who} fails at {row.what}:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    latency = {name: float(value) * UNITS[unit] for name, value, unit in re.findall(r"\s(50|99)%\s+([\d.]+)(us|ms|s|m)\b", text)}
    return requests, latency


def measure(found, rounds, seconds, server_core, client_core, work):
    """(what, who) → samples."""
    samples = {}
    for row in found:
        wrk(row, client_core, 1, work)      # fills caches, and brings code and files into memory
    for turn in range(rounds):
        for row in found:
            def sample():
                before, *_ = machine.busy()
                requests, latency = wrk(row, client_core, seconds, work)
                after, *_ = machine.busy()
                return {"cost": 1e3 * (after[server_core] - before[server_core]) / max(1, requests), "p50": latency["50"], "p99": latency["99"]}
            samples.setdefault((row.what, row.who), []).append(machine.quietly(sample, row.pid) | {"bytes": row.bytes})
    return samples


def table(samples):
    """Markdown: what each answer costs, beside nginx with the same bytes."""
    lines = ["| answer | bytes | cold, core-ms | cached, core-ms | nginx static, core-ms | cached ÷ nginx | cold p50, p99 ms |", "|---|---|---|---|---|---|---|"]
    for what in dict.fromkeys(what for what, _ in samples):
        cost, cells = {}, []
        for who in ("cold", "cached", "nginx"):
            taken = samples.get((what, who), [])
            costs = [s["cost"] for s in taken]
            if costs:
                cost[who] = statistics.median(costs)
            noise = " (noisy)" if any(s["noisy"] for s in taken) else ""
            cells.append(f"{cost[who]:.3g} [{min(costs):.3g}–{max(costs):.3g}]{noise}" if costs else "")
        ratio = f"{cost['cached'] / cost['nginx']:.2f}" if cost.keys() >= {"cached", "nginx"} else ""
        waits = ", ".join(f"{statistics.median(s[p] for s in samples[(what, 'cold')]):.2f}" for p in ("p50", "p99")) if (what, "cold") in samples else ""
        size = next(taken[0]["bytes"] for (name, _), taken in samples.items() if name == what)
        lines.append(f"| {what} | {size} | {' | '.join(cells)} | {ratio} | {waits} |")
    return "\n".join(lines)
