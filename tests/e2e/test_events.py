"""The journal as an operator reads it: filters, resuming, and a chain that shows what was done to it."""

import json
import signal
import sqlite3
import subprocess
import unittest

from harness import BUILD, Fabric, until


class Events(unittest.TestCase):
    def setUp(self):
        self.fabric = Fabric(keyed=False)
        self.addCleanup(self.fabric.__exit__)
        self.fabric.collector().agent("n1")

    def say(self, n, first=1):
        env = {**self.fabric.environment(), "BELFRY_SOCKET": str(self.fabric.socket_of("n1"))}
        for i in range(first, first + n):
            self.fabric.run("send", "audit", "AdminAction", "actor=me", f"action=step {i}", env=env, check=True)

    def events(self, *arguments):
        done = self.fabric.run("events", "--json", *arguments)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def audits(self):
        return [e["event"]["action"] for e in self.events("--channel", "audit")]

    def database(self):
        return sqlite3.connect(self.fabric.dir / "collector" / "journal.db")

    def verify(self, *arguments):
        done = self.fabric.run("events", "--verify", *arguments)
        return done.returncode, done.stdout

    def test_events_are_found_by_channel_node_severity_and_offset(self):
        self.say(5)
        until(lambda: len(self.audits()) == 5, "five audit events are in the journal")
        self.assertEqual(self.audits(), [f"step {i}" for i in range(1, 6)])
        everything = self.events()
        self.assertEqual([e["offset"] for e in everything], list(range(1, len(everything) + 1)))
        self.assertTrue(all(e["node"] == "n1" or e.get("subject_node") == "n1" for e in self.events("--node", "n1")))
        self.assertEqual([e["offset"] for e in self.events("--from", "3", "--limit", "2")], [e["offset"] for e in everything][-2:])
        self.assertEqual(self.fabric.run("events", "--since", "1h", "--node", "nobody").returncode, 1)
        self.assertEqual(self.fabric.run("events", "--channel", "nothing").returncode, 2)
        self.assertEqual(self.fabric.run("events", "--head", "7:00").returncode, 2)

    def test_a_subscriber_that_was_away_misses_nothing_and_gets_nothing_twice(self):
        self.say(3)
        until(lambda: len(self.audits()) == 3, "three are in the journal")
        first = self.events("--channel", "audit")
        tap = subprocess.Popen([str(BUILD / "belfry"), "tap", "audit/", "--json", "--from", str(first[1]["offset"]),
                                "--count", "6", "--for", "60s"],
                               env=self.fabric.environment(), stdout=subprocess.PIPE, text=True)
        self.addCleanup(tap.kill)
        self.say(2, first=4)
        self.fabric.stop("collector")
        self.fabric.collector()
        until(lambda: self.fabric.node("n1")["state"] == "alive", "n1 is alive")
        self.say(2, first=6)
        out, _ = tap.communicate(timeout=60)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([e["event"]["action"] for e in lines], [f"step {i}" for i in range(2, 8)])
        self.assertEqual([e["offset"] for e in lines], sorted({e["offset"] for e in lines}))

    def test_another_journal_is_refused(self):
        done = self.fabric.run("tap", "--from", "ab" * 16 + ":1", "--count", "1")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("another", done.stderr)

    def test_a_changed_record_is_named(self):
        self.say(3)
        until(lambda: len(self.audits()) == 3, "three are in the journal")
        code, said = self.verify()
        self.assertEqual(code, 0, said)
        self.assertTrue(said.startswith("sound: "), said)
        victim = self.events("--channel", "audit")[1]["offset"]
        self.fabric.stop("collector")
        code, said = self.verify("--journal", str(self.fabric.dir / "collector"))
        self.assertEqual(code, 0, said)
        with self.database() as db:
            (body,) = db.execute("SELECT body FROM records WHERE offset = ?", (victim,)).fetchone()
            at = body.index(b"step 2") + 5
            db.execute("UPDATE records SET body = ? WHERE offset = ?", (body[:at] + b"9" + body[at + 1:], victim))
        db.close()
        for arguments in (["--journal", str(self.fabric.dir / "collector")], []):
            if not arguments:
                self.fabric.collector()
            code, said = self.verify(*arguments)
            self.assertEqual(code, 1, said)
            self.assertIn(f"offset {victim} ", said)

    def test_newest_records_that_were_cut_off_are_missed(self):
        self.say(4)
        until(lambda: len(self.audits()) == 4, "four are in the journal")
        _, said = self.verify()
        head = said.split("head ")[1].split()[0]
        self.fabric.programs["n1"].send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.fabric.programs["n1"].send_signal(signal.SIGCONT))
        self.fabric.stop("collector")
        with self.database() as db:
            (newest,) = db.execute("SELECT max(offset) FROM records").fetchone()
            db.execute("DELETE FROM records WHERE offset > ?", (newest - 3,))
            db.execute("DELETE FROM checkpoints WHERE offset > ?", (newest - 3,))
        db.close()
        code, said = self.verify("--journal", str(self.fabric.dir / "collector"))
        self.assertEqual(code, 1, said)
        self.assertIn(str(newest - 2), said)
        self.fabric.collector()
        code, said = self.verify()
        self.assertEqual(code, 1, said)
        self.assertIn(str(newest - 2), said)
        # Who kept a head apart needs nobody's word for it.
        (self.fabric.dir / "collector" / "journal.head").read_bytes()
        code, said = self.verify("--head", head)
        self.assertEqual(code, 1, said)
        self.fabric.programs["n1"].send_signal(signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
