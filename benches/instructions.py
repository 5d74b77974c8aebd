#!/usr/bin/env python3
"""Counts the instructions of the main paths and compares them with those that are kept.

usage: benches/instructions.py [--bless] [--only WORD] [--repeat N] [--program FILE]

Builds benches/instructions.rs, runs every path under valgrind's callgrind, and compares each count with
benches/instructions.txt. The exit code is 1 where a path takes more than 5 % more. `--bless` writes the counts down as the
ones to keep: do that with a change that is worth them, and say in its commit why. `--only` takes paths that contain WORD.
`--repeat` counts each path N times and shows how far the counts lie apart; it compares nothing. `--program` takes an executable of
benches/instructions.rs that is built already.

Counts are the same on a busy machine and on a quiet one, and on processors of different speed. They are those of AVX2 and
AES-NI: valgrind tells programs of nothing wider, so of AES in 512-bit lanes they say nothing. Other compilers give other
counts, so the file says which made it. Where valgrind, AVX2 or AES-NI is missing, nothing is counted, and that is no failure.

Our crate is built as in a release, and so are memchr and aes (Cargo.toml); the other dependencies are those that `cargo test`
has built, somewhat optimised, because building them once more would take longer than all the rest.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEPT = os.path.join(ROOT, "benches", "instructions.txt")
LIMIT_PERCENT = 5
# Counted from the first instruction of the process to its last, on all threads.
WHOLE = ("ingest",)
FRAME = "*count_instructions_of*"
# The release profile for our own crate alone.
PROFILE = {"opt-level": "3", "overflow-checks": "false", "debug-assertions": "false", "codegen-units": "16", "debug": "0"}
# The C library copies long runs with one instruction that valgrind counts once for each byte. The others keep what is freed where
# the next of its size is taken from, and large buffers out of the heap, so that counts do not hang on how full it is.
TUNABLES = ":".join(f"glibc.{name}={value}" for name, value in {
    "cpu.x86_rep_movsb_threshold": 1 << 30, "cpu.x86_rep_stosb_threshold": 1 << 30,
    "malloc.arena_max": 1, "malloc.mmap_threshold": 16384, "malloc.tcache_count": 60000}.items())


def missing():
    """What keeps us from counting; None if nothing does."""
    if platform.machine() != "x86_64":
        return f"the kept counts are those of x86-64, and this is {platform.machine()}"
    with open("/proc/cpuinfo") as info:
        flags = re.search(r"^flags\s*:(.*)$", info.read(), re.M).group(1).split()
    if lacking := {"avx2", "aes", "pclmulqdq"}.difference(flags):
        return f"this processor lacks {', '.join(sorted(lacking))}, so it takes other paths"
    return None if shutil.which("valgrind") else "valgrind is not installed (on Debian: apt-get install valgrind)"


def build():
    """The path of the program."""
    command = ["cargo", "build", "--locked", "--bench", "instructions", "--message-format=json-render-diagnostics"]
    for key, value in PROFILE.items():
        command += ["--config", f"profile.dev.package.packorigin.{key}={value}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"CARGO_INCREMENTAL": "0"}, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("benches/instructions.rs does not build")
    messages = (json.loads(line) for line in done.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "instructions")


def count(program, path, media):
    """Instructions of one path."""
    with tempfile.TemporaryDirectory(prefix="packorigin-instructions-") as folder:
        out = os.path.join(folder, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
        command += [] if path.startswith(WHOLE) else ["--collect-atstart=no", f"--toggle-collect={FRAME}"]
        # Nothing of the caller's environment: its length alone moves the stack.
        environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": TUNABLES}
        done = subprocess.run([*command, program, path, media], capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            sys.exit(f"{path} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        with open(out) as text:
            found = re.search(r"^(?:totals|summary): (\d+)", text.read(), re.M)
    if not found or int(found.group(1)) == 0:
        sys.exit(f"{path}: callgrind counted nothing; is {FRAME} still the frame in benches/instructions.rs?")
    return int(found.group(1))


def kept():
    """Path → count, and what made them."""
    if not os.path.exists(KEPT):
        return {}, ""
    with open(KEPT) as text:
        lines = text.read().splitlines()
    made_by = next((line.removeprefix("# made by ") for line in lines if line.startswith("# made by ")), "")
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: int(number.replace("_", "")) for name, number in rows}, made_by


def toolchain():
    versions = [["rustc", "--version"], ["valgrind", "--version"]]
    return ", ".join(subprocess.run(v, cwd=ROOT, capture_output=True, text=True).stdout.strip() for v in versions)


def bless(counts):
    with open(KEPT, "w") as text:
        text.write("# Instructions of the main paths, by benches/instructions.py --bless.\n")
        text.write(f"# made by {toolchain()}\n")
        width = max(map(len, counts))
        text.writelines(f"{name:{width}} {number:>14_}\n" for name, number in counts.items())
    print(f"kept in {os.path.relpath(KEPT, ROOT)}")


def compare(counts, is_part):
    before, made_by = kept()
    worse, new, better = [], [], []
    print(f"{'path':32} {'kept':>14} {'now':>14}")
    for name, now in counts.items():
        was = before.get(name)
        change = "new" if was is None else f"{100 * (now - was) / was:+.2f} %"
        print(f"{name:32} {was or '':>14} {now:>14} {change:>9}")
        if was is None:
            new.append(name)
        elif now * 100 > was * (100 + LIMIT_PERCENT):
            worse.append(name)
        elif now * 100 < was * (100 - LIMIT_PERCENT):
            better.append(name)
    gone = [] if is_part else [name for name in before if name not in counts]
    if better:
        print(f"\nMuch better: {', '.join(better)}. Keep that with benches/instructions.py --bless, or it may be lost unnoticed.")
    if not worse and not new and not gone:
        return 0
    print()
    if worse:
        print(f"More than {LIMIT_PERCENT} % above what is kept: {', '.join(worse)}.")
    if new or gone:
        print(f"Paths and {os.path.relpath(KEPT, ROOT)} differ: {', '.join(new + gone)}.")
    if made_by != toolchain():
        print(f"The kept counts were made by {made_by or 'nobody'}; this is {toolchain()}. Compare both commits here before you look for a cause.")
    print("To see where they went: valgrind --tool=callgrind on the two programs, and callgrind_annotate. If the change is worth it,\n"
          "run benches/instructions.py --bless, commit benches/instructions.txt with it, and say in the commit what it bought.")
    return 1


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--program", help="an executable of benches/instructions.rs that is built already")
    options = parser.parse_args()
    if why := missing():
        print(f"instructions are not counted: {why}")
        return 0
    program = options.program or build()
    names = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    names = [name for name in names if options.only in name]
    with tempfile.TemporaryDirectory(prefix="packorigin-reel-") as media, ThreadPoolExecutor(os.cpu_count()) as pool:
        subprocess.run([program, "--make", media], check=True)
        rounds = [list(pool.map(lambda name: count(program, name, media), names)) for _ in range(options.repeat)]
    counts = dict(zip(names, rounds[0]))
    if options.repeat > 1:
        for name, numbers in zip(names, zip(*rounds)):
            print(f"{name:32} {min(numbers):>14} … {max(numbers):>14} {100 * (max(numbers) - min(numbers)) / min(numbers):8.4f} %")
        return 0
    if options.bless:
        bless(kept()[0] | counts if options.only else counts)
        return 0
    return compare(counts, bool(options.only))


if __name__ == "__main__":
    sys.exit(main())
