"""The wire's cryptography from Python's hmac and hashlib alone (schema/README.md): what an outside
program needs to check Belfry's envelopes, and what the known-answer vectors come from."""

import hashlib
import hmac
import struct


def prefixed(data: bytes) -> bytes:
    """L(x) is u32(length of x) || x, big-endian."""
    return struct.pack(">I", len(data)) + data


def node_key(secret: bytes, epoch: int, node: str) -> bytes:
    text = b"belfry/node-key/v1\0" + struct.pack(">I", epoch) + prefixed(node.encode())
    return hashlib.blake2b(text, key=secret, digest_size=32).digest()


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-512 cut to 32 bytes."""
    return hmac.new(key, data, hashlib.sha512).digest()[:32]


def event_mac(key: bytes, topic: bytes, event: bytes) -> bytes:
    return mac(key, b"belfry/event/v1\0" + prefixed(topic) + prefixed(event))


def control_mac(key: bytes, direction: int, data: bytes) -> bytes:
    return mac(key, b"belfry/control/v1\0" + bytes([direction]) + data)


def probe_key(target_key: bytes, prober: str) -> bytes:
    text = b"belfry/probe/v1\0" + prefixed(prober.encode())
    return hashlib.blake2b(text, key=target_key, digest_size=32).digest()


def probe_mac(key: bytes, nonce: int) -> bytes:
    return mac(key, struct.pack(">Q", nonce & 0xFFFFFFFFFFFFFFFF))


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def seal(topic: bytes, event: bytes, epoch: int = 0, key: bytes = b"") -> bytes:
    """An envelope as the wire wants it, written by hand."""
    out = b"\x08\x01"
    if key:
        out += b"\x10" + varint(epoch)
    out += b"\x1a" + varint(len(event)) + event
    if key:
        out += b"\x22\x20" + event_mac(key, topic, event)
    return out


def read_keyring(path: str) -> dict:
    """{(epoch, node or None): key} of a keyring file."""
    keys = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            epoch, _state, whom, key = words
            node = whom[5:] if whom.startswith("node:") else None
            keys[int(epoch), node] = bytes.fromhex(key)
    return keys
