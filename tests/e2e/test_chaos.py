"""The quick form of `./dev chaos`: every fault a few times, each guarantee held."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import chaos  # noqa: E402


class Chaos(unittest.TestCase):
    pass


def add(name):
    def test(self):
        row = chaos.run(name, quick=True)
        chaos.table([row])
        if row.state == "SKIPPED":
            self.skipTest(row.note)
        self.assertEqual(row.state, "ok", row.note)

    setattr(Chaos, "test_" + name.replace("-", "_"), test)


for fault in chaos.FAULTS:
    add(fault)

if __name__ == "__main__":
    unittest.main()
