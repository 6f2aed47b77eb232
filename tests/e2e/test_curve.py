"""CURVE and ZAP: who gets in, who does not, and what both are told."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import unittest

import zmq
import zmq.auth

from harness import BUILD, Case, Fabric, until


class CurveFabric(Fabric):
    """Every program with a key of its own; clients/ names them. self.key("alice") makes one."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.keys = {}
        self.clients = self.dir / "clients"
        self.clients.mkdir(mode=0o755)
        self.server_key = self.key("collector")
        self.allow("operator", "alice")

    def key(self, name):
        """The public key; the file is NAME.key."""
        if name not in self.keys:
            self.keys[name] = self.run("keygen", "curve", "--out", self.dir / f"{name}.key", check=True, env={}).stdout.strip()
        return self.keys[name]

    def allow(self, role, name, key=None):
        path = self.clients / f"{role}-{name}"
        path.write_text(f"{self.key(key or name)} {role} {name}\n")
        path.chmod(0o644)

    def deny(self, role, name):
        (self.clients / f"{role}-{name}").unlink()

    def reload(self):
        before = self.log("collector").count(" reload")
        self.programs["collector"].send_signal(signal.SIGHUP)
        until(lambda: self.log("collector").count(" reload") > before, "the collector reloads")

    def collector_config(self, extra="", security=None):
        return super().collector_config(extra, security or (
            f"security: {{keyring: {self.keyring}, curve: {self.dir}/collector.key, clients: {self.clients}}}"))

    def agent_config(self, node, extra="", security=None, key=None, **kwargs):
        self.key(key or node)
        return super().agent_config(node, extra, security=security or (
            f"security: {{keyring: {self.keyring}, curve: {self.dir}/{key or node}.key, server_key: '{self.server_key}'}}"),
            **kwargs)

    def environment(self, who="alice"):
        env = super().environment()
        if hasattr(self, "server_key"):
            env |= {"BELFRY_CURVE": str(self.dir / f"{who}.key"), "BELFRY_SERVER_KEY": self.server_key}
        return env

    def run_as(self, who, *args, keyring=False, **kwargs):
        self.key(who)
        env = self.environment(who)
        if not keyring:
            env.pop("BELFRY_KEYRING", None)
        return self.run(*args, env=env, **kwargs)


class CurveCase(Case):
    def setUp(self):
        self.fabric = CurveFabric(**self.fabric_options)
        self.addCleanup(self._end)

    def admit(self, *nodes):
        for node in nodes:
            self.fabric.allow("agent", node)


