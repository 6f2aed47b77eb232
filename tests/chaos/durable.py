"""Faults that durable events have to survive. Each takes (row, quick)."""

import os
import random
import subprocess
import time

from ground import Ground, Skipped, demand, until

HEALED_S = 3
DRAINED_S = 5


def collector_kills(row, quick):
    """SIGKILL of the collector, at moments without a pattern, also while it comes back."""
    n, rate, kills = (4, 1000, 4) if quick else (20, 5000, 50)
    chance = random.Random(1)
    with Ground(n) as g:
        g.start()
        with g.speak(rate) as s:
            g.durable(s)
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, 1.0))  # how long it runs is part of the fault
                g.kill("collector")
                g.again("collector")
                row.injected += 1
            last = time.monotonic()
            s.finish()
            g.drained(s.promised, 30)
            row.recovery_s = time.monotonic() - last
            g.settle(row, s)
        demand(row.recovery_s < DRAINED_S, f"drained {row.recovery_s:.1f} s after the last start")
        row.note = f"{n} agents, {rate}/s"


def agent_kills(row, quick):
    """SIGKILL of agents: no sequence is used twice, nothing that was committed is lost."""
    n, kills = (2, 6) if quick else (4, 200)
    chance = random.Random(2)
    with Ground(n) as g:
        g.start()
        with g.speak(250 * n) as s:
            g.durable(s)
            for i in range(kills):
                time.sleep(chance.uniform(0.05, 0.4))
                g.kill(g.nodes[i % n])
                g.again(g.nodes[i % n])
                row.injected += 1
            last = time.monotonic()
            until(lambda: all(g.node(node)["state"] == "alive" for node in g.nodes), "every node is alive")
            s.finish()
            g.drained(s.promised, 30)
            row.recovery_s = time.monotonic() - last
            g.settle(row, s)


def partition(up, down, flaps):
    """The network between agents and collector: everything, or one way of it, is a black hole."""

    def fault(row, quick):
        lengths = [1, 2] if quick else [1, 5, 30, 120] if flaps == 1 else [1, 5]
        worst = 0.0
        with Ground(2, proxied=True) as g:
            g.start()
            with g.speak(500) as s:
                g.durable(s)
                for length in lengths:
                    for flap in range(flaps):
                        for proxy in g.proxies:
                            proxy.partition(up, down)
                        time.sleep(length / flaps)
                        for proxy in g.proxies:
                            proxy.heal()
                        row.injected += 1
                        if flap + 1 < flaps:
                            time.sleep(0.1)
                    worst = max(worst, g.drained(s.promised, 30))
                s.finish()
                row.recovery_s = worst
                g.settle(row, s)
            demand(worst < HEALED_S, f"drained only {worst:.1f} s after the end of a partition")
            row.note = f"{'/'.join(str(x) for x in lengths)} s"

    return fault


def cut_connections(row, quick):
    """Resets of every connection, and ends of one direction alone."""
    with Ground(2, proxied=True) as g:
        g.start()
        with g.speak(500) as s:
            g.durable(s)
            for i in range(10 if quick else 200):
                time.sleep(0.1)
                for proxy in g.proxies:
                    if i % 5 == 4:
                        proxy.half_close()
                    else:
                        proxy.cut()
                row.injected += 1
            row.recovery_s = g.drained(s.promised, 30)
            s.finish()
            g.settle(row, s)
        demand(row.recovery_s < HEALED_S, f"drained {row.recovery_s:.1f} s after the last cut")


def bit_flips(row, quick):
    """Bits flipped on the wire, both ways: what arrives wrong is refused, and comes again."""
    with Ground(2, proxied=True) as g:
        g.start()
        with g.speak(500) as s:
            g.durable(s)
            for proxy in g.proxies:
                proxy.up.flip_ratio = proxy.down.flip_ratio = 2e-5
            time.sleep(5 if quick else 60)
            row.injected = sum(p.up.flipped + p.down.flipped for p in g.proxies)
            for proxy in g.proxies:
                proxy.heal()
            row.recovery_s = g.drained(s.promised, 30)
            s.finish()
            g.settle(row, s)
            row.note = ", ".join(f"{n} {reason}" for reason, n in sorted(g.refusals().items())) + " refused"
        demand(row.injected > 0, "no bit was flipped")


