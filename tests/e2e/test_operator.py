"""What an operator meets: bad configuration, ports in use, missing keys, full disks, signals, exit codes."""

import json
import os
import pathlib
import signal
import subprocess
import unittest

from harness import BUILD, Case, until


class Refusals(Case):
    def start(self, program, config):
        return subprocess.run([str(BUILD / program), "--config", str(config)], text=True, capture_output=True,
                              timeout=20, cwd=self.fabric.dir)

    def assert_says(self, done, *words):
        self.assertGreater(done.returncode, 0, done)
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)

    def test_every_configuration_error_at_once_with_line_and_nearest_key(self):
        config = self.fabric.dir / "bad.yaml"
        config.write_text("cluster: demo\nnam: c1\nstate_dirr: x\nstream_in: tcp://127.0.0.1:99999\nsecurity: {insecure: true}\n")
        done = subprocess.run([str(BUILD / "belfry-collector"), "--check", "--config", str(config)], text=True,
                              capture_output=True, cwd=self.fabric.dir)
        self.assert_says(done, "bad.yaml:2", "nam", "name", "bad.yaml:3", "state_dir", "bad.yaml:4", "99999")
        done = self.fabric.run("check", config)
        self.assertEqual(done.returncode, 1)
        good = self.fabric.run("check", self.fabric.collector_config(), self.fabric.agent_config("n1"))
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)

    def test_nothing_runs_unkeyed_unless_said(self):
        for program, config in (("belfry-collector", self.fabric.collector_config(security="security: {}")),
                                ("belfry-agent", self.fabric.agent_config("n1", security="security: {}"))):
            self.assert_says(self.start(program, config), "keyring", "insecure")

    def test_insecure_stays_on_loopback(self):
        config = self.fabric.collector_config(security="security: {insecure: true}")
        config.write_text(config.read_text().replace("stream_out: tcp://127.0.0.1", "stream_out: tcp://0.0.0.0"))
        self.assert_says(self.start("belfry-collector", config), "insecure", "loopback")

    def test_a_missing_or_open_keyring_is_said(self):
        config = self.fabric.collector_config(security="security: {keyring: no-such-file}")
        self.assert_says(self.start("belfry-collector", config), "no-such-file", "keygen")
        os.chmod(self.fabric.keyring, 0o644)
        self.assert_says(self.start("belfry-agent", self.fabric.agent_config("n1")), "keyring", "chmod 600")

    def test_a_port_in_use_names_the_port(self):
        self.fabric.collector()
        config = self.fabric.dir / "second.yaml"
        config.write_text(self.fabric.collector_config().read_text().replace("/collector\n", "/collector2\n"))
        self.assert_says(self.start("belfry-collector", config), str(self.fabric.base), "in use")

    def test_a_state_directory_has_one_owner_and_is_writable(self):
        self.fabric.collector().agent("n1")
        self.assert_says(self.start("belfry-agent", self.fabric.dir / "agent-n1.yaml"), "state-n1")
        config = self.fabric.agent_config("n2")
        config.write_text(config.read_text().replace(f"{self.fabric.dir}/state-n2", "/proc/belfry"))
        self.assert_says(self.start("belfry-agent", config), "/proc/belfry")

    def test_exit_codes_are_the_interface(self):
        codes = {
            ("tap", "--for", "300ms"): 3, ("status",): 3, ("alerts",): 3, ("nonsense",): 2, ("tap", "--nonsense"): 2,
            ("version",): 0, ("--help",): 0, ("check", "no-such-file"): 1, ("send", "nope", "X"): 2,
        }
        for args, code in codes.items():
            with self.subTest(args=args):
                done = self.fabric.run(*args)
                self.assertEqual(done.returncode, code, done)
                if code:
                    self.assertTrue(done.stderr.strip() or done.stdout.strip(), "it says why")
        self.assertIn("tap", self.fabric.run("tpa").stderr, "the nearest command")


