"""Faults of the sockets: peers that speak ZMTP wrongly, too much, or not at all. Each takes (row, quick)."""

import os
import resource
import socket
import time

import zmtp
from ground import Ground, anonymous_kib, demand, descriptors, harness, percentile, until

MIB = 1024  # KiB
RECOVERY_S = 5


def many(n, port):
    """n plain connections; the test's own limit is raised for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n + 512:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 1024), hard))
    made = []
    for _ in range(n):
        made.append(socket.create_connection(("127.0.0.1", port), 5))
    return made


def recovered(row, ground):
    row.recovery_s = ground.flows()
    demand(row.recovery_s < RECOVERY_S, f"it took {row.recovery_s:.1f} s until messages flowed")


def silent_connections(row, quick):
    """Connections that say nothing, at each of the collector's ports."""
    each = 300 if quick else 1000
    with Ground(1) as g:
        g.start()
        pid = g.pid()
        before, open_before = anonymous_kib(pid), descriptors(pid)
        made = [s for port in range(3) for s in many(each, g.base + port)]
        row.injected = len(made)
        grown = anonymous_kib(pid) - before
        g.flows()
        demand(grown < 64 * MIB, f"{grown} KiB for {len(made)} silent connections")
        begin = time.monotonic()
        until(lambda: descriptors(pid) <= open_before + 8, "silent connections are ended", 15)
        ended = time.monotonic() - begin
        for s in made:
            s.close()
        recovered(row, g)
        row.note = f"{grown / MIB:.1f} MiB, ended after {ended:.1f} s"


def handshake_flood(row, quick):
    """Connections that shake hands and go, 500 in a second."""
    seconds = 2 if quick else 10
    with Ground(1) as g:
        g.start()
        pid = g.pid()
        before, open_before = anonymous_kib(pid), descriptors(pid)
        begin = time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            if row.injected > (now - begin) * 500:
                time.sleep(0.001)
                continue
            port = row.injected % 3
            kind = (b"XPUB", b"SUB", b"DEALER")[port]
            s = socket.create_connection(("127.0.0.1", g.base + port), 5)
            s.sendall(zmtp.greeting() + zmtp.ready(kind))
            s.close()
            row.injected += 1
        grown = anonymous_kib(pid) - before
        recovered(row, g)
        until(lambda: descriptors(pid) <= open_before + 8, "their descriptors are closed", 15)
        demand(grown < 64 * MIB, f"{grown} KiB")
        row.note = f"{row.injected / seconds:.0f}/s, {grown / MIB:.1f} MiB"


def subscriptions(row, quick):
    """Peers that subscribe to 200,000 prefixes of 16 bytes, or to 50,000 of 240."""
    with Ground(1) as g:
        g.start()
        pid = g.pid()
        before = anonymous_kib(pid)
        short = b"".join(zmtp.subscribe(b"%016x" % (i * 0x9E3779B97F4A7C15 % 2**64)) for i in range(200_000))
        long = b"".join(zmtp.subscribe(b"%0240d" % i) for i in range(50_000))
        rounds = 1 if quick else 5
        for data in (short, long) * rounds:
            with zmtp.Peer(g.base + 1, b"SUB") as peer:
                peer.send(data)
                demand(peer.ended(RECOVERY_S), "who subscribes to too much is not shut out")
            row.injected += 1
        grown = anonymous_kib(pid) - before
        demand(grown < 64 * MIB, f"{grown} KiB")
        recovered(row, g)
        shut = g.counter("subscribers_shut_out")
        demand(shut == row.injected, f"{shut} of {row.injected} counted as shut out")
        row.note = f"{grown / MIB:.1f} MiB, all shut out"


def nonsense():
    """(what, bytes) that are no ZMTP, or break it."""
    hello = zmtp.greeting()
    curve = zmtp.greeting(b"CURVE")
    sub = hello + zmtp.ready(b"SUB")
    return [
        ("nothing of ZMTP", b"GET / HTTP/1.1\r\n\r\n" * 50),
        ("noise", os.urandom(4096)),
        ("half a signature", zmtp.SIGNATURE[:5]),
        ("an old version", zmtp.SIGNATURE + b"\x01\x02"),
        ("a version to come", zmtp.greeting(version=(9, 9)) + zmtp.ready(b"SUB")),
        ("a mechanism that is none", zmtp.greeting(b"ROT13") + os.urandom(200)),
        ("PLAIN", zmtp.greeting(b"PLAIN") + zmtp.command(b"HELLO", b"\x04root\x04root")),
        ("CURVE, noise as HELLO", curve + zmtp.curve_hello()),
        ("CURVE, half a HELLO", curve + zmtp.curve_hello(short=True)),
        ("CURVE, HELLO that claims more", curve + zmtp.command(b"HELLO", b"\1\0", size=255)),
        ("CURVE, INITIATE first", curve + zmtp.command(b"INITIATE", os.urandom(400))),
        ("no READY", hello + zmtp.frame(b"\x01")),
        ("READY twice", sub + zmtp.ready(b"SUB")),
        ("READY of no type", hello + zmtp.ready(b"GNU")),
        ("READY of the wrong type", hello + zmtp.ready(b"REP")),
        ("READY whose property ends outside", hello + zmtp.command(b"READY", b"\x0bSocket-Type\xff\xff\xff\xffSUB")),
        ("a command that is none", sub + zmtp.command(b"NONSENSE", os.urandom(50))),
        ("a command without a name", sub + zmtp.frame(b"", zmtp.COMMAND)),
        ("a command whose name ends outside", sub + zmtp.frame(b"\xffSUBSCRIBE", zmtp.COMMAND)),
        ("SUBSCRIBE by command, cut short", sub + zmtp.frame(b"\x09SUBSCR", zmtp.COMMAND)),
        ("PING that claims a long context", sub + zmtp.command(b"PING", b"\0\0" + b"x" * 200)),
        ("reserved flags", sub + b"\xff\x01x"),
        ("a frame of 2^63 bytes", sub + bytes([zmtp.LONG]) + b"\x7f" + b"\xff" * 7 + b"x" * 1000),
        ("a frame of 2^64 - 1 bytes", sub + bytes([zmtp.LONG]) + b"\xff" * 8 + b"x" * 1000),
        ("a frame of 16 MiB", sub + zmtp.frame(b"x" * (1 << 24))),
        ("half a frame", sub + zmtp.frame(b"x" * 100, size=250)),
        ("a message without an end", sub + zmtp.frame(b"x" * 100, zmtp.MORE) * 2000),
        ("empty frames", sub + zmtp.frame(b"") * 5000),
    ]


