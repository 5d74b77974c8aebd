#!/usr/bin/env python3
"""Runs packorigin and the programs it is compared with on the same content, and prints what each costs.

usage: benches/peers/run.py [--quick] [--only offline|http] [--content FOLDER] [--rounds N] [--seconds N] [BINARY]

BINARY defaults to target/release/packorigin: cargo build --release. Beside it stand Shaka Packager (`npm ci` in
conformance/players), ffmpeg, ffprobe, cp and cat, and for HTTP nginx with static files; the load is wrk's. On Debian:
apt-get install ffmpeg nginx-light wrk. What is missing is left out with a note.

The content, ten minutes in three renditions, is made in tmpfs, where there is room, and is gone at the end; with --content
it is kept in FOLDER, or taken from there. --quick makes one minute of it and takes three short rounds: that shows whether
everything runs, and roughly how things stand; what a program needs to start weighs ten times as much in it. For numbers to quote let the machine do nothing else, and run it as root: then
HTTP has a network namespace of its own, with a congestion control that costs little on a loopback.
"""
import argparse
import contextlib
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import content
import load
import machine
import offline
from origin import Origin

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TMPFS = "/dev/shm"
# Content, one export of the ladder and one of its best rendition, for a second of it.
BYTES_PER_SECOND = 5_000_000


def options():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["offline", "http"])
    parser.add_argument("--content")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("binary", nargs="?", default=os.path.join(ROOT, "target", "release", "packorigin"))
    chosen = parser.parse_args()
    chosen.binary = os.path.abspath(chosen.binary)
    if not os.access(chosen.binary, os.X_OK):
        sys.exit(f"there is no {chosen.binary}: cargo build --release, or name the program")
    for tool in ("ffmpeg", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing (on Debian: apt-get install ffmpeg util-linux)")
    chosen.length = 60 if chosen.quick else 600
    chosen.rounds = chosen.rounds or (3 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 2)
    return chosen


def main():
    chosen = options()
    network = machine.enter_namespace()
    machine.retakes = 6 if chosen.quick else machine.retakes
    # Servers and tmpfs are cleared where the run is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    place = TMPFS if os.path.isdir(TMPFS) and shutil.disk_usage(TMPFS).free > chosen.length * BYTES_PER_SECOND else tempfile.gettempdir()
    if place != TMPFS:
        print(f"note: no room in {TMPFS}; {place} is used, and its disk may be in the numbers", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="packorigin-peers-", dir=place) as work:
        media = os.path.abspath(chosen.content) if chosen.content else os.path.join(work, "content")
        if not content.is_there(media):
            print(f"note: making {chosen.length} s of content", file=sys.stderr)
            content.make(media, chosen.length)
        compare(chosen, network, media, work)


def compare(chosen, network, media, work):
    server_core, client_core = machine.cores()
    if server_core == client_core:
        print("note: there is one core, which everything shares; costs of HTTP mean nothing", file=sys.stderr)
    data = os.path.join(work, "data")
    with Origin(chosen.binary, data, media, server_core) as origin:
        empty = origin.memory()
        origin.fill({offline.ASSET: "best.m3u8", "ladder": "master.m3u8"})
        filled = origin.memory()
    seconds = len(content.segments(media, 1080)) * content.SEGMENT_SECONDS
    print(f"{datetime.date.today()}, {machine.shape()}. {seconds} s of content, medians [lowest–highest] of {chosen.rounds} rounds.")
    if chosen.only != "http":
        if not offline.packager():
            print("note: Shaka Packager is left out: npm ci in conformance/players", file=sys.stderr)
        print("\n" + offline.table(offline.measure(chosen.binary, data, media, work, chosen.rounds, server_core)))
        print(f"\n`packorigin serve` at rest: {empty / 2**20:.0f} MiB; its peak when it has read in two titles of this length: {filled / 2**20:.0f} MiB.")
    if chosen.only != "offline":
        if shutil.which("wrk"):
            http(chosen, network, data, media, work, server_core, client_core)
        else:
            print("note: HTTP is left out: there is no wrk (on Debian: apt-get install wrk)", file=sys.stderr)


def http(chosen, network, data, media, work, server_core, client_core):
    root = os.path.join(work, "static")
    with contextlib.ExitStack() as stack:
        if load.is_there():
            for name in ("dash", "ts"):
                subprocess.run([chosen.binary, "export", "--data-dir", data, "--source", f"default=file://{media}", "--asset", "ladder",
                                "--configuration", name, "--to", root], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            nginx = stack.enter_context(load.Nginx(root, work, server_core))
        else:
            nginx = None
            print("note: nginx is left out: it is not installed (on Debian: apt-get install nginx-light)", file=sys.stderr)
        # A database has one process.
        copy = os.path.join(work, "copy")
        shutil.copytree(data, copy)
        cold = stack.enter_context(Origin(chosen.binary, data, media, server_core, media_cache=0))
        cached = stack.enter_context(Origin(chosen.binary, copy, media, server_core))
        entry = cold.addresses("ladder", "dash")["entry"].removeprefix(cold.playback)
        found = load.rows(cold, cached, nginx, entry.rsplit("/", 2)[0])
        samples = load.measure(found, chosen.rounds, chosen.seconds, server_core, client_core, work)
        print(f"\nHTTP in {network}: wrk with {load.CONNECTIONS} connections on a core of its own, all servers on another.\n")
        print(load.table(samples))
        print(f"\nPeak of memory: {cold.memory() / 2**20:.0f} MiB without caches of media, {cached.memory() / 2**20:.0f} MiB with those of the default size.")


if __name__ == "__main__":
    main()
