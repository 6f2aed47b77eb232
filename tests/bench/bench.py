#!/usr/bin/env python3
"""bench.py [fabric] [--quick] [--only PART ...]: Belfry's benchmark. Figures as JSON on stdout, in words
on stderr. It measures and says beside each floor whether it held; it fails only where it cannot measure.

Parts: path (rates and latencies beside a bare zmq_proxy), core (verified samples a second a core, and
where a message's time goes), agent (its CPU and memory beside prometheus-node-exporter's)."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BELFRY_BUILD", ROOT / "build"))
PROGRAMS = BUILD / "tests" / "bench"
CLUSTER = "bench"
PATIENCE_S = 30


class CannotMeasure(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def until(predicate, what, limit=PATIENCE_S):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = predicate()
        if value:
            return value
        time.sleep(0.05)
    raise CannotMeasure(f"not within {limit} s: {what}")


def free_ports(n):
    """n consecutive free ports below 32768, where no ephemeral port takes them."""
    for base in range(21000 + os.getpid() % 499 * 16, 32000, n):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + n):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return base
            except OSError:
                continue
    raise CannotMeasure("no free ports")


class Place:
    """A directory with a keyring, ports, and programs that end with it."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belfry-bench-"))
        self.programs = {}
        self.keyring = self.dir / "keyring"
        subprocess.run([BUILD / "belfry", "keygen", "secret", "--epoch", "1", "--out", self.keyring], check=True,
                       capture_output=True)
        self.base = free_ports(8)
        return self

    def __exit__(self, *_):
        for program in self.programs.values():
            program.terminate()
        for program in self.programs.values():
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def endpoint(self, i):
        return f"tcp://127.0.0.1:{self.base + i}"

    def start(self, name, *args):
        with open(self.dir / f"{name}.log", "ab") as log:
            self.programs[name] = subprocess.Popen([str(a) for a in args], stdout=log, stderr=log, cwd=self.dir)
        return self.programs[name]

    def log(self, name):
        return (self.dir / f"{name}.log").read_text(errors="replace")[-2000:]

    def wait_port(self, name, i):
        def ready():
            if self.programs[name].poll() is not None:
                raise CannotMeasure(f"{name} ended:\n{self.log(name)}")
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.base + i)) == 0

        until(ready, f"{name} listens")

    def collector(self):
        config = self.dir / "collector.yaml"
        config.write_text(
            f"cluster: {CLUSTER}\nname: c1\nstate_dir: {self.dir}/collector\nstream_in: {self.endpoint(0)}\n"
            f"stream_out: {self.endpoint(1)}\ncontrol: {self.endpoint(2)}\nsecurity: {{keyring: {self.keyring}}}\n")
        program = self.start("collector", BUILD / "belfry-collector", "--config", config)
        for i in range(3):
            self.wait_port("collector", i)
        return program


def build():
    ninja = ["ninja", "-C", str(BUILD)]
    targets = ["bench-programs", "belfry", "belfry-collector"]
    known = subprocess.run([*ninja, "-t", "query", "belfry-agent"], capture_output=True, check=False)
    if known.returncode == 0:
        targets.append("belfry-agent")
    subprocess.run([*ninja, "--quiet", *targets], check=True, stdout=sys.stderr)


class Elsewhere:
    """Which part of the machine's processors others used while something was measured: of what was
    measured then, ratios and CPU times still say something, rates little."""

    def __init__(self):
        self.cpus, self.own, self.at = self.busy(), self.mine(), time.monotonic()

    @staticmethod
    def busy():
        fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def mine():
        t = os.times()
        return t.user + t.system + t.children_user + t.children_system

    def ratio(self):
        """Own programs are over and waited for."""
        used = self.busy() - self.cpus - (self.mine() - self.own)
        return round(max(0.0, used / ((time.monotonic() - self.at) * os.cpu_count())), 3)


