"""Both libraries as they are installed: pkg-config, a C compiler, the examples of docs/, a real fabric."""

import os
import pathlib
import subprocess
import unittest

from harness import BUILD, ROOT, Case, until


class Installed(Case):
    def setUp(self):
        super().setUp()
        self.root = self.fabric.dir / "root"
        subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet"], check=True,
                       env={**os.environ, "DESTDIR": str(self.root)}, stdout=subprocess.DEVNULL)
        found = next(pathlib.Path(self.root).rglob("belfry.pc"))
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(found.parent), "PKG_CONFIG_SYSROOT_DIR": str(self.root),
                    "LD_LIBRARY_PATH": str(found.parent.parent)}

    def compile(self, example, package):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], env=self.env, text=True, check=True,
                               capture_output=True).stdout.split()
        # The system's own directories stand outside the root.
        flags = [f.replace(f"{self.root}/usr/lib", "/usr/lib") if not os.path.exists(f[2:]) else f for f in flags]
        out = self.fabric.dir / example
        done = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror",
                               str(ROOT / "docs" / "examples" / f"{example}.c"), "-o", str(out), *flags],
                              text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def test_the_examples_speak_and_listen(self):
        say, listen = self.compile("say", "belfry"), self.compile("listen", "belfry-client")
        self.fabric.collector().agent("n1")
        log = self.fabric.dir / "listen.log"
        with open(log, "wb") as out:
            self.fabric.programs["listen"] = subprocess.Popen(
                [str(listen), self.fabric.stream_out, self.fabric.control, str(self.fabric.keyring)], stdout=out,
                stderr=out, env=self.env)
        until(lambda: "verified fabric/heartbeat/" in log.read_text() or "verified health/" in log.read_text(),
              "it listens")
        done = subprocess.run([str(say)], env={**self.env, "BELFRY_SOCKET": str(self.fabric.socket_of("n1"))},
                              text=True, capture_output=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for topic in ("system/lifecycle/demo/n1/orders/", "health/component/demo/n1/orders/",
                      "metrics/samples/demo/n1/orders/", "logging/warning/demo/n1/orders/"):
            until(lambda: f"verified {topic}" in log.read_text(), topic)
        component = until(lambda: next((c for c in self.fabric.node("n1")["components"] if c["name"] == "queue"), None),
                          "the application's component")
        self.assertEqual(component["status"], "degraded")
        self.assertEqual(self.fabric.node("n1")["state"], "alive")


if __name__ == "__main__":
    unittest.main()
