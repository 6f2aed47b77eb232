"""Trouble on a node: a hung disk, a stopped or starved agent, a second collector, a reload."""

import json
import os
import pathlib
import signal
import time
import unittest

from harness import Case, until


def children_of(pid):
    """The processes that pid's threads started."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found


class Trouble(Case):
    def component(self, node="n1", name="data"):
        return next((c for c in self.fabric.node(node).get("components", []) if c["name"] == name), {})

    def test_a_hung_store_probe_is_a_stuck_component_and_the_agent_goes_on(self):
        self.fabric.collector().agent("n1")
        until(lambda: self.component().get("status") == "healthy", "data is healthy")
        agent = self.fabric.programs["n1"]
        children = until(lambda: children_of(agent.pid), "the probes have children")
        # What a dead mount does to a process, as far as its parent can see: it does not answer.
        for child in children:
            os.kill(child, signal.SIGSTOP)
        until(lambda: self.component().get("status") == "unhealthy", "data is unhealthy")
        self.assertIn("stuck", json.dumps(self.component()))
        until(lambda: self.fabric.alerts(name="StoreStuck", node="n1", state="firing"), "StoreStuck fires")
        self.assertEqual(self.fabric.node("n1")["state"], "alive")
        self.assertEqual(self.fabric.alerts(name="NodeDown"), [])
        for child in children:
            try:
                os.kill(child, signal.SIGCONT)
            except ProcessLookupError:
                pass  # given up and replaced meanwhile
        until(lambda: self.component().get("status") == "healthy", "data is healthy again", 60)
        until(lambda: self.fabric.alerts(name="StoreStuck", node="n1", state="resolved"), "StoreStuck resolves", 60)

    def test_a_stopped_agent_is_unresponsive_and_never_down(self):
        self.fabric.collector().agent("n1").agent("n2").agent("n3")
        agent = self.fabric.programs["n2"]
        agent.send_signal(signal.SIGSTOP)
        self.addCleanup(agent.send_signal, signal.SIGCONT)
        until(lambda: self.fabric.node("n2")["state"] == "unresponsive", "n2 is unresponsive")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.assertIn(self.fabric.node("n2")["state"], ("unresponsive", "suspect"))
        self.assertEqual(self.fabric.alerts(name="NodeDown"), [])
        agent.send_signal(signal.SIGCONT)
        until(lambda: self.fabric.node("n2")["state"] == "alive", "n2 is alive again")

    def test_a_stopped_collector_declares_nobody_dead_when_it_goes_on(self):
        self.fabric.collector().agent("n1").agent("n2")
        collector = self.fabric.programs["collector"]
        collector.send_signal(signal.SIGSTOP)
        time.sleep(4)  # the pause is what is tested
        collector.send_signal(signal.SIGCONT)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            for node in ("n1", "n2"):
                self.assertIn(self.fabric.node(node)["state"], ("alive", "suspect"))
        self.assertEqual(self.fabric.alerts(name="NodeDown"), [])

    def test_a_hangup_of_the_agent_takes_over_what_it_can_and_says_the_rest(self):
        self.fabric.collector().agent("n1")
        config = self.fabric.dir / "agent-n1.yaml"
        text = config.read_text()
        config.write_text(text.replace("health: {interval: 500ms}", "health: {interval: 100ms}") + "heartbeat: 500ms\n")
        self.fabric.programs["n1"].send_signal(signal.SIGHUP)
        until(lambda: "probes.health.interval" in self.fabric.log("n1"), "it says what it took over")
        until(lambda: "restart: heartbeat" in self.fabric.log("n1"), "it says what needs a restart")
        done = self.fabric.run("tap", "system/config/", "--json", "--count", "1", check=True)
        event = json.loads(done.stdout.splitlines()[0])["event"]
        self.assertEqual([(c["key"], c["old_value"], c["new_value"]) for c in event["changes"]],
                         [("probes.health.interval", "500ms", "100ms")])
        config.write_text(text.replace("probes:", "probs:"))
        self.fabric.programs["n1"].send_signal(signal.SIGHUP)
        until(lambda: "nothing was changed" in self.fabric.log("n1"), "a broken file changes nothing")
        self.assertIn("probes", self.fabric.log("n1").split("probs")[1])
        self.assertEqual(self.fabric.node("n1")["state"], "alive")

    def test_a_lost_disk_takes_its_next_number_from_the_collector(self):
        self.fabric.collector().agent("n1")
        self.fabric.stop("n1", signal.SIGKILL)
        for path in (self.fabric.dir / "state-n1").iterdir():
            path.unlink()
        self.fabric.agent("n1", wait=False)
        until(lambda: (n := self.fabric.node("n1"))["state"] == "alive" and n["incarnation"] == 2, "n1 is back as 2")
        self.assertEqual(self.fabric.node("n1")["incarnation"], 2)


if __name__ == "__main__":
    unittest.main()