class GettingIn(CurveCase):
    def test_a_fabric_with_keys_works_as_one_without(self):
        self.admit("n1", "n2")
        f = self.fabric
        f.collector().agent("n1").agent("n2")
        done = f.run_as("alice", "tap", "fabric/heartbeat/", "--json", "--count", "3", "--for", "20s", check=True)
        for line in done.stdout.splitlines():
            self.assertEqual(json.loads(line)["verified"], "collector")
        done = f.run_as("alice", "tap", "fabric/heartbeat/", "--json", "--count", "1", "--for", "20s", keyring=True, check=True)
        self.assertEqual(json.loads(done.stdout)["verified"], "mac")
        self.assertEqual(f.refusals().get("user", 0), 0)

    def test_an_unknown_key_is_refused_with_a_sentence_and_exit_4(self):
        f = self.fabric
        f.collector()
        for args in (("tap", "--for", "5s"), ("status",), ("alerts",)):
            with self.subTest(args=args):
                done = f.run_as("mallory", *args)
                self.assertEqual(done.returncode, 4, done)
                self.assertIn("refuses this CURVE key", done.stderr)
                self.assertIn(f.keys["mallory"], done.stderr)
        until(lambda: "with an unknown key" in f.log("collector"), "the collector says so")

    def test_a_wrong_server_key_is_refused_with_a_sentence_and_exit_4(self):
        f = self.fabric
        f.collector()
        done = f.run("status", "--server-key", f.key("mallory"))
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("server key", done.stderr)

    def test_who_has_no_key_is_told_to_give_one(self):
        f = self.fabric
        f.collector()
        env = f.environment()
        del env["BELFRY_CURVE"], env["BELFRY_SERVER_KEY"]
        done = f.run("status", env=env)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("CURVE", done.stderr)
        del (env := f.environment())["BELFRY_SERVER_KEY"]
        done = f.run("status", env=env)
        self.assertEqual(done.returncode, 2, done)

    def test_a_socket_without_curve_gets_nothing(self):
        f = self.fabric
        f.collector()
        context = zmq.Context()
        for kind, endpoint in ((zmq.SUB, f.stream_out), (zmq.DEALER, f.control), (zmq.XPUB, f.stream_in)):
            s = context.socket(kind)
            s.linger = 0
            if kind == zmq.SUB:
                s.subscribe(b"")
            monitor = s.get_monitor_socket()
            s.connect(endpoint)
            event = until(lambda: self.next_event(monitor), "the handshake ends")
            self.assertNotEqual(event, zmq.EVENT_HANDSHAKE_SUCCEEDED)
            self.assertEqual(s.poll(100), 0)
            s.disable_monitor()
            monitor.close()
            s.close()
        context.term()

    @staticmethod
    def next_event(monitor):
        from zmq.utils.monitor import recv_monitor_message

        wanted = (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
                  zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        while monitor.poll(100):
            event = recv_monitor_message(monitor)["event"]
            if event in wanted:
                return event
        return None

    def test_debians_pyzmq_subscribes_with_a_key_of_ours(self):
        f = self.fabric
        f.allow("viewer", "python")
        f.collector()
        public, secret = zmq.auth.load_certificate(str(f.dir / "python.key"))
        self.assertEqual(public.decode(), f.keys["python"])
        s = zmq.Context.instance().socket(zmq.SUB)
        s.linger = 0
        s.curve_publickey, s.curve_secretkey, s.curve_serverkey = public, secret, f.server_key.encode()
        s.subscribe(b"fabric/heartbeat/")
        s.connect(f.stream_out)
        self.assertTrue(s.poll(10000), "a heartbeat comes")
        self.assertTrue(s.recv_multipart()[0].startswith(b"fabric/heartbeat/"))
        s.close()

    def test_roles_fit_their_sockets(self):
        f = self.fabric
        self.admit("n1")
        f.allow("viewer", "eve")
        f.collector()
        self.assertEqual(f.run_as("eve", "status").returncode, 0)
        done = f.run_as("n1", "tap", "--for", "5s", "--no-snapshot")
        self.assertEqual(done.returncode, 4, "an agent's key does not subscribe")
        done = f.run_as("n1", "status")
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("role", done.stderr)
        until(lambda: "with a role that does not fit" in f.log("collector"), "it is said")


class Agents(CurveCase):
    def test_a_denied_agent_gets_in_by_itself_once_it_is_allowed(self):
        f = self.fabric
        f.collector().agent("n1", wait=False)
        until(lambda: "refuses this CURVE key" in f.log("n1"), "the agent says what stands in the way")
        self.assertIn(f.keys["n1"], f.log("n1"))
        self.assertEqual(f.node("n1")["state"], "absent")
        self.admit("n1")
        f.reload()
        until(lambda: f.node("n1")["state"] == "alive", "the agent is in")

    def test_who_leaves_the_list_is_cut_off_at_once_and_the_others_stay(self):
        f = self.fabric
        self.admit("n1", "n2")
        f.collector().agent("n1").agent("n2")
        received = f.node("n1")["incarnation"]
        f.deny("agent", "n1")
        f.reload()
        until(lambda: "connections ended" in f.log("collector"), "its connections end")
        until(lambda: "refuses this CURVE key" in f.log("n1"), "and it is refused")
        until(lambda: f.node("n1")["state"] in ("down", "unreachable"), "n1 is gone")
        self.assertEqual(f.node("n2")["state"], "alive")
        self.assertNotIn("refuses", f.log("n2"))
        self.admit("n1")
        f.reload()
        until(lambda: f.node("n1")["state"] == "alive", "and it comes back")
        self.assertEqual(f.node("n1")["incarnation"], received, "without a restart")

    def test_a_stolen_key_cannot_speak_as_another_node(self):
        f = self.fabric
        self.admit("n1", "n2")
        f.collector().agent("n1")
        # n2's own key, its keyring even, but under n1's name: the secret is the cluster's here.
        f.agent("n1", state="thief", key="n2", wait=False)
        until(lambda: f.refusals().get("user", 0) > 0, "it is refused")
        until(lambda: "another node's" in f.log("thief"), "and told")
        self.assertEqual(f.node("n1")["state"], "alive")

    def test_a_wrong_list_changes_nothing(self):
        f = self.fabric
        self.admit("n1")
        f.collector().agent("n1")
        (f.clients / "wrong").write_text("nonsense agent n9\n")
        f.reload()
        self.assertIn("wrong:1", f.log("collector"))
        self.assertEqual(f.node("n1")["state"], "alive")


class Start(CurveCase):
    def start(self, config):
        return subprocess.run([str(BUILD / "belfry-collector"), "--config", str(config)], text=True, capture_output=True,
                              timeout=20, cwd=self.fabric.dir)

    def test_lists_and_keys_that_are_wrong_are_named(self):
        f = self.fabric
        (f.clients / "wrong").write_text(f"# ours\n{f.key('x')} root x\nshort\n")
        done = self.start(f.collector_config())
        self.assertGreater(done.returncode, 0)
        for words in ("wrong:2", "wrong:3", "'root' is no role"):
            self.assertIn(words, done.stderr)
        (f.clients / "wrong").unlink()
        os.chmod(f.dir / "collector.key", 0o644)
        done = self.start(f.collector_config())
        self.assertGreater(done.returncode, 0)
        self.assertIn("chmod 600", done.stderr)

    def test_off_loopback_a_keyring_needs_curve(self):
        f = self.fabric
        config = f.collector_config(security=f"security: {{keyring: {f.keyring}}}")
        config.write_text(config.read_text().replace("control: tcp://127.0.0.1", "control: tcp://0.0.0.0"))
        done = self.start(config)
        self.assertGreater(done.returncode, 0)
        self.assertIn("needs CURVE", done.stderr)

    def test_with_curve_it_listens_everywhere(self):
        f = self.fabric
        config = f.collector_config()
        config.write_text(config.read_text().replace("tcp://127.0.0.1", "tcp://0.0.0.0"))
        f.spawn("collector", BUILD / "belfry-collector", "--config", config)
        until(f.status, "the collector answers, so its proof held")


PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000


class Handler(CurveCase):
    def test_while_the_handler_stands_still_nobody_gets_in(self):
        """The thread that answers ZAP is stopped alone, as a debugger would: a known key waits in vain."""
        f = self.fabric
        f.collector()
        pid = f.programs["collector"].pid
        task = next(p for p in pathlib.Path(f"/proc/{pid}/task").iterdir() if (p / "comm").read_text().strip() == "belfry-zap")
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        tid = int(task.name)
        if libc.ptrace(PTRACE_ATTACH, tid, None, None):
            self.skipTest(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
        try:
            os.waitpid(tid, WALL)
            done = f.run("status", "--timeout", "4s")
            self.assertIn(done.returncode, (3, 4), done)
            self.assertEqual(done.stdout, "")
        finally:
            libc.ptrace(PTRACE_DETACH, tid, None, None)
        until(f.status, "and once it goes on, the key gets in")


if __name__ == "__main__":
    unittest.main()
