"""Applications that speak durable events to agents, and know which of them the agents took for good.

Raw AppMessages over the unix sockets (schema/belfry/v1/app.proto), written by hand: this shares no code
with libbelfry. Each event is an AdminAction whose target is its own name, "s03-000000042". An AppFlush is
acknowledged when everything before it is committed; only what such an acknowledgement covers is promised,
so an agent that is killed in between breaks nothing."""

import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import harness  # noqa: E402
from belfry_wire import varint  # noqa: E402

COMMITTED, DROPPED, REFUSED = 2, 3, 4  # AppOutcome
INFO = 2  # Severity


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Speaker:
    """One application at one agent. step() sends what is due, from any one thread."""

    def __init__(self, path, label, rate):
        from belfry.v1 import app_pb2, event_pb2

        self._ack = app_pb2.AppMessage
        self._numbers = {n: event_pb2.Event.DESCRIPTOR.fields_by_name[n].number for n in ("admin_action", "log_entry")}
        self.durable = True  # else lines of a log, which bear the time instead of a name
        self.path, self.label, self.rate = str(path), label, rate
        self.socket = None
        self.number = self.taken = 0  # as the protocol counts them
        self.said = 0  # events
        self.waiting = []  # (number, name) not yet under an acknowledged flush
        self.promised = set()
        self.refused = 0
        self.reason = ""
        self.flush_at = None  # number of the flush that is out
        self.begin = self.next_try = self.flush_due = 0.0
        self.silent = self.committed = False

    def name(self, n):
        return f"{self.label}-{n:09d}"

    def _connect(self, now):
        if now < self.next_try:
            return False
        self.next_try = now + 0.1
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            s.connect(self.path)
            s.setblocking(False)
            s.send(field(1, 1) + (field(2, self.taken) if self.taken else b"")
                   + field(3, field(1, b"chaos") + field(2, b"speaker") + field(3, b"1")))
        except OSError:
            s.close()
            return False
        self.socket = s
        return True

    def _lost(self):
        """What waits was never promised: nobody resends it."""
        if self.socket:
            self.socket.close()
        self.socket, self.waiting, self.flush_at = None, [], None

    def _send(self, body):
        message = field(1, 1) + field(2, self.number + 1) + body
        try:
            self.socket.send(message)
        except BlockingIOError:
            return False
        except OSError:
            self._lost()
            return False
        self.number += 1
        self.taken = self.number
        return True

    def _hear(self):
        while self.socket:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lost()
                return
            message = self._ack.FromString(data)
            if message.WhichOneof("body") != "ack":
                continue
            ack = message.ack
            self.committed = self.committed or ack.outcome == COMMITTED
            if ack.outcome in (DROPPED, REFUSED):
                self.refused += 1
                self.reason = ack.reason
                self.waiting = [w for w in self.waiting if w[0] > ack.number]
            else:
                if ack.outcome == COMMITTED:
                    self.promised.update(name for n, name in self.waiting if n <= ack.number)
                self.waiting = [w for w in self.waiting if w[0] > ack.number]
            if self.flush_at is not None and ack.number >= self.flush_at:
                self.flush_at = None

    def _event(self, name):
        if self.durable:
            return field(self._numbers["admin_action"], field(1, b"chaos") + field(2, b"count") + field(3, name.encode()))
        return field(self._numbers["log_entry"], field(1, INFO) + field(2, b"chaos") + field(3, b"at %d." % time.time_ns()))

    def step(self, now):
        if not self.socket and not self._connect(now):
            self.begin = 0.0
            return
        self._hear()
        if not self.socket:
            return
        if not self.begin:
            self.begin, self._from = now, self.said
        due = 0 if self.silent else min(int((now - self.begin) * self.rate) - (self.said - self._from), 200)
        for _ in range(due):
            name = self.name(self.said + 1)
            if not self._send(field(4, field(1, self._event(name)))):
                break
            self.said += 1
            if self.durable:
                self.waiting.append((self.number, name))
        if self.socket and self.flush_at is None and self.waiting and now >= self.flush_due:
            self.flush_due = now + 0.05
            if self._send(field(6, b"")):
                self.flush_at = self.number


class Speakers:
    """with Speakers(sockets, rate) as s: ...; s.finish() - all of them, from one thread."""

    def __init__(self, paths, rate, durable=True):
        self.speakers = [Speaker(path, f"s{i:02d}", rate / len(paths)) for i, path in enumerate(paths)]
        for speaker in self.speakers:
            speaker.durable = durable
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(10)
        for speaker in self.speakers:
            speaker._lost()

    def _run(self):
        while not self._end.is_set():
            begin = time.monotonic()
            for speaker in self.speakers:
                speaker.step(begin)
            time.sleep(max(0.002, 0.005 - (time.monotonic() - begin)))

    def finish(self, limit=harness.PATIENCE):
        """Says no more, and waits until everything said is promised, refused or lost with its agent."""
        for speaker in self.speakers:
            speaker.silent = True
        harness.until(lambda: not any(s.waiting for s in self.speakers), "the last events are acknowledged", limit)

    @property
    def said(self):
        return sum(s.said for s in self.speakers)

    @property
    def promised(self):
        return set().union(*(s.promised for s in self.speakers))

    @property
    def refused(self):
        return sum(s.refused for s in self.speakers)


class Load:
    """Lines of logs at a rate, from a process of its own, so that they take no turn from who measures."""

    def __init__(self, paths, rate):
        self._args = [sys.executable, "-B", __file__, str(rate), *map(str, paths)]
        self.said = 0

    def __enter__(self):
        self._process = subprocess.Popen(self._args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        out, _ = self._process.communicate(timeout=30)  # the end of its input ends it
        self.said = int(out or 0)


def main():
    with Speakers(sys.argv[2:], float(sys.argv[1]), durable=False) as speakers:
        sys.stdin.read()
    print(speakers.said)


if __name__ == "__main__":
    main()
