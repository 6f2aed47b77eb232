#!/usr/bin/python3
"""`./dev chaos [--quick] [--only NAME]`: real programs on loopback, one fault after the other, and a table.

Each fault says how often it was injected, how many durable events were spoken meanwhile, how many of those
that the agents acknowledged as committed are not in the journal (lost), how many are there twice, and how
long it took from the fault's end until all was well. Ends with 1 when a guarantee did not hold."""

import argparse
import sys
import time
import traceback

import durable
import sockets
from ground import Broken, Row, Skipped

FAULTS = {**sockets.FAULTS, **durable.FAULTS}
COLUMNS = ("FAULT", "INJECTED", "SENT", "LOST", "TWICE", "RECOVERED", "RESULT", "NOTE")


def run(name, quick):
    row = Row(name)
    begin = time.monotonic()
    try:
        FAULTS[name](row, quick)
    except Skipped as why:
        row.state, row.note = "SKIPPED", str(why)
    except Broken as why:
        row.state, row.note = "BROKEN", f"{why}; {row.note}" if row.note else str(why)
    except (AssertionError, OSError, ValueError, KeyError, TypeError) as error:
        traceback.print_exc()
        row.state, row.note = "FAILED", str(error)[:200]
    print(f"chaos: {name}: {row.state} after {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return row


def table(rows):
    cells = [COLUMNS] + [
        (r.fault, str(r.injected), str(r.sent or "-"), str(r.lost if r.sent else "-"), str(r.duplicated if r.sent else "-"),
         f"{r.recovery_s:.2f} s", r.state, r.note)
        for r in rows
    ]
    widths = [max(len(line[c]) for line in cells) for c in range(len(COLUMNS))]
    for line in cells:
        print("  ".join(cell.rjust(w) if 1 <= c <= 5 else cell.ljust(w)
                        for c, (cell, w) in enumerate(zip(line, widths))).rstrip())


def main():
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__.split("\n\n")[1])
    parser.add_argument("--quick", action="store_true", help="few of each, for every run of the tests")
    parser.add_argument("--only", metavar="NAME", action="append", choices=sorted(FAULTS), help=", ".join(sorted(FAULTS)))
    options = parser.parse_args()
    rows = [run(name, options.quick) for name in options.only or FAULTS]
    table(rows)
    for row in rows:
        if row.state == "SKIPPED":
            print(f"chaos: SKIPPED {row.fault}: {row.note}", file=sys.stderr)
    return 1 if any(r.state in ("BROKEN", "FAILED") for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
