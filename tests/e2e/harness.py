"""A real fabric on loopback for the end-to-end tests: the shipped programs, a directory that goes
away, ports below the ephemeral range. Nothing here sleeps for a fixed time: `until` polls a
predicate with a limit. Only processes that this module started are ended, by their pid."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import zmq

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BELFRY_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tests" / "vectors"))
sys.path.insert(0, str(BUILD / "tests" / "e2e" / "python"))

import belfry_wire  # noqa: E402

PATIENCE = float(os.environ.get("BELFRY_PATIENCE_S", "30"))


def until(predicate, what, limit=PATIENCE):
    """The predicate's first true value, polled; fails with what after limit seconds."""
    end = time.monotonic() + limit
    last = None
    while time.monotonic() < end:
        try:
            last = predicate()
        except (OSError, ValueError, KeyError, AssertionError) as error:
            last = error
        if last and not isinstance(last, Exception):
            return last
        time.sleep(0.02)
    raise AssertionError(f"not within {limit:g} s: {what}; last seen: {last!r}")


def free_port_base(n=16):
    """n consecutive free ports below 32768, where no ephemeral port can take them."""
    for base in range(20000 + os.getpid() % 997 * 12, 32000, n):
        probes = []
        try:
            for port in range(base, base + n):
                s = socket.socket()
                probes.append(s)
                s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in probes:
                s.close()
    raise AssertionError("no free ports")


