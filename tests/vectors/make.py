#!/usr/bin/env python3
"""Makes the known-answer vectors that tests/unit/wire/vectors.c checks: `make.py HEADER` writes a C header."""

import hashlib
import sys

from belfry_wire import control_mac, event_mac, node_key, probe_key, probe_mac, seal


def c_bytes(name, data):
    body = ", ".join(f"0x{b:02x}" for b in data)
    return f"static const uint8_t {name}[] = {{ {body} }};\n"


def main(path):
    out = ["/* Made by tests/vectors/make.py from Python's hmac and hashlib. */\n#include <stdint.h>\n"]
    cases = []
    for i, (epoch, node, prober, size) in enumerate(
        [(1, "n1", "n2", 1), (7, "db-01.example", "collector.c1", 180), (4294967295, "a" * 36, "b" * 36, 5000), (2, "0", "z", 128)]
    ):
        secret = hashlib.sha256(f"test secret {i}".encode()).digest()
        topic = f"health/node/demo/{node}/agent/".encode()
        event = hashlib.shake_256(f"event {i}".encode()).digest(size)
        key = node_key(secret, epoch, node)
        pair = probe_key(key, prober)
        nonce = 0xFFFFFFFFFFFFFFF0 + i
        for name, data in [
            ("secret", secret), ("topic", topic), ("event", event), ("key", key),
            ("event_mac", event_mac(key, topic, event)),
            ("to_collector", control_mac(key, 1, event)), ("to_agent", control_mac(key, 2, event)),
            ("probe_key", pair), ("probe_mac", probe_mac(pair, nonce)), ("envelope", seal(topic, event, epoch, key)),
        ]:
            out.append(c_bytes(f"v{i}_{name}", data))
        cases.append((i, epoch, node, prober, nonce))
    fields = ["secret", "topic", "event", "key", "event_mac", "to_collector", "to_agent", "probe_key", "probe_mac", "envelope"]
    out.append("typedef struct { const uint8_t *data; unsigned long size; } vector_bytes_t;\n")
    out.append("static const struct { uint32_t epoch; const char *node, *prober; uint64_t nonce; vector_bytes_t "
               + ", ".join(fields) + "; } vectors[] = {\n")
    for i, epoch, node, prober, nonce in cases:
        refs = ", ".join(f"{{ v{i}_{f}, sizeof v{i}_{f} }}" for f in fields)
        out.append(f'{{ {epoch}u, "{node}", "{prober}", {nonce}u, {refs} }},\n')
    out.append("};\n")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(out)


if __name__ == "__main__":
    main(sys.argv[1])
