"""The path, end to end: a real agent, a real collector, the operator's command, an outside subscriber."""

import json
import signal
import time
import unittest

import harness
from harness import Case, belfry_wire, split_envelope, subscriber, until


class Path(Case):
    def test_status_has_the_keys_of_the_interface(self):
        self.fabric.collector().agent("n1").agent("n2")
        until(lambda: len(self.fabric.node("n1")["components"]) > 0, "n1 has components")
        status = self.fabric.status()
        for key in ("cluster", "collector", "status", "quorum", "nodes", "alerts"):
            self.assertIn(key, status)
        self.assertEqual((status["cluster"], status["collector"], status["quorum"]), ("demo", "c1", "available"))
        node = self.fabric.node("n1")
        for key in ("name", "state", "kind", "status", "since", "last_seen_ms", "incarnation", "components"):
            self.assertIn(key, node)
        self.assertEqual((node["state"], node["incarnation"]), ("alive", 1))
        until(lambda: self.fabric.node("n1")["status"] == "healthy", "n1 is healthy")
        self.assertRegex(node["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertIn("data", [c["name"] for c in node["components"]])
        self.assertIn("Watchdog", [a["name"] for a in status["alerts"]])
        text = self.fabric.run("status", check=True).stdout
        self.assertIn("n1", text)
        self.assertNotIn("\x1b", text, "colour only on a terminal")
        self.assertEqual(self.fabric.run("status", "n9").returncode, 1)

    def test_tap_prints_50_verified_events_of_every_channel_at_work(self):
        self.fabric.collector().agent("n1")
        done = self.fabric.run("tap", "--json", "--count", "50", check=True, limit=60)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(events), 50)
        for event in events:
            for key in ("topic", "verified", "node", "channel", "type", "severity", "time", "event"):
                self.assertIn(key, event)
            self.assertEqual(event["verified"], "mac", event)
            self.assertEqual(event["topic"].split("/")[0], event["channel"])
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertLessEqual({"health", "metrics", "lifecycle", "system"}, {e["channel"] for e in events})
        only = self.fabric.run("tap", "health/", "--json", "--count", "3", "--no-snapshot", check=True)
        self.assertEqual({json.loads(line)["channel"] for line in only.stdout.splitlines()}, {"health"})

    def test_a_killed_agent_is_down_with_an_alert_and_recovers(self):
        self.fabric.collector().agent("n1").agent("n2")
        self.fabric.stop("n2", signal.SIGKILL)
        node = until(lambda: (n := self.fabric.node("n2"))["state"] == "down" and n, "n2 is down")
        self.assertEqual(self.fabric.node("n1")["state"], "alive")
        self.assertTrue(node.get("evidence"), node)
        alert = self.fabric.wait_alert(name="NodeDown", node="n2", state="firing")
        self.assertEqual(alert["severity"], "critical")
        self.fabric.agent("n2")
        node = self.fabric.node("n2")
        self.assertEqual((node["state"], node["incarnation"]), ("alive", 2))
        self.fabric.wait_alert(name="NodeDown", node="n2", state="resolved")
        until(lambda: not self.fabric.alerts(name="NodeDown", node="n2", state="firing"), "no alert fires for n2")

    def test_a_stopped_agent_says_goodbye_and_pages_nobody(self):
        self.fabric.collector().agent("n1").agent("n2")
        self.assertEqual(self.fabric.stop("n2"), 0)
        until(lambda: self.fabric.node("n2")["state"] == "stopped", "n2 is stopped")
        self.assertEqual(self.fabric.alerts(name="NodeDown", node="n2", state="firing"), [])

    def test_the_collector_may_come_late_and_go_and_return(self):
        self.fabric.agent("n1", wait=False)
        until(lambda: "collector" in self.fabric.log("n1"), "the agent says that no collector answers")
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")
        self.assertEqual(self.fabric.stop("collector"), 0)
        self.assertEqual(self.fabric.run("status", "--json").returncode, 3)
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive again")
        self.assertIsNone(self.fabric.programs["n1"].poll())

    def test_a_python_subscriber_verifies_and_decodes_everything(self):
        from belfry.v1 import common_pb2, envelope_pb2, event_pb2

        self.fabric.collector()
        tap = subscriber(self.fabric.stream_out)
        self.addCleanup(tap.close)
        self.fabric.agent("n1").agent("n2")
        secret = belfry_wire.read_keyring(self.fabric.keyring)[1, None]
        seen, catalogues, sequences, offsets = {}, {}, {}, {}
        end = time.monotonic() + harness.PATIENCE
        wanted = {"system", "health", "metrics", "lifecycle", "fabric", "alerts"}
        while time.monotonic() < end and not (wanted <= {k[0] for k in seen} and sum(seen.values()) > 150):
            if not tap.poll(1000):
                continue
            topic, envelope, *marks = tap.recv_multipart()
            version, epoch, body, mac = split_envelope(envelope)
            self.assertEqual((version, epoch), (1, 1))
            channel, token, cluster, node, source, tail = topic.decode("ascii").split("/")
            self.assertEqual(tail, "")
            key = belfry_wire.node_key(secret, epoch, node)
            self.assertEqual(mac, belfry_wire.event_mac(key, topic, body), topic)
            event = event_pb2.Event.FromString(body)
            header = event.header
            self.assertEqual((header.cluster, header.node, header.source), (cluster, node, source))
            payload = event.WhichOneof("payload")
            self.assertIsNotNone(payload)
            self.assertEqual(event.UnknownFields().__len__() if hasattr(event, "UnknownFields") else 0, 0)
            delivery = getattr(header, "class")
            if delivery in (common_pb2.DELIVERY_CLASS_VOLATILE, common_pb2.DELIVERY_CLASS_DURABLE) and channel != "fabric":
                track = sequences.setdefault((node, header.incarnation, delivery), [])
                track.append(header.sequence)
            self.assertEqual(len(marks), delivery == common_pb2.DELIVERY_CLASS_DURABLE, topic)
            for mark in map(envelope_pb2.Mark.FromString, marks):
                self.assertEqual(len(mark.journal), 16)
                if offsets:  # the first may have gone before this tap came
                    self.assertEqual(mark.offset, max(offsets.values()) + 1)
                if channel in offsets:
                    self.assertEqual(mark.previous_in_channel, offsets[channel], topic)
                offsets[channel] = mark.offset
            if payload == "catalogue":
                catalogues[event.catalogue.hash] = event.catalogue
            if payload == "metric_batch" and event.metric_batch.values and event.metric_batch.catalogue_hash in catalogues:
                series = catalogues[event.metric_batch.catalogue_hash].series
                self.assertEqual(len(series), len(event.metric_batch.values))
                seen["resolved", len(series)] = seen.get(("resolved", len(series)), 0) + 1
            seen[channel, payload] = seen.get((channel, payload), 0) + 1
        self.assertLessEqual(wanted, {k[0] for k in seen}, seen)
        self.assertGreater(sum(offsets.values()), 3)
        self.assertTrue(any(k[0] == "resolved" and k[1] >= 200 for k in seen), seen)
        for track, numbers in sequences.items():
            self.assertEqual(numbers, sorted(set(numbers)), track)

    def test_the_host_series_match_what_proc_says(self):
        self.fabric.collector().agent("n1")
        done = self.fabric.run("tap", "metrics/samples/demo/n1/agent/", "--json", "--count", "2", check=True)
        samples = {}
        for line in done.stdout.splitlines():
            samples.update(json.loads(line).get("samples", {}))
        total = int(open("/proc/meminfo").readline().split()[1]) * 1024
        self.assertEqual(samples["node_memory_MemTotal_bytes"], total)
        self.assertGreaterEqual(len([s for s in samples if s.startswith("node_cpu_seconds_total{")]), 8)
        self.assertGreaterEqual(len(samples), 300)


if __name__ == "__main__":
    unittest.main()
