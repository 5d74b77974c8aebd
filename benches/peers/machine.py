"""The machine: what it is, what a process costs on it, and whether it is quiet."""
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
# Of a core, used by processes that are not measured: a sample during which it was more is taken again.
FOREIGN = 0.06
# So many samples are taken again in one run, at most, or a machine that is never quiet would never come to an end.
retakes = 30
# Congestion control that costs little on a loopback: the usual default of hosts may cost more than the server.
CONTROL, BUFFERS = "reno", "4096 1048576 1048576"


def shape():
    """One line that says what the numbers were taken on."""
    with open("/proc/cpuinfo") as info:
        model = re.search(r"^model name\s*:\s*(.*)$", info.read(), re.M)
    with open("/proc/meminfo") as info:
        memory = int(re.search(r"^MemTotal:\s*(\d+)", info.read()).group(1)) / 2**20
    name = model.group(1).strip() if model else os.uname().machine
    return f"{os.cpu_count()} cores, {name}, {memory:.0f} GiB, Linux {os.uname().release}"


def enter_namespace():
    """Runs this program again where nobody else's network is; returns what to say of the network.

    In there it makes the loopback cheap to compare on. It needs root, and goes on without where that is not to be had.
    """
    if os.environ.get("PEERS_NETWORK") == "own":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for path, value in {"tcp_congestion_control": CONTROL, "tcp_rmem": BUFFERS, "tcp_wmem": BUFFERS}.items():
            with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv4/{path}", "w") as setting:
                setting.write(value)
    elif os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"):
        if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
            os.execvpe("unshare", ["unshare", "-n", sys.executable, *sys.argv], os.environ | {"PEERS_NETWORK": "own"})
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as setting:
        control = setting.read().strip()
    return f"{'a network namespace of its own' if os.environ.get('PEERS_NETWORK') == 'own' else 'the network of the machine'}, {control}"


def pinned(command, core):
    return ["taskset", "-c", str(core), *command]


def cores():
    """One for what is measured, one for what drives it; the same where there is only one."""
    there = sorted(os.sched_getaffinity(0))
    return there[0], there[-1]


def busy():
    """Seconds since the start: core → all that it worked; what processes worked on all cores; what the hypervisor took."""
    of_core, of_processes, stolen = {}, 0.0, 0.0
    with open("/proc/stat") as stat:
        for line in stat:
            if match := re.match(r"cpu(\d+) (.*)", line):
                user, nice, system, _idle, _wait, irq, softirq, steal = (int(x) / TICKS for x in match.group(2).split()[:8])
                of_core[int(match.group(1))] = user + nice + system + irq + softirq
                of_processes += user + nice + system
                stolen += steal
    return of_core, of_processes, stolen


def worked(pid):
    """Seconds that the threads of a process have worked."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak(pid):
    """The most memory that a process has had, bytes; 0 where it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as status:
        if match := re.search(r"^VmHWM:\s*(\d+)", status.read(), re.M):
            return int(match.group(1)) * 1024
    return 0


def run(command, core, environment=None, **where):
    """Runs a command to its end on one core. Seconds of processor and of clock, and its peak of memory, which is looked at every
    few milliseconds: it is gone with the process."""
    before, started = children(), time.monotonic()
    with subprocess.Popen(pinned(command, core), stdin=subprocess.DEVNULL, stdout=where.pop("stdout", subprocess.DEVNULL), stderr=subprocess.PIPE,
                          env=os.environ | (environment or {}), **where) as process:
        memory = 0
        os.set_blocking(process.stderr.fileno(), False)
        said = b""
        while process.poll() is None:
            memory = max(memory, peak(process.pid))
            said += process.stderr.read() or b""
            time.sleep(0.004)
        said += process.stderr.read() or b""
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} … ended with exit code {process.returncode}: {said[-2000:].decode(errors='replace')}")
    return {"cpu": children() - before, "wall": seconds, "memory": memory}


def quietly(sample, server=None):
    """Takes a sample again while others keep the machine busy. What counts as its own is what this program, its children and the
    process `server` use."""
    global retakes
    while True:
        _, before, stolen_before = busy()
        own, started = _own(server), time.monotonic()
        measured = sample()
        seconds = time.monotonic() - started
        _, after, stolen = busy()
        foreign = (after - before - (_own(server) - own)) / seconds
        # What the kernel tells is as coarse as its ticks.
        is_quiet = foreign < FOREIGN + 4 / TICKS / seconds and (stolen - stolen_before) / seconds < 0.02
        if is_quiet or retakes == 0:
            return measured | {"noisy": not is_quiet}
        retakes -= 1
        print(f"note: others used {foreign:.2f} of a core; the sample is taken again", file=sys.stderr)
        time.sleep(1)


def _own(server):
    return time.process_time() + children() + (worked(server) if server else 0)
