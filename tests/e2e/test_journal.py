"""The collector's journal, end to end: marks on the stream, and what a restart finds again."""

import signal

import zmq

from harness import Case, split_envelope, subscriber, until


class Journal(Case):
    def setUp(self):
        super().setUp()
        self.marks = []
        self.tap = subscriber(self.fabric.stream_out)
        self.addCleanup(self.tap.close)

    def listen(self):
        """Takes in what is there; a volatile event has no mark."""
        from belfry.v1 import envelope_pb2, event_pb2

        while self.tap.poll(0):
            _, envelope, *mark = self.tap.recv_multipart()
            if mark:
                header = event_pb2.Event.FromString(split_envelope(envelope)[2]).header
                self.marks.append((envelope_pb2.Mark.FromString(mark[0]), header))

    def heard(self, n):
        self.listen()
        return len(self.marks) >= n

    def read(self):
        """The whole journal, over control."""
        from belfry.v1 import control_pb2

        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(self.fabric.control)
        frames, offset, last = [], 0, False
        try:
            while not last:
                asked = control_pb2.Control(version=1, id=7)
                asked.journal_read.from_offset = offset
                asked.journal_read.limit = 3
                dealer.send(asked.SerializeToString())
                self.assertTrue(dealer.poll(10000), "the journal is read")
                answer = control_pb2.Control.FromString(dealer.recv())
                self.assertEqual(answer.WhichOneof("body"), "journal_events", answer)
                frames += answer.journal_events.frames
                offset, last = answer.journal_events.next_offset, answer.journal_events.last
        finally:
            dealer.close()
        return frames

    def test_marks_are_dense_and_a_restart_goes_on_behind_them(self):
        for signo in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            before = len(self.marks)
            self.fabric.collector()
            if "n1" not in self.fabric.programs:
                self.fabric.agent("n1")
            until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")
            until(lambda: self.heard(before + 2), "durable events come with marks")
            self.fabric.stop("collector", signo)
            self.listen()
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")
        self.listen()
        frames = self.read()
        self.assertEqual([f.offset for f in frames], list(range(1, len(frames) + 1)), "dense, over every restart")
        events = set()
        from belfry.v1 import event_pb2

        by_offset = {f.offset: f for f in frames}
        for frame in frames:
            header = event_pb2.Event.FromString(split_envelope(frame.envelope)[2]).header
            key = (header.node, header.incarnation, header.sequence)
            self.assertNotIn(key, events, "each event exactly once")
            events.add(key)
        self.assertEqual(len({bytes(m.journal) for m, _ in self.marks}), 1, "it is one journal")
        offsets = [m.offset for m, _ in self.marks]
        self.assertEqual(offsets, sorted(set(offsets)), "no offset twice, none out of order")
        for mark, header in self.marks:
            if mark.offset in by_offset:
                kept = event_pb2.Event.FromString(split_envelope(by_offset[mark.offset].envelope)[2]).header
                self.assertEqual((kept.node, kept.sequence), (header.node, header.sequence))

    def test_a_restart_notifies_nobody_again(self):
        self.fabric.collector().agent("n1").agent("n2")
        until(lambda: self.fabric.node("n2")["state"] == "alive", "n2 is alive")
        self.fabric.stop("n2", signal.SIGKILL)
        self.fabric.wait_alert(name="NodeDown", node="n2", state="firing")
        first = self.fabric.alerts(name="NodeDown", node="n2")[0]
        self.fabric.stop("collector")
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")
        again = self.fabric.alerts(name="NodeDown", node="n2")
        self.assertEqual([(a["state"], a["fingerprint"]) for a in again], [("firing", first["fingerprint"])])
        self.assertEqual(self.fabric.node("n2")["state"], "down", "and the dead stay dead")
        said = [f for f in self.read() if f.topic.startswith("alerts/") and b"NodeDown" in f.envelope]
        self.assertEqual(len(said), 1, [f.topic for f in said])
