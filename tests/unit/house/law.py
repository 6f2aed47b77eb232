#!/usr/bin/env python3
"""Refuses an include that breaks the house's law (ARCHITECTURE.md, "The house").

Arrows point one way: base <- conf, wire <- store, net <- client <- programs; app stands on wire's
tables alone; agents and collector never include each other; zmq.h and czmq.h belong to lib/net.
Also: no source file past 600 lines. `--self-test` shows that a breach is found."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
LINES_MAX = 600

# Which rooms each room may include. "schema" is the generated code.
MAY = {
    "base": {"base"},
    "conf": {"base", "conf"},
    "wire": {"base", "schema", "wire"},
    "store": {"base", "schema", "wire", "store"},
    "net": {"base", "net"},
    "app": {"base", "schema", "wire", "app"},
    "client": {"base", "schema", "wire", "net", "client"},
    "agents": {"base", "conf", "schema", "wire", "store", "net", "agents"},
    "collector": {"base", "conf", "schema", "wire", "store", "net", "collector"},
    "cli": {"base", "conf", "schema", "wire", "store", "net", "app", "client", "cli"},
}
LIBRARIES = {
    "zmq.h": {"net"},
    "czmq.h": {"net"},
    "yaml.h": {"conf"},
    "sqlite3.h": {"store"},
}
# Pure rooms: nothing that reads a clock, a file or a socket.
PURE = ("collector/detect", "collector/alert", "collector/view", "lib/wire")
IMPURE = {"sys/socket.h", "netdb.h", "sys/epoll.h", "time.h", "pthread.h", "sys/time.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def room_of(path):
    parts = path.parts
    return parts[1] if parts[0] == "lib" else parts[0]


def target_of(name, room):
    first = name.split("/")[0]
    if name.startswith("belfry/v1/"):
        return "schema"
    return first if first in MAY else None


def breaches(path, text):
    room = room_of(path)
    if room not in MAY:
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        target = target_of(name, room)
        if quote == '"' and target is None:
            yield f"{path}:{number}: \"{name}\" is written from no room's root"
        if target and target not in MAY[room]:
            yield f"{path}:{number}: {room} may not include {target} ({name})"
        if name in LIBRARIES and room not in LIBRARIES[name]:
            yield f"{path}:{number}: {name} belongs to {', '.join(LIBRARIES[name])}"
        if name in IMPURE and str(path).startswith(PURE):
            yield f"{path}:{number}: {path.parent} is pure, and {name} is not"
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield f"{path}: {lines} lines, above {LINES_MAX}: likely two nouns"


def self_test():
    cases = [
        ("agents/x.c", '#include "collector/core.h"\n', 1),
        ("collector/x.c", '#include "agents/samples.h"\n', 1),
        ("lib/base/x.c", '#include "wire/topic.h"\n', 1),
        ("lib/wire/x.c", "#include <zmq.h>\n", 1),
        ("lib/app/x.c", '#include "net/link.h"\n', 1),
        ("collector/detect/x.c", "#include <time.h>\n", 1),
        ("cli/x.c", '#include "x.h"\n', 1),
        ("lib/net/x.c", "#include <zmq.h>\n", 0),
        ("collector/x.c", '#include "wire/topic.h"\n#include <stdio.h>\n', 0),
        ("cli/x.c", "\n" * 601, 1),
    ]
    for name, text, wanted in cases:
        found = list(breaches(pathlib.PurePath(name), text))
        assert len(found) == wanted, (name, text[:60], found)


def main():
    self_test()
    found, count = [], 0
    for top in ("lib", "agents", "collector", "cli", "tests"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            count += 1
            found += breaches(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    for line in found:
        print(line)
    print(f"{count} files read, {len(found)} breaches")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