def garbage(row, quick):
    """Whatever breaks ZMTP, at each port, by peers that then hang up, or stay."""
    with Ground(1) as g:
        g.start()
        pid = g.pid()
        before, open_before = anonymous_kib(pid), descriptors(pid)
        for _ in range(1 if quick else 20):
            for port in (0, 1, 2, 6):  # the three of the collector, the peer port of the agent
                standing = []
                for _, data in nonsense():
                    peer = zmtp.Peer(g.base + port)
                    peer.send(data)
                    standing.append(peer)
                    row.injected += 1
                for peer in standing:
                    peer.close()
        grown = anonymous_kib(pid) - before
        recovered(row, g)
        until(lambda: descriptors(pid) <= open_before + 8, "their descriptors are closed", 15)
        demand(grown < 64 * MIB, f"{grown} KiB")
        row.note = f"{len(nonsense())} kinds, {grown / MIB:.1f} MiB"


def exhausted_descriptors(row, quick):
    """The collector has no descriptor left for those who come."""
    with Ground(2) as g:
        g.start()
        pid = g.pid()
        limit = descriptors(pid) + 40
        was = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, was[1]))
        made = []
        seconds = 2 if quick else 10
        begin, before = time.monotonic(), g.received()
        # Shaken hands, so that they are not just ended as silent ones.
        while time.monotonic() < begin + seconds and len(made) < 400:
            s = socket.create_connection(("127.0.0.1", g.base + len(made) % 3), 5)
            s.sendall(zmtp.greeting() + zmtp.ready((b"XPUB", b"SUB", b"DEALER")[len(made) % 3]))
            made.append(s)
        row.injected = len(made)
        until(lambda: descriptors(pid) >= limit - 1, "its descriptors are used up", 5)
        time.sleep(seconds)  # the time without descriptors is what is tested
        demand(g.programs["collector"].poll() is None, "the collector has ended")
        for s in made:
            s.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, was)
        recovered(row, g)
        after = g.received()
        demand(after - before > seconds * 5, f"only {after - before} messages in the meantime")
        row.note = f"{limit} descriptors, {after - before} messages meanwhile"


def latencies(subscriber, seconds):
    """From a line's own time to its arrival here, of all that come within that time."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not subscriber.poll(100):
            continue
        envelope = subscriber.recv_multipart()[1]
        at = envelope.find(b"at ")
        if at >= 0:
            found.append((time.time_ns() - int(envelope[at + 3:envelope.index(b".", at)])) / 1e9)
    demand(len(found) > 100, f"only {len(found)} lines came")
    return found


def stalled_subscribers(row, quick):
    """Subscribers that stop reading; one that reads, and its latency before and during."""
    n = 10 if quick else 50
    seconds = 5 if quick else 20
    rate = 3000 if quick else 5000
    with Ground(4 if quick else 20) as g:
        g.start()
        pid = g.pid()
        healthy = harness.subscriber(g.stream_out, b"logging/")
        with g.load(rate) as load:
            quiet = latencies(healthy, seconds)
            before = anonymous_kib(pid)
            stalled = []
            for _ in range(n):
                peer = zmtp.Peer(g.base + 1, b"SUB", receive_buffer=4096)
                peer.send(zmtp.subscribe(b""))
                stalled.append(peer)
            row.injected = n
            busy = latencies(healthy, seconds)
            grown = anonymous_kib(pid) - before
            until(lambda: g.counter("subscribers_slow") >= n, "each stalled one is named", 20)
        for peer in stalled:
            peer.close()
        healthy.close()
        recovered(row, g)
        p99 = percentile(quiet, 0.99), percentile(busy, 0.99)
        row.note = f"{load.said} lines, p99 {p99[0] * 1e3:.2f} ms alone, {p99[1] * 1e3:.2f} ms beside them; {grown / MIB:.1f} MiB"
        demand(grown < 64 * MIB, f"{grown / MIB:.0f} MiB more memory")
        # 1.2 times, above what this measurement's own clock and scheduler make of the same twice.
        demand(p99[1] <= 1.2 * p99[0] + 0.002, "the healthy subscriber waits for the stalled ones")


FAULTS = {
    "silent-connections": silent_connections,
    "handshake-flood": handshake_flood,
    "subscriptions": subscriptions,
    "garbage": garbage,
    "descriptors": exhausted_descriptors,
    "stalled-subscribers": stalled_subscribers,
}
