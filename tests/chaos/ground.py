"""What every fault stands on: a fabric with speakers, what its journal holds in the end, and one row of the table."""

import dataclasses
import os
import pathlib
import re
import signal
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import zmq  # noqa: E402

import harness  # noqa: E402
from belfry.v1 import control_pb2, envelope_pb2, event_pb2  # noqa: E402
from harness import until  # noqa: E402
from proxy import Proxy  # noqa: E402
from speaker import Load, Speakers  # noqa: E402

NAME = re.compile(rb"[a-z]\d\d-\d{9}")
AUDIT = f"audit_uids: [{os.getuid()}]"


class Skipped(Exception):
    """What cannot be had here, in words."""


class Broken(AssertionError):
    """A guarantee that did not hold."""


@dataclasses.dataclass
class Row:
    fault: str
    injected: int = 0
    sent: int = 0
    lost: int = 0  # this and the next: of what was sent
    duplicated: int = 0
    recovery_s: float = 0.0
    note: str = ""
    state: str = "ok"


def demand(truth, what):
    if not truth:
        raise Broken(what)


def anonymous_kib(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1].split()[0])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Ground(harness.Fabric):
    """A fabric of n agents. with Ground(3) as g: g.start(); with g.speak(1000) as s: ..."""

    def __init__(self, n=1, keyed=True, proxied=False):
        super().__init__(keyed=keyed)
        self.base = harness.free_port_base(6 + n)  # ours: in, out, control, two proxies, the peer ports
        self.reader = None
        self.proxies = [Proxy(self.base + 3, self.base), Proxy(self.base + 4, self.base + 2)] if proxied else []
        self.nodes = [f"n{i:02d}" for i in range(n)]

    def agent_config(self, node, extra="", **kwargs):
        path = super().agent_config(node, f"{AUDIT}\n{extra}", **kwargs)
        port = self.base + 6 + self.nodes.index(node)
        text = re.sub(r"^peer: .*$", f"peer: tcp://127.0.0.1:{port}", path.read_text(), flags=re.M)
        if self.proxies:
            text = text.replace(f'"{self.stream_in}"', f'"tcp://127.0.0.1:{self.base + 3}"')
            text = text.replace(f'"{self.control}"', f'"tcp://127.0.0.1:{self.base + 4}"')
        path.write_text(text)
        return path

    def __enter__(self):
        for proxy in self.proxies:
            proxy.__enter__()
        return self

    def __exit__(self, *_):
        try:
            super().__exit__()
        finally:
            for proxy in self.proxies:
                proxy.__exit__()

    def start(self, **kwargs):
        self.collector()
        for node in self.nodes:
            self.agent(node, wait=False, **kwargs)
        until(lambda: all(self.node(n)["state"] == "alive" for n in self.nodes), "every node is alive")
        return self

    def again(self, name):
        """A program that ended, with the configuration it had."""
        program = "collector" if name == "collector" else f"agent-{name}"
        binary = "belfry-collector" if name == "collector" else "belfry-agent"
        return self.spawn(name, harness.BUILD / binary, "--config", self.dir / f"{program}.yaml")

    def kill(self, name):
        program = self.programs.pop(name)
        program.send_signal(signal.SIGKILL)
        program.wait(10)

    def speak(self, rate, nodes=None):
        return Speakers([self.socket_of(n) for n in nodes or self.nodes], rate)

    def load(self, rate):
        return Load([self.socket_of(n) for n in self.nodes], rate)

    def pid(self, name="collector"):
        return self.programs[name].pid

    def counter(self, name):
        return self.status()["counters"].get(name, 0)

    def received(self):
        return self.counter("received")

    def flows(self, limit=harness.PATIENCE):
        """Seconds until a message that was sent after this call is taken in, and every node is alive."""
        begin = time.monotonic()
        before = until(lambda: self.status(), "the collector answers", limit)["counters"]["received"]
        until(lambda: self.received() > before, "messages flow", limit)
        until(lambda: all(self.node(n)["state"] == "alive" for n in self.nodes), "every node is alive", limit)
        return time.monotonic() - begin

    # --- the journal ---------------------------------------------------------------------------
    def journal(self):
        """The reader of the collector's journal, up to date; None where none answered yet."""
        if self.reader is None:
            self.reader = Journal(self.control)
        self.reader.read()
        return self.reader if self.reader.known else None

    def durable(self, speakers):
        """Goes on only where events are committed at both ends."""
        try:
            until(lambda: any(s.committed for s in speakers.speakers), "an event is acknowledged as committed", 5)
        except AssertionError:
            raise Skipped("this agent commits nothing to a disk") from None
        if self.journal() is None:
            raise Skipped("this collector keeps no journal")

    def drained(self, promised, limit):
        """Seconds until everything promised is in the journal, or limit."""
        begin = time.monotonic()
        try:
            until(lambda: promised <= self.journal().names.keys(), "everything promised is in the journal", limit)
        except AssertionError:
            pass
        return time.monotonic() - begin

    def settle(self, row, speakers, limit=harness.PATIENCE):
        """Nothing promised is lost, nothing is there twice."""
        row.sent = speakers.said
        promised = speakers.promised
        self.drained(promised, limit)
        journal = self.journal()
        row.lost = len(promised - journal.names.keys())
        row.duplicated = journal.twice
        demand(row.lost == 0, f"{row.lost} of {len(promised)} acknowledged events are not in the journal")
        demand(row.duplicated == 0, f"{row.duplicated} events are in the journal twice")


class Journal:
    """What it holds, as the collector says over control; a collector that is down answers when it is back."""

    def __init__(self, endpoint):
        self._endpoint, self._next = endpoint, 1
        self.names, self.twice, self._places = {}, 0, set()
        self.known = False

    def read(self):
        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.linger, dealer.rcvtimeo = 0, 2000
        dealer.connect(self._endpoint)
        try:
            while True:
                asked = control_pb2.Control(version=1, id=self._next, deadline_ms=2000)
                asked.journal_read.from_offset = self._next
                dealer.send(asked.SerializeToString())
                answer = control_pb2.Control.FromString(dealer.recv())
                if answer.WhichOneof("body") != "journal_events" or answer.id != self._next:
                    return
                self.known = True
                for frame in answer.journal_events.frames:
                    self._take(frame)
                self._next = answer.journal_events.next_offset
                if answer.journal_events.last:
                    return
        except zmq.Again:
            return
        finally:
            dealer.close()

    def _take(self, frame):
        header = event_pb2.Event.FromString(envelope_pb2.Envelope.FromString(frame.envelope).event).header
        place = header.node, header.incarnation, header.sequence
        found = NAME.search(frame.envelope)
        name = found.group().decode() if found else None
        self.twice += place in self._places or (name is not None and name in self.names)
        self._places.add(place)
        if name:
            self.names[name] = place


def percentile(values, share):
    return statistics.quantiles(values, n=1000)[int(share * 1000) - 1] if len(values) > 1 else float("nan")