class Fabric:
    """with Fabric() as f: f.collector(); f.agent("n1"); f.status()"""

    def __init__(self, keyed=True, cluster="demo"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belfry-e2e-"))
        self.keyed, self.cluster = keyed, cluster
        self.base = free_port_base()
        self.programs = {}
        self.environments = {}  # of programs that have variables of their own
        self.ports = {}
        self.keyring = self.dir / "keyring"
        if keyed:
            self.run("keygen", "secret", "--epoch", "1", "--out", str(self.keyring), check=True, env={})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        complaints = self.end()
        if not os.environ.get("BELFRY_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not complaints, complaints

    def end(self):
        """Ends every program as a service manager would. What was wrong: an end that is none in time, or
        in failure; a sanitizer's report in a log."""
        complaints = []
        programs, self.programs = self.programs, {}
        for program in programs.values():
            if program.poll() is None:
                program.send_signal(signal.SIGCONT)
                program.send_signal(signal.SIGTERM)
        for name, program in programs.items():
            try:
                code = program.wait(30)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
                complaints.append(f"{name} does not end")
                continue
            if code not in (0, -signal.SIGTERM, -signal.SIGKILL):
                complaints.append(f"{name} ended with {code}")
        for path in sorted(self.dir.glob("*.log")):
            if "Sanitizer:" in path.read_text(errors="replace") or "runtime error:" in path.read_text(errors="replace"):
                complaints.append(f"a sanitizer's report in {path.name}")
        return complaints

    # --- endpoints and configuration -----------------------------------------------------------
    @property
    def stream_in(self):
        return f"tcp://127.0.0.1:{self.base}"

    @property
    def stream_out(self):
        return f"tcp://127.0.0.1:{self.base + 1}"

    @property
    def control(self):
        return f"tcp://127.0.0.1:{self.base + 2}"

    def security(self, keyring=None):
        return f"security: {{keyring: {keyring or self.keyring}}}" if self.keyed else "security: {insecure: true}"

    def collector_config(self, extra="", security=None):
        path = self.dir / "collector.yaml"
        path.write_text(
            f"cluster: {self.cluster}\nname: c1\nstate_dir: {self.dir}/collector\nstream_in: {self.stream_in}\n"
            f"stream_out: {self.stream_out}\ncontrol: {self.control}\n{security or self.security()}\n{extra}\n"
        )
        return path

    def agent_config(self, node, extra="", probes=None, security=None, state=None):
        path = self.dir / f"agent-{state or node}.yaml"
        # Its own for good: two that start again must not meet at one.
        port = self.base + 3 + self.ports.setdefault(state or node, len(self.ports)) % 12
        probes = probes or (
            f"probes:\n  health: {{interval: 500ms}}\n  nodes: {{interval: 200ms}}\n"
            f"  persistence: {{interval: 1s, stores: [{{name: data, type: directory, path: {self.dir}/store-{node}, "
            f"probe_path: {self.dir}/{node}.probe}}]}}\n"
        )
        (self.dir / f"store-{node}").mkdir(exist_ok=True)
        path.write_text(
            f"cluster: {self.cluster}\nnode: {node}\nstate_dir: {self.dir}/state-{state or node}\n"
            f"collectors: [{{stream: \"{self.stream_in}\", control: \"{self.control}\"}}]\n"
            f"peer: tcp://127.0.0.1:{port}\nsocket: {self.socket_of(state or node)}\n{security or self.security()}\n{probes}{extra}\n"
        )
        return path

    def socket_of(self, node):
        return self.dir / f"{node}.sock"

    # --- programs ------------------------------------------------------------------------------
    def spawn(self, name, *args):
        log = open(self.dir / f"{name}.log", "ab")
        env = {**os.environ, **self.environments[name]} if name in self.environments else None
        program = subprocess.Popen([str(a) for a in args], stdout=log, stderr=log, cwd=self.dir, env=env)
        log.close()
        self.programs[name] = program
        return program

    def collector(self, extra="", **kwargs):
        self.spawn("collector", BUILD / "belfry-collector", "--config", self.collector_config(extra, **kwargs))
        until(lambda: self.status(), "the collector answers")
        return self

    def agent(self, node, extra="", wait=True, **kwargs):
        name = kwargs.get("state") or node
        self.spawn(name, BUILD / "belfry-agent", "--config", self.agent_config(node, extra, **kwargs))
        if wait:
            until(lambda: self.node(node)["state"] == "alive", f"{node} is alive")
        return self

    def stop(self, name, signo=signal.SIGTERM, limit=15):
        program = self.programs.pop(name, None)
        if program and program.poll() is None:
            program.send_signal(signo)
            program.wait(limit)
        return program.returncode if program else None

    def log(self, name):
        path = self.dir / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def environment(self):
        env = {"BELFRY_STREAM": self.stream_out, "BELFRY_CONTROL": self.control, "PATH": os.environ["PATH"]}
        if self.keyed:
            env["BELFRY_KEYRING"] = str(self.keyring)
        return env

    def run(self, *args, env=None, check=False, limit=30, input=None):
        """The operator's command. Returns CompletedProcess with text."""
        full = {**os.environ, **(self.environment() if env is None else env)}
        done = subprocess.run(
            [str(BUILD / "belfry"), *map(str, args)], env=full, text=True, capture_output=True, timeout=limit,
            check=False, input=input, cwd=self.dir,
        )
        if check:
            assert done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done

    # --- what it says --------------------------------------------------------------------------
    def status(self):
        done = self.run("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else None

    def node(self, name):
        return next(n for n in (self.status() or {"nodes": []})["nodes"] + [{"name": name, "state": "absent"}]
                    if n["name"] == name)

    def alerts(self, **wanted):
        done = self.run("alerts", "--json")
        alerts = [json.loads(line) for line in done.stdout.splitlines()]
        return [a for a in alerts if all(a.get(k) == v for k, v in wanted.items())]

    def wait_alert(self, **wanted):
        return until(lambda: self.alerts(**wanted), f"an alert with {wanted}; there are {self.alerts()}")[0]

    def refusals(self):
        """{reason: count} as the collector counts them."""
        return (self.status() or {}).get("refusals", {})


class Case(unittest.TestCase):
    """A test whose failure prints what the programs said."""

    fabric_options = {}

    def setUp(self):
        self.fabric = Fabric(**self.fabric_options)
        self.addCleanup(self._end)

    def _end(self):
        result = getattr(self._outcome, "result", None)
        bad = [text for test, text in (result.failures + result.errors if result else []) if test is self]
        complaints = self.fabric.end()
        if bad or complaints:
            for path in sorted(self.fabric.dir.glob("*.log")):
                print(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}", file=sys.stderr)
        self.fabric.__exit__()
        self.assertEqual(complaints, [])


def subscriber(endpoint, *prefixes):
    """A SUB socket as an outside program opens it."""
    s = zmq.Context.instance().socket(zmq.SUB)
    s.setsockopt(zmq.LINGER, 0)
    s.connect(endpoint)
    for prefix in prefixes or (b"",):
        s.setsockopt(zmq.SUBSCRIBE, prefix)
    return s


def publisher(endpoint):
    """A PUB socket that connects to the intake, as a (possibly hostile) agent's does."""
    s = zmq.Context.instance().socket(zmq.XPUB)
    s.setsockopt(zmq.LINGER, 1000)
    s.setsockopt(zmq.SNDHWM, 0)  # what a test sends arrives: a mark would drop in silence
    s.connect(endpoint)
    assert s.poll(10000), "no subscription from the collector"
    return s


def split_envelope(envelope):
    """(version, epoch, event, mac) of canonical bytes, checked by writing them again."""
    from belfry.v1 import envelope_pb2

    e = envelope_pb2.Envelope.FromString(envelope)
    again = b"\x08" + belfry_wire.varint(e.version)
    if e.key_epoch:
        again += b"\x10" + belfry_wire.varint(e.key_epoch)
    again += b"\x1a" + belfry_wire.varint(len(e.event)) + e.event
    if e.mac:
        again += b"\x22\x20" + e.mac
    assert again == envelope, "not canonical"
    return e.version, e.key_epoch, e.event, e.mac


if __name__ == "__main__":
    unittest.main()
