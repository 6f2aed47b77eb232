"""Durable events from an application's call to the collector's journal: over outages, kills and bad disks."""

import os
import signal
import socket
import unittest

import zmq

from harness import Case, split_envelope, until

AUDIT = f"audit_uids: [{os.getuid()}]"


class Application:
    """One application at an agent's socket, by the schema alone."""

    def __init__(self, path):
        from belfry.v1 import app_pb2

        self.message = app_pb2.AppMessage
        self.outcome = app_pb2.AppOutcome
        self.number = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        until(lambda: self._connect(path), f"{path} takes a connection")
        hello = self.message(version=1)
        hello.hello.source = "ledger"
        self.socket.send(hello.SerializeToString())

    def _connect(self, path):
        self.socket.connect(str(path))
        return True

    def close(self):
        self.socket.close()

    def audit(self, names):
        for name in names:
            self.number += 1
            said = self.message(version=1, number=self.number)
            said.event.event.admin_action.actor = "eve"
            said.event.event.admin_action.action = "open"
            said.event.event.admin_action.target = name
            self.socket.send(said.SerializeToString())

    def flush(self):
        """The outcome's name, in lower case."""
        self.number += 1
        said = self.message(version=1, number=self.number)
        said.flush.SetInParent()
        self.socket.send(said.SerializeToString())
        while True:
            heard = self.message.FromString(self.socket.recv(65536))
            if heard.WhichOneof("body") == "ack" and heard.ack.number >= self.number:
                return self.outcome.Name(heard.ack.outcome).removeprefix("APP_OUTCOME_").lower()


class Delivery(Case):
    def application(self, node="n1"):
        app = Application(self.fabric.socket_of(node))
        self.addCleanup(app.close)
        return app

    def journal(self):
        """(header, payload) of every record, by offset."""
        from belfry.v1 import control_pb2, event_pb2

        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(self.fabric.control)
        events, offset, last = [], 1, False
        try:
            while not last:
                asked = control_pb2.Control(version=1, id=7, deadline_ms=5000)
                asked.journal_read.from_offset = offset
                dealer.send(asked.SerializeToString())
                if not dealer.poll(5000):
                    return events
                answer = control_pb2.Control.FromString(dealer.recv())
                if answer.WhichOneof("body") != "journal_events":
                    return events
                for frame in answer.journal_events.frames:
                    event = event_pb2.Event.FromString(split_envelope(frame.envelope)[2])
                    events.append((event.header, event))
                offset, last = answer.journal_events.next_offset, answer.journal_events.last
        finally:
            dealer.close()
        return events

    def audited(self):
        return [(h.incarnation, h.sequence, e.admin_action.target)
                for h, e in self.journal() if e.WhichOneof("payload") == "admin_action"]

    def arrive(self, names):
        """Each of names is in the journal once, in order, also within each incarnation."""
        until(lambda: len(self.audited()) >= len(names), f"{len(names)} events are in the journal")
        seen = self.audited()
        self.assertEqual([target for _, _, target in seen], names)
        self.assertEqual([(i, s) for i, s, _ in seen], sorted({(i, s) for i, s, _ in seen}))
        gaps = [e.gap for h, e in self.journal() if h.node == "n1" and e.WhichOneof("payload") == "gap"]
        self.assertEqual(gaps, [], "nothing is missing")
        return seen

    def agent(self, **kwargs):
        self.fabric.agent("n1", AUDIT, **kwargs)

    def known(self):
        """An agent whose number is certain, and whose collector then ends."""
        self.fabric.collector()
        self.agent()
        self.fabric.stop("collector", signal.SIGKILL)

    def test_what_was_committed_arrives_exactly_once_although_collector_and_agent_were_killed(self):
        names = [f"door-{i}" for i in range(2000)]
        self.known()
        app = self.application()
        for batch in range(0, 1000, 100):
            app.audit(names[batch:batch + 100])
            self.assertEqual(app.flush(), "committed")
        self.fabric.stop("n1", signal.SIGKILL)
        self.agent(wait=False)
        app = self.application()
        for batch in range(1000, 2000, 100):
            app.audit(names[batch:batch + 100])
            self.assertEqual(app.flush(), "committed")
        self.fabric.collector()
        seen = self.arrive(names)
        self.assertEqual(len({i for i, _, _ in seen}), 2, "no number is used by two lives")
        until(lambda: self.spooled() == 0, "the spool is empty")

    def spooled(self):
        """Events that the newest beat says wait on n1's disk."""
        from belfry.v1 import event_pb2

        sub = zmq.Context.instance().socket(zmq.SUB)
        sub.setsockopt(zmq.LINGER, 0)
        sub.connect(self.fabric.stream_out)
        sub.setsockopt(zmq.SUBSCRIBE, b"fabric/heartbeat/")
        try:
            while sub.poll(5000):
                beat = event_pb2.Event.FromString(split_envelope(sub.recv_multipart()[1])[2])
                if beat.header.node == "n1":
                    return beat.heartbeat.spool_events
        finally:
            sub.close()
        raise AssertionError("no beat")

    def test_what_comes_while_the_collector_is_killed_and_back_again_and_again_arrives_once(self):
        names = [f"gate-{i}" for i in range(1200)]
        self.fabric.collector()
        self.agent()
        app = self.application()
        for batch in range(0, 1200, 100):
            app.audit(names[batch:batch + 50])
            if batch % 400 == 0:
                self.fabric.stop("collector", signal.SIGKILL)
            app.audit(names[batch + 50:batch + 100])
            self.assertEqual(app.flush(), "committed")
            if batch % 400 == 200:
                self.fabric.collector()
        self.fabric.collector() if "collector" not in self.fabric.programs else None
        self.arrive(names)

    def test_a_goodbye_is_in_the_journal_before_the_agent_ends(self):
        self.fabric.collector()
        self.agent()
        self.assertEqual(self.fabric.stop("n1"), 0)
        until(lambda: self.fabric.node("n1")["state"] == "stopped", "it is stopped", 5)
        said = [e.system_lifecycle.state for h, e in self.journal()
                if h.node == "n1" and e.WhichOneof("payload") == "system_lifecycle"]
        self.assertEqual(said[-2:], [3, 4], "stopping, stopped")

    def test_a_goodbye_that_nobody_hears_is_told_by_the_next_life(self):
        self.known()
        self.assertEqual(self.fabric.stop("n1"), 0)
        self.agent(wait=False)
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")

        def said():
            return [(h.incarnation, e.system_lifecycle.state) for h, e in self.journal()
                    if h.node == "n1" and e.WhichOneof("payload") == "system_lifecycle"]

        until(lambda: (2, 2) in said(), "the second life has started")
        first = [state for incarnation, state in said() if incarnation == 1]
        self.assertEqual(first[-2:], [3, 4])
        self.assertEqual(len(said()), len(set(said())), "each once")


if __name__ == "__main__":
    unittest.main()
