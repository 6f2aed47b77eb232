"""What does not belong is refused, counted by its reason, and the rest goes on."""

import signal
import struct
import time
import unittest

import harness
from harness import Case, belfry_wire, publisher, split_envelope, subscriber, until


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.fabric.collector().agent("n1")
        self.secret = belfry_wire.read_keyring(self.fabric.keyring)[1, None]
        self.tap = subscriber(self.fabric.stream_out)
        self.hostile = publisher(self.fabric.stream_in)
        self.addCleanup(self.tap.close)
        self.addCleanup(self.hostile.close)

    def capture(self, prefix=b"health/node/"):
        """A real message of the agent's, as it came through the collector."""
        end = time.monotonic() + harness.PATIENCE
        while time.monotonic() < end:
            if self.tap.poll(1000):
                topic, envelope = self.tap.recv_multipart()[:2]
                if topic.startswith(prefix) and b"/n1/" in topic:
                    return topic, envelope
        self.fail("nothing captured")

    def refused(self, reason, before, n):
        until(lambda: self.fabric.refusals().get(reason, 0) >= before.get(reason, 0) + n, f"{n} more '{reason}'")
        self.assertEqual(self.fabric.refusals()[reason], before.get(reason, 0) + n)

    def assert_goes_on(self):
        self.assertEqual(self.fabric.node("n1")["state"], "alive")
        self.capture()

    def test_a_flipped_bit_anywhere_is_refused_and_counted(self):
        topic, envelope = self.capture()
        before = sum(self.fabric.refusals().values())
        for i in range(len(envelope) * 8):
            bad = bytearray(envelope)
            bad[i // 8] ^= 1 << (i % 8)
            self.hostile.send_multipart([topic, bytes(bad)])
        n = len(envelope) * 8
        until(lambda: sum(self.fabric.refusals().values()) >= before + n, f"{n} refusals")
        self.assertEqual(sum(self.fabric.refusals().values()), before + n)
        for i in range(0, len(topic) * 8, 3):
            bad = bytearray(topic)
            bad[i // 8] ^= 1 << (i % 8)
            # What the collector is subscribed to passes its XSUB; the rest never arrives.
            self.hostile.send_multipart([bytes(bad), envelope])
        self.hostile.send_multipart([topic[:-2] + b"x/", envelope])
        until(lambda: sum(self.fabric.refusals().values()) > before + n, "topics refused")
        self.assert_goes_on()

    def test_a_replayed_envelope_is_refused_and_counted(self):
        topic, envelope = self.capture()
        before = self.fabric.refusals()
        for _ in range(5):
            self.hostile.send_multipart([topic, envelope])
        self.refused("replayed", before, 5)
        received = self.capture()
        self.assertNotEqual(received[1], envelope, "the replay was not forwarded")

    def test_each_malformation_has_its_reason(self):
        topic, envelope = self.capture()
        version, epoch, event, mac = split_envelope(envelope)
        key = belfry_wire.node_key(self.secret, 1, "n1")
        other = belfry_wire.node_key(self.secret, 1, "n2")

        def signed(t, e):
            return belfry_wire.seal(t, e, 1, key)

        cases = [
            ("truncated", topic, envelope[:-1]),
            ("truncated", topic, b""),
            ("oversized", topic, signed(topic, event + b"\0" * 262144)),
            ("non_canonical", topic, b"\x08\x81\x00" + envelope[2:]),
            ("version", topic, b"\x08\x02" + envelope[2:]),
            ("unsigned", topic, belfry_wire.seal(topic, event)),
            ("key_unknown", topic, belfry_wire.seal(topic, event, 9, key)),
            ("mac", topic, belfry_wire.seal(topic, event, 1, other)),
            ("malformed", topic, signed(topic, b"\x0a\xff\xff\xff\xff\x0f")),
            ("malformed", topic, signed(topic, b"\x0a" * 4000)),
            ("invalid", topic, signed(topic, b"\x0a\x00")),
            ("topic", topic[:-1], signed(topic[:-1], event)),
        ]
        moved = topic.replace(b"health/node/", b"health/check/")
        cases.append(("mismatch", moved, signed(moved, event)))
        stolen = topic.replace(b"/n1/", b"/n2/")
        cases.append(("mac", stolen, signed(stolen, event)))
        cases.append(("mismatch", stolen, belfry_wire.seal(stolen, event, 1, other)))
        foreign = topic.replace(b"/demo/", b"/other/")
        cases.append(("cluster", foreign, signed(foreign, event)))
        for reason, t, e in cases:
            with self.subTest(reason=reason, topic=t):
                before = self.fabric.refusals()
                self.hostile.send_multipart([t, e])
                self.refused(reason, before, 1)
        before = self.fabric.refusals()
        self.hostile.send_multipart([topic, envelope, b"x"])
        self.hostile.send_multipart([topic])
        self.refused("frames", before, 2)
        self.assert_goes_on()

    def test_hostile_protobuf_is_bounded(self):
        topic, _ = self.capture()
        key = belfry_wire.node_key(self.secret, 1, "n1")
        before = sum(self.fabric.refusals().values())
        bombs = [
            b"\x0a\x02\x6a\x00" * 50000,  # a header with ever more labels
            b"\xf2\x01\x00" * 60000,  # the same payload, again and again
            b"".join(struct.pack("BB", 0x1B, 0x1C) for _ in range(50000)),  # groups
            b"\x0a" + belfry_wire.varint(200000) + b"\x6a\x00" * 100000,
        ]
        for bomb in bombs:
            self.hostile.send_multipart([topic, belfry_wire.seal(topic, bomb, 1, key)])
        until(lambda: sum(self.fabric.refusals().values()) >= before + len(bombs), "bombs refused")
        self.assert_goes_on()

    def test_a_second_program_under_the_same_name_is_refused_and_said(self):
        self.fabric.agent("n1", state="clone", wait=False)
        until(lambda: self.fabric.refusals().get("nonce", 0) + self.fabric.refusals().get("incarnation", 0) > 0
              or self.fabric.node("n1")["incarnation"] > 1, "the clone is noticed")
        self.fabric.stop("clone", signal.SIGKILL)
        until(lambda: "n1" in self.fabric.log("collector"), "the collector says so")

    def test_garbage_on_every_port_harms_nobody(self):
        import socket

        for port in range(self.fabric.base, self.fabric.base + 4):
            for garbage in (b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4096, b"BFP1" + b"\xff" * 200, b""):
                s = socket.create_connection(("127.0.0.1", port), 5)
                try:
                    s.sendall(garbage)
                except OSError:
                    pass
                s.close()
        import zmq

        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 1000)
        dealer.connect(self.fabric.control)
        before = self.fabric.refusals().get("control", 0)
        for garbage in (b"", b"\xff" * 1000, b"\x08\x01", b"\x08\x63"):
            dealer.send(garbage)
        dealer.send_multipart([b"a", b"b", b"c"])
        until(lambda: self.fabric.refusals().get("control", 0) > before, "control garbage counted")
        dealer.close()
        self.assert_goes_on()


class Insecure(Case):
    fabric_options = {"keyed": False}

    def test_an_unkeyed_fabric_works_when_said_and_says_so(self):
        self.fabric.collector().agent("n1")
        self.assertIn("INSECURE", self.fabric.log("collector"))
        self.assertIn("INSECURE", self.fabric.log("n1"))
        done = self.fabric.run("tap", "--json", "--count", "5", check=True)
        self.assertIn('"verified":"no"', done.stdout)
        self.assertIn("insecure", self.fabric.run("status", check=True).stdout)

    def test_an_unkeyed_collector_refuses_a_signed_envelope(self):
        self.fabric.collector().agent("n1")
        topic = b"health/node/demo/n1/agent/"
        pub = publisher(self.fabric.stream_in)
        self.addCleanup(pub.close)
        pub.send_multipart([topic, belfry_wire.seal(topic, b"\x0a\x00", 1, b"k" * 32)])
        until(lambda: self.fabric.refusals().get("unverifiable") == 1, "refused as unverifiable")


if __name__ == "__main__":
    unittest.main()
