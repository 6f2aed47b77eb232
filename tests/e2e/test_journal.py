"""The collector's journal: what is durable survives it, is read over control, and is there exactly once."""

import hashlib
import os
import signal
import struct
import subprocess
import unittest

import harness
from harness import Case, belfry_wire, split_envelope, subscriber, until

import zmq


def prefixed(data):
    return struct.pack(">I", len(data)) + data


class Asker:
    """Speaks control as a viewer does."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)
        self.id = 0

    def ask(self, **body):
        from belfry.v1 import control_pb2

        self.id += 1
        self.socket.send(control_pb2.Control(version=1, id=self.id, deadline_ms=5000, **body).SerializeToString())
        assert self.socket.poll(10000), "no answer"
        answer = control_pb2.Control.FromString(self.socket.recv())
        assert answer.id == self.id
        return answer

    def read(self, **asked):
        from belfry.v1 import control_pb2

        return self.ask(journal_read=control_pb2.JournalRead(**asked))

    def journal(self):
        """Every frame, page by page, its chain checked on the way."""
        frames, hashed, next_offset = [], bytes(32), 0
        while True:
            page = self.read(from_offset=next_offset, chain=True).journal_events
            for frame in page.frames:
                body = (b"belfry/journal/v1\0" + hashed + page.journal
                        + struct.pack(">QQQB", frame.offset, frame.received_ns, frame.previous_in_channel, frame.late)
                        + prefixed(frame.topic.encode()) + prefixed(frame.envelope))
                hashed = hashlib.blake2b(body, digest_size=32).digest()
                assert frame.chain_hash == hashed, frame.offset
            frames += page.frames
            if page.last:
                assert [f.offset for f in frames] == list(range(1, len(frames) + 1))
                return frames, page
            next_offset = page.next_offset

    def close(self):
        self.socket.close()


def header_of(frame):
    from belfry.v1 import event_pb2

    return event_pb2.Event.FromString(split_envelope(frame.envelope)[2])


class Journal(Case):
    def asker(self):
        asker = Asker(self.fabric.control)
        self.addCleanup(asker.close)
        return asker

    def test_the_journal_is_read_over_control_and_its_chain_holds(self):
        self.fabric.collector().agent("n1")
        asker = self.asker()
        frames, page = until(lambda: (all_ := asker.journal()) and len(all_[0]) > 5 and all_, "something is in the journal")
        self.assertEqual(page.newest_offset, frames[-1].offset)
        nodes = {header_of(f).header.node for f in frames}
        self.assertLessEqual({"n1", "collector.c1"}, nodes)
        only = asker.read(prefixes=["system/lifecycle/"], node="n1").journal_events
        self.assertGreater(len(only.frames), 0)
        self.assertTrue(all(f.topic.startswith("system/lifecycle/demo/n1/") for f in only.frames))
        self.assertEqual(asker.read(journal=b"x" * 16).refused.reason, "journal")
        self.assertEqual(asker.read(prefixes=["a"] * 65).refused.reason, "limit")

    def test_a_killed_collector_knows_what_it_knew(self):
        self.fabric.collector().agent("n1").agent("n2").agent("n3")
        self.assertEqual(self.fabric.stop("n2"), 0)
        until(lambda: self.fabric.node("n2")["state"] == "stopped", "n2 is stopped")
        self.fabric.stop("n3", signal.SIGKILL)
        self.fabric.wait_alert(name="NodeDown", node="n3", state="firing")
        asker = self.asker()
        said = lambda frames: [(e.node_lifecycle.to_state, e.header.subject_node) for e in map(header_of, frames)
                               if e.WhichOneof("payload") == "node_lifecycle"]
        paged = lambda frames: [e for e in map(header_of, frames) if e.WhichOneof("payload") == "alert" and e.alert.name == "NodeDown"]
        until(lambda: paged(asker.journal()[0]), "the alert is in the journal")
        before, _ = asker.journal()
        for _ in range(3):
            self.fabric.stop("collector", signal.SIGKILL)
            self.fabric.collector()
            self.assertEqual(self.fabric.node("n2")["state"], "stopped")
            self.assertEqual(self.fabric.node("n3")["state"], "down")
            self.assertEqual(len(self.fabric.alerts(name="NodeDown", node="n3", state="firing")), 1)
            until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive again")
        after, _ = self.asker().journal()
        self.assertEqual([f.SerializeToString() for f in after[:len(before)]], [f.SerializeToString() for f in before])
        self.assertEqual(said(after), said(before), "nothing is said twice of nodes")
        self.assertEqual(len(paged(after)), len(paged(before)), "nor of alerts")
        keys = [(h.node, h.incarnation, h.sequence) for h in (header_of(f).header for f in after)]
        self.assertEqual(len(keys), len(set(keys)))

    def test_while_the_disk_is_full_events_go_out_without_marks_and_are_kept(self):
        from belfry.v1 import event_pb2

        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        disk = self.fabric.dir / "collector"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(disk)], check=False).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(disk)], check=False))
        self.fabric.collector().agent("n1")
        tap = subscriber(self.fabric.stream_out, b"logging/")
        self.addCleanup(tap.close)
        env = {**self.fabric.environment(), "BELFRY_SOCKET": str(self.fabric.socket_of("n1"))}

        def send(text):
            done = self.fabric.run("send", "logging", "LogEntry", f"message={text}", "level=error", env=env)
            self.assertEqual(done.returncode, 0, done.stderr)

        def heard(text, marked):
            while tap.poll(5000):
                topic, envelope, *marks = tap.recv_multipart()
                event = event_pb2.Event.FromString(split_envelope(envelope)[2])
                if event.log_entry.message == text and bool(marks) == marked:
                    return True
            return False

        def joined():
            send("first")
            return heard("first", True)

        until(joined, "the tap is joined")
        try:
            with open(disk / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
        except OSError:
            pass
        until(lambda: "the journal takes nothing" in self.fabric.log("collector") or send("more"), "the disk is full")
        send("kept")
        self.assertTrue(heard("kept", False))
        self.assertEqual(self.fabric.node("n1")["state"], "alive")
        self.assertGreater(self.fabric.status()["counters"]["journal_failed"], 0)
        os.remove(disk / "filler")
        self.assertTrue(heard("kept", True))
        frames, _ = self.asker().journal()
        self.assertEqual([header_of(f).log_entry.message for f in frames].count("kept"), 1)


if __name__ == "__main__":
    unittest.main()