def slow_link(row, quick):
    """A link of 30 kB/s, 50 ms away."""
    with Ground(2, proxied=True) as g:
        g.start()
        with g.speak(100) as s:
            g.durable(s)
            for proxy in g.proxies:
                for way in (proxy.up, proxy.down):
                    way.rate, way.delay_s = 30_000, 0.05
            time.sleep(4 if quick else 60)
            row.injected = 1
            for proxy in g.proxies:
                proxy.heal()
            row.recovery_s = g.drained(s.promised, 30)
            s.finish()
            g.settle(row, s)


class Tmpfs:
    """A small file system of its own at path; skipped where mounting is not allowed."""

    def __init__(self, path, kib):
        self.path, self.kib = path, kib

    def __enter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.kib}k,mode=0700", "tmpfs", str(self.path)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped(f"no tmpfs can be mounted: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.path)], check=False)

    def fill(self):
        """Until nothing more fits."""
        with open(self.path / "filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def free(self):
        (self.path / "filler").unlink()


def full_disk(program):
    """No space where the program keeps its state, for some seconds, then space again."""

    def fault(row, quick):
        with Ground(1) as g:
            where = g.dir / ("collector" if program == "collector" else f"state-{g.nodes[0]}")
            with Tmpfs(where, 16 * 1024) as disk:
                try:
                    g.start()
                    with g.speak(200) as s:
                        g.durable(s)
                        for _ in range(1 if quick else 5):
                            disk.fill()
                            row.injected += 1
                            time.sleep(2)
                            for name, running in g.programs.items():
                                demand(running.poll() is None, f"{name} has ended")
                            disk.free()
                            row.recovery_s = max(row.recovery_s, g.drained(s.promised, 30))
                            time.sleep(0.5)
                        s.finish(60)
                        g.settle(row, s)
                finally:
                    complaints = g.end()  # before its disk goes
                demand(not complaints, str(complaints))

    return fault


def clock_jumps(program):
    """The wall clock of a program jumps by an hour, both ways, while it runs."""

    def fault(row, quick):
        library = next((p for p in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                                    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(p)), None)
        if not library:
            raise Skipped("libfaketime is not installed (Debian's package faketime)")
        with Ground(2) as g:
            clock = g.dir / "clock"
            clock.write_text("+0")
            names = ["collector"] if program == "collector" else g.nodes
            fake = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
            g.environments = {name: fake for name in names}
            g.start()
            with g.speak(200) as s:
                g.durable(s)
                for offset in ("+3600", "-3600", "+0", "+31536000", "+0") * (1 if quick else 5):
                    clock.write_text(offset)
                    row.injected += 1
                    time.sleep(0.5)
                row.recovery_s = g.flows()
                s.finish()
                g.settle(row, s)
            alerts = g.alerts(name="NodeDown")
            demand(not alerts, f"a jump of the clock made a node down: {alerts}")

    return fault


FAULTS = {
    "collector-kills": collector_kills,
    "agent-kills": agent_kills,
    "partition": partition(True, True, 1),
    "partition-one-way": partition(True, False, 1),
    "partition-other-way": partition(False, True, 1),
    "partition-flapping": partition(True, True, 5),
    "cuts": cut_connections,
    "bit-flips": bit_flips,
    "slow-link": slow_link,
    "full-disk-agent": full_disk("agent"),
    "full-disk-collector": full_disk("collector"),
    "clock-agent": clock_jumps("agent"),
    "clock-collector": clock_jumps("collector"),
}
