"""Keys that change while everything runs: epochs are installed, used, retired."""

import signal
import unittest

from harness import Case, publisher, split_envelope, subscriber, until

NODES = ("n1", "n2", "n3", "n4", "n5")
# Beats at 20 a second, figures and stores beside them: some hundred events a second from five nodes.
PROBES = "probes:\n  health: {interval: 100ms}\n  nodes: {interval: 50ms}\n"


class Rotation(Case):
    def reload_all(self):
        for name in ("collector", *NODES):
            before = self.fabric.log(name).count(" reload")
            self.fabric.programs[name].send_signal(signal.SIGHUP)
            until(lambda n=name, b=before: self.fabric.log(n).count(" reload") > b, f"{name} reloads")
            self.assertNotIn("nothing was changed", self.fabric.log(name))

    def rewrite(self, *pairs):
        text = self.fabric.keyring.read_text()
        for old, new in pairs:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.fabric.keyring.write_text(text)

    def flow(self, taps, epoch, least=300):
        """Until each node was heard under that epoch, and least messages came; returns one and how many."""
        heard, count, one = set(), 0, None

        def step():
            nonlocal count, one
            while taps.poll(0):
                topic, envelope = taps.recv_multipart()[:2]
                node = topic.split(b"/")[3].decode()
                count += 1
                if node in NODES and split_envelope(envelope)[1] == epoch:
                    heard.add(node)
                    one = (topic, envelope)
            return heard == set(NODES) and count >= least

        until(step, f"every node signs under epoch {epoch}")
        return one, count

    def test_a_rotation_under_load_refuses_nothing_until_the_old_epoch_is_retired(self):
        f = self.fabric
        f.collector()
        for node in NODES:
            f.agent(node, probes=PROBES, extra="heartbeat: 50ms")
        taps = subscriber(f.stream_out)
        self.addCleanup(taps.close)
        old, before = self.flow(taps, 1)
        refused = f.refusals()

        f.run("keygen", "secret", "--epoch", "2", "--add", "--out", f.keyring, check=True)
        self.reload_all()
        _, installed = self.flow(taps, 1)
        self.rewrite(("1 active", "1 retiring"), ("2 next", "2 active"))
        self.reload_all()
        _, used = self.flow(taps, 2)
        self.assertEqual(f.refusals(), refused, "not one message was refused")
        self.assertEqual({f.node(n)["state"] for n in NODES}, {"alive"})

        kept = [line for line in f.keyring.read_text().splitlines() if not line.startswith("1 ")]
        f.keyring.write_text("\n".join(kept) + "\n")
        self.reload_all()
        self.flow(taps, 2)
        self.assertEqual(f.refusals(), refused, "nor at its end")
        thief = publisher(f.stream_in)
        self.addCleanup(thief.close)
        thief.send_multipart(old)
        until(lambda: f.refusals().get("key_unknown", 0) > refused.get("key_unknown", 0), "the old epoch is refused")
        print(f"rotation: {before + installed + used} messages while the epoch changed, 0 refused")


if __name__ == "__main__":
    unittest.main()
