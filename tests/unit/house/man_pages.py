#!/usr/bin/env python3
"""Renders every man page as `man` does and fails on anything that groff warns of.

usage: man_pages.py PAGE...   Without man-db the test says so and is skipped (77). It shows first, on
pages made wrong on purpose, that a warning is seen."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
WIDTH = 80
SECTIONS = ("NAME", "DESCRIPTION", "SEE ALSO")
WRONG = {
    "an unknown macro": ".XX y\n",
    "an unknown character": "\\(zz y\n",
    "an unknown escape": "a \\y b\n",
    "a list entry without its text": ".TP\n",
    "a line that is too wide": ".nf\n" + "y" * 90 + "\n.fi\n",
}
RIGHT = '.TH X 1 "" "" ""\n.SH NAME\nx \\- y\n.SH DESCRIPTION\nz\n.SH SEE ALSO\n.BR y (1)\n'


def render(path):
    """(text, what groff said)."""
    env = {**os.environ, "MANWIDTH": str(WIDTH), "LC_ALL": "C.UTF-8", "MANPAGER": "cat", "PAGER": "cat"}
    env.pop("MAN_KEEP_FORMATTING", None)
    done = subprocess.run(["man", "--warnings=w", "-l", str(path)], env=env, text=True, capture_output=True, timeout=60)
    said = done.stderr.strip()
    return done.stdout, said if done.returncode == 0 else f"exit status {done.returncode}: {said}"


def complaints(path):
    text, said = render(path)
    if said:
        yield said
    lines = text.splitlines()
    for section in SECTIONS:
        if section not in lines:
            yield f"has no section {section}"
    for line in lines:
        if len(line) > WIDTH:
            yield f"is wider than {WIDTH} columns: {line.strip()}"
        if "@@" in line or "@version@" in line:
            yield f"was not filled in: {line.strip()}"


def self_test():
    with tempfile.TemporaryDirectory() as directory:
        page = pathlib.Path(directory) / "x.1"
        page.write_text(RIGHT)
        assert not list(complaints(page)), list(complaints(page))
        for what, line in WRONG.items():
            page.write_text(RIGHT + line)
            assert list(complaints(page)), f"{what} is not seen"
        page.write_text(RIGHT.replace(".SH DESCRIPTION\n", ""))
        assert list(complaints(page)), "a missing section is not seen"
        page.write_text(RIGHT + "@@parts\n")
        assert list(complaints(page)), "a part that was not filled in is not seen"


def main():
    pages = [pathlib.Path(arg) for arg in sys.argv[1:]]
    if not shutil.which("man"):
        print("SKIPPED: there is no `man` here (Debian: apt-get install man-db); no page was rendered")
        return SKIP
    self_test()
    found = [f"{page.name}: {line}" for page in pages for line in complaints(page)]
    for line in found:
        print(line)
    print(f"{len(pages)} pages rendered, {len(found)} complaints")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