class Running(Case):
    def test_a_hangup_reloads_rules_and_says_what_needs_a_restart(self):
        rules = self.fabric.dir / "rules.yaml"
        rules.write_text("rules: []\n")
        self.fabric.collector(extra=f"alerts: {{rules: [{rules}]}}").agent("n1")
        rules.write_text("rules:\n  - name: TooMuchMemory\n    when: {metric: node_memory_MemTotal_bytes, above: 1, clear: 0}\n"
                         "    for: 0s\n    severity: warning\n    summary: '{{node}} has memory'\n")
        program = self.fabric.programs["collector"]
        config = self.fabric.dir / "collector.yaml"
        config.write_text(config.read_text().replace("name: c1", "name: c2"))
        program.send_signal(signal.SIGHUP)
        alert = self.fabric.wait_alert(name="TooMuchMemory", state="firing")
        self.assertEqual((alert["node"], alert["severity"]), ("n1", "warning"))
        until(lambda: "restart" in self.fabric.log("collector"), "it says that the name needs a restart")
        rules.write_text("rules: [{name: Broken}]\n")
        program.send_signal(signal.SIGHUP)
        until(lambda: "rules.yaml:1" in self.fabric.log("collector"), "the broken file is named")
        self.assertTrue(self.fabric.alerts(name="TooMuchMemory", state="firing"), "the old rules stay")

    def test_an_application_speaks_through_the_agent(self):
        self.fabric.collector().agent("n1")
        env = {**self.fabric.environment(), "BELFRY_SOCKET": str(self.fabric.socket_of("n1"))}
        tap = subprocess.Popen([str(BUILD / "belfry"), "tap", "logging/", "health/component/", "--json", "--count", "1",
                                "--no-snapshot", "--for", "20s"],
                               env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
        self.addCleanup(tap.kill)
        done = None
        while tap.poll() is None:
            done = self.fabric.run("send", "logging", "LogEntry", "message=hello from a test", "level=warning", env=env)
            self.assertEqual(done.returncode, 0, done.stderr)
        line = json.loads(tap.stdout.read().splitlines()[0])
        tap.stdout.close()
        self.assertEqual((line["channel"], line["type"], line["event"]["message"]), ("logging", "LogEntry", "hello from a test"))
        listing = self.fabric.run("send", "--list", check=True).stdout
        for name in ("LogEntry", "NodeHealth", "SessionEvent", "Alert", "ComplianceEvent"):
            self.assertIn(name, listing)
        bad = self.fabric.run("send", "logging", "LogEntry", "mesage=x", env=env)
        self.assertEqual(bad.returncode, 2)
        self.assertIn("message", bad.stderr)

    def test_debug_logs_travel_only_while_somebody_listens(self):
        self.fabric.collector().agent("n1")
        env = {**self.fabric.environment(), "BELFRY_SOCKET": str(self.fabric.socket_of("n1"))}
        send = ("send", "logging", "LogEntry", "level=debug")
        everything = subprocess.Popen([str(BUILD / "belfry"), "tap", "logging/", "--json", "--no-snapshot", "--count", "1"],
                                      env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
        self.addCleanup(everything.wait)
        self.addCleanup(everything.kill)
        for i in range(3):
            self.assertEqual(self.fabric.run(*send, f"message=unheard {i}", env=env).returncode, 0)
        tap = subprocess.Popen([str(BUILD / "belfry"), "tap", "logging/debug/", "--json", "--no-snapshot", "--count", "1",
                                "--for", "20s"], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
        self.addCleanup(tap.kill)
        while tap.poll() is None:
            self.assertEqual(self.fabric.run(*send, "message=heard", env=env).returncode, 0)
        event = json.loads(tap.stdout.readline())
        tap.stdout.close()
        self.assertEqual(event["event"]["message"], "heard")
        # logging/ is a prefix of logging/debug/, and gets what another's subscription brought: the same event.
        self.assertEqual(json.loads(everything.stdout.readline())["event"]["message"], "heard")
        everything.stdout.close()

    def test_a_full_disk_is_said_and_the_rest_goes_on(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        disk = self.fabric.dir / "small"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(disk)], check=False))
        (disk / "filler").write_bytes(b"x" * 60000)
        probes = ("probes:\n  health: {interval: 500ms}\n  persistence: {interval: 500ms, stores: "
                  f"[{{name: data, type: directory, path: {disk}, probe_path: {disk}/probe}}]}}\n")
        try:
            with open(disk / "filler2", "wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
        except OSError:
            pass
        self.fabric.collector().agent("n1", probes=probes)
        component = until(lambda: next((c for c in self.fabric.node("n1")["components"]
                                        if c["name"] == "data" and c["status"] == "unhealthy"), None), "data is unhealthy")
        self.assertTrue(component)
        self.assertEqual(self.fabric.node("n1")["state"], "alive")
        os.remove(disk / "filler")
        until(lambda: next(c for c in self.fabric.node("n1")["components"] if c["name"] == "data")["status"] == "healthy",
              "data is healthy again")

    def test_a_state_directory_on_a_full_disk_is_said_at_the_start(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        disk = self.fabric.dir / "full"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=3,mode=700", "tmpfs", str(disk)], check=False).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(disk)], check=False))
        for name in "ab":
            try:
                (disk / name).write_bytes(b"x" * 16384)
            except OSError:
                pass
        config = self.fabric.agent_config("n1")
        config.write_text(config.read_text().replace(f"{self.fabric.dir}/state-n1", str(disk)))
        done = subprocess.run([str(BUILD / "belfry-agent"), "--config", str(config)], text=True, capture_output=True,
                              timeout=20, cwd=self.fabric.dir)
        self.assertGreater(done.returncode, 0)
        self.assertIn("No space left", done.stderr)

    def test_garbage_on_the_applications_socket_harms_nobody(self):
        import socket

        self.fabric.collector().agent("n1")
        path = str(self.fabric.socket_of("n1"))
        self.assertEqual(pathlib.Path(path).stat().st_mode & 0o777, 0o660)
        for garbage in (b"\xff" * 10, b"\x08\x01" * 30000, b"\0"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(path)
            try:
                for _ in range(100):
                    s.send(garbage)
            except OSError:
                pass
            s.close()
        env = {**self.fabric.environment(), "BELFRY_SOCKET": path}
        done = self.fabric.run("send", "logging", "LogEntry", "message=still here", "level=info", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.fabric.node("n1")["state"], "alive")


if __name__ == "__main__":
    unittest.main()