def run_json(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CannotMeasure(f"{args[0]} ended with {done.returncode}")
    return json.loads(done.stdout)


# --- rates and latencies -----------------------------------------------------------------------
def median_of(rounds, path, key):
    return statistics.median(r[path][key] for r in rounds if key in r[path])


def ratio_of(rounds, key, top, bottom):
    """Pair by pair, then the median: what disturbs the machine for longer than a round disturbs both."""
    return round(statistics.median(r[top][key] / r[bottom][key] for r in rounds), 3)


def measure_path(args):
    with Place() as place:
        collector = place.collector()
        proxy = place.start("proxy", PROGRAMS / "bench-proxy", place.endpoint(3), place.endpoint(4))
        place.wait_port("proxy", 3)
        place.wait_port("proxy", 4)
        spec = [
            f"collector,{collector.pid},{place.endpoint(0)},{place.endpoint(1)},{place.endpoint(2)}",
            f"proxy,{proxy.pid},{place.endpoint(3)},{place.endpoint(4)}",
        ]
        raw = run_json(PROGRAMS / "bench-path", "--cluster", CLUSTER, "--keyring", place.keyring,
                       "--messages", args.messages, "--rounds", args.rounds, "--pace-rounds", args.pace_rounds,
                       "--pace-seconds", args.pace_seconds, *spec)
    flood, pace = raw["flood"], raw["pace"]
    names = ("collector", "proxy")
    return {
        "rate": {
            "envelope_bytes": raw["envelope_bytes"], "nodes": raw["nodes"], "window": raw["window"],
            "messages_per_round": raw["messages"],
            **{f"{n}_per_second": round(median_of(flood, n, "per_second")) for n in names},
            "ratio": ratio_of(flood, "per_second", "collector", "proxy"),
            **{f"{n}_cpu_ns_per_message": round(median_of(flood, n, "cpu_ns_per_message")) for n in names},
            "cpu_ratio": ratio_of(flood, "cpu_ns_per_message", "collector", "proxy"),
            **{f"{n}_cpu_ns_per_message_least": round(min(r[n]["cpu_ns_per_message"] for r in flood)) for n in names},
            "lost": sum(r[n]["lost"] for r in flood for n in names),
            "rounds": flood,
        },
        "latency": {
            "events_per_second": raw["rate"],
            **{f"{n}_{q}_us": round(median_of(pace, n, f"{q}_us"), 1) for n in names for q in ("p50", "p99")},
            "p50_ratio": ratio_of(pace, "p50_us", "collector", "proxy"),
            "p99_ratio": ratio_of(pace, "p99_us", "collector", "proxy"),
            "lost": sum(r[n]["lost"] for r in pace for n in names),
            "rounds": pace,
        },
    }


# --- one core ----------------------------------------------------------------------------------
def measure_core(args):
    raw = run_json(PROGRAMS / "bench-core", "--messages", args.core_messages, "--rounds", args.core_rounds)
    return {"samples": raw["packed"], "message": raw["mix"]}


# --- the agent ---------------------------------------------------------------------------------
def cpu_clock(pid):
    """The process's CPU clock: /proc/PID/stat counts in ticks of 10 ms, which is coarse for 3 ms a second."""
    return ((~pid) << 3) | 2


def children_of(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found + [g for child in found for g in children_of(child)]


def cpu_s(pid):
    """Of a program, those it started that live, and those it has buried."""
    total = time.clock_gettime(cpu_clock(pid))
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    total += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            total += time.clock_gettime(cpu_clock(child))
    return total


def memory_kb(pid):
    total = {"rss_kb": 0, "rss_anon_kb": 0, "pss_kb": 0}
    for p in [pid] + children_of(pid):
        with contextlib.suppress(OSError):
            proc = pathlib.Path(f"/proc/{p}")
            for line in (proc / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("VmRSS", "RssAnon"):
                    total["rss_kb" if name == "VmRSS" else "rss_anon_kb"] += int(value.split()[0])
            for line in (proc / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total["pss_kb"] += int(line.split()[1])
    return total


class Watch:
    """CPU over the time from its making to done(); memory at the end."""

    def __init__(self, pid):
        self.pid, self.cpu, self.at = pid, cpu_s(pid), time.monotonic()

    def done(self):
        seconds = time.monotonic() - self.at
        return {"cpu_ms_per_second": round((cpu_s(self.pid) - self.cpu) / seconds * 1000, 3), **memory_kb(self.pid)}


def samples_per_cycle(place):
    """How many figures the agent publishes a second: the sizes of each source's batches of one second."""
    env = {**os.environ, "BELFRY_STREAM": place.endpoint(1), "BELFRY_CONTROL": place.endpoint(2),
           "BELFRY_KEYRING": str(place.keyring)}
    done = subprocess.run([BUILD / "belfry", "tap", "--json", "--node", "n1", "--for", "3s", "metrics/samples/"],
                          env=env, stdout=subprocess.PIPE, text=True, check=False)
    sizes = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)["event"]
        key = event.get("catalogue_hash")
        sizes[key] = len(event.get("values", [])) + len(event.get("samples", []))
    return sum(sizes.values())


def measure_agent(args):
    if not (BUILD / "belfry-agent").exists():
        raise CannotMeasure("build/belfry-agent is not built")
    exporter = shutil.which("prometheus-node-exporter")
    with Place() as place:
        place.collector()
        (place.dir / "store").mkdir()
        config = place.dir / "agent.yaml"
        config.write_text(
            f"cluster: {CLUSTER}\nnode: n1\nstate_dir: {place.dir}/n1\n"
            f"collectors: [{{stream: \"{place.endpoint(0)}\", control: \"{place.endpoint(2)}\"}}]\n"
            f"peer: {place.endpoint(3)}\nsocket: {place.dir}/agent.sock\nsecurity: {{keyring: {place.keyring}}}\n"
            f"probes:\n  health: {{interval: 1s}}\n  nodes: {{interval: 200ms}}\n  persistence: {{interval: 5s, "
            f"stores: [{{name: data, type: directory, path: {place.dir}/store, probe_path: {place.dir}/probe}}]}}\n")
        agent = place.start("agent", BUILD / "belfry-agent", "--config", config)
        url = None
        if exporter:
            port = place.base + 4
            place.start("exporter", exporter, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error")
            place.wait_port("exporter", 4)
            url = f"http://127.0.0.1:{port}/metrics"
        samples = until(lambda: samples_per_cycle(place), "the agent's figures arrive")

        def scrape():
            with urllib.request.urlopen(url, timeout=5) as answer:
                return sum(not line.startswith(b"#") for line in answer.read().splitlines())

        series = scrape() if url else None
        time.sleep(2)  # what both do once is over
        watches = {"agent": Watch(agent.pid)}
        if url:
            watches["node_exporter"] = Watch(place.programs["exporter"].pid)
        say(f"agent: watching for {args.agent_seconds} s")
        for second in range(args.agent_seconds):
            if url:
                scrape()
            time.sleep(max(0, watches["agent"].at + second + 1 - time.monotonic()))
        if agent.poll() is not None:
            raise CannotMeasure(f"the agent ended:\n{place.log('agent')}")
        figures = {name: watch.done() for name, watch in watches.items()}
    figures["agent"]["samples"] = samples
    if url:
        figures["node_exporter"]["samples"] = series
    figures["seconds"] = args.agent_seconds
    return {"agent": figures}


# --- floors ------------------------------------------------------------------------------------
def floors_of(result):
    """(what, figure, floor, held) of everything that was measured."""
    floors = []

    def floor(what, value, bound, held):
        floors.append({"floor": what, "value": value, "bound": bound, "held": held})

    if "rate" in result:
        ratio = result["rate"]["ratio"]
        floor("rate beside a bare zmq_proxy, at least", ratio, 0.4, ratio >= 0.4)
        p99 = result["latency"]["p99_ratio"]
        floor("p99 beside the proxy's at 10,000 events/s, at most", p99, 2, p99 <= 2)
    if "samples" in result:
        samples = result["samples"]["samples_per_second_per_core"]
        floor("verified samples a second a core, at least", samples, 10e6, samples >= 10e6)
    if "agent" in result:
        agent = result["agent"]["agent"]
        enough = agent["samples"] >= 300
        floor("agent's CPU ms a second, at most", agent["cpu_ms_per_second"], 3, enough and agent["cpu_ms_per_second"] <= 3)
        floor("agent's RssAnon kB, at most", agent["rss_anon_kb"], 4096, enough and agent["rss_anon_kb"] <= 4096)
        floor("samples of the agent a second, at least", agent["samples"], 300, enough)
    return floors


def machine():
    model = next((line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(),
            "load_before": round(os.getloadavg()[0], 2)}


def summary(result):
    if "rate" in result:
        r, l = result["rate"], result["latency"]
        say(f"rate     collector {r['collector_per_second']:,}/s, zmq_proxy {r['proxy_per_second']:,}/s, ratio "
            f"{r['ratio']}; envelopes of {r['envelope_bytes']:.0f} bytes, {r['lost']} lost")
        say(f"         CPU of the process a message: {r['collector_cpu_ns_per_message']:,} ns beside "
            f"{r['proxy_cpu_ns_per_message']:,} ns, {r['cpu_ratio']} times")
        say(f"latency  p50 {l['collector_p50_us']} us beside {l['proxy_p50_us']} us, p99 {l['collector_p99_us']} us "
            f"beside {l['proxy_p99_us']} us ({l['p99_ratio']} times) at {l['events_per_second']:,.0f}/s; {l['lost']} lost")
    if "samples" in result:
        s, m = result["samples"], result["message"]
        say(f"samples  {s['samples_per_second_per_core']:,.0f} verified a second a core, {s['samples_per_envelope']} "
            f"an envelope of {s['envelope_bytes']:.0f} bytes")
        for title, part in (("message", m), ("batch", s)):
            say(f"{title:8} {part['message_ns']:.0f} ns: " +
                ", ".join(f"{k[:-3].replace('_', ' ')} {part[k]:.0f}" for k in (
                    "envelope_and_mac_ns", "decode_ns", "validate_ns", "lookup_sequence_view_ns")))
    for name in ("agent", "node_exporter"):
        f = result.get("agent", {}).get(name)
        if f:
            say(f"{name:14} {f['cpu_ms_per_second']} ms CPU a second, RSS {f['rss_kb']} kB, RssAnon "
                f"{f['rss_anon_kb']} kB, PSS {f['pss_kb']} kB, {f['samples']} samples")
    for part, ratio in result["machine"].get("used_elsewhere_ratio", {}).items():
        if ratio > 0.05:
            say(f"others used {ratio:.0%} of this machine's processors during {part}: measure again when it is quiet")
    for f in result["floors"]:
        say(f"{'held' if f['held'] else 'NOT HELD':8} {f['floor']} {f['bound']:,}: {f['value']:,}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="fabric", choices=["fabric"])
    parser.add_argument("--only", action="append", choices=["path", "core", "agent"], help="this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first look")
    parser.add_argument("--rounds", type=int, help="alternations of the flood")
    args = parser.parse_args()
    rounds = args.rounds or (3 if args.quick else 9)
    settings = argparse.Namespace(
        rounds=rounds, messages=100000 if args.quick else 200000, pace_rounds=3 if args.quick else 5,
        pace_seconds=1 if args.quick else 3, core_messages=20000, core_rounds=7 if args.quick else 21,
        agent_seconds=20 if args.quick else 30)
    build()
    result = {"bench": args.name, "machine": machine()}
    missing = {}
    for part, measure in (("path", measure_path), ("core", measure_core), ("agent", measure_agent)):
        if args.only and part not in args.only:
            continue
        say(f"measuring: {part}")
        try:
            elsewhere = Elsewhere()
            result |= measure(settings)
            result["machine"].setdefault("used_elsewhere_ratio", {})[part] = elsewhere.ratio()
        except CannotMeasure as why:
            say(f"{part}: cannot be measured: {why}")
            missing[part] = str(why)
    result["missing"] = missing
    result["floors"] = floors_of(result)
    print(json.dumps(result, indent=1))
    summary(result)
    return 1 if missing and not set(missing) <= {"agent"} else 0


if __name__ == "__main__":
    sys.exit(main())
