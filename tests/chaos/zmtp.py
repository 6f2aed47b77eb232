"""A peer that speaks raw ZMTP 3.1, for saying what no library would say.

RFC 37: a greeting of 64 bytes, a handshake of commands, then frames of flags, size and body. Nothing
here is clever: each function returns the bytes, and a Peer is a plain socket that sends them."""

import os
import socket
import struct

MORE, LONG, COMMAND = 1, 2, 4
SIGNATURE = b"\xff" + b"\0" * 8 + b"\x7f"


def greeting(mechanism=b"NULL", version=(3, 1), as_server=0):
    return SIGNATURE + bytes(version) + mechanism.ljust(20, b"\0") + bytes([as_server]) + b"\0" * 31


def frame(body, flags=0, size=None):
    """One frame; size: what it claims to hold, where that is a lie."""
    size = len(body) if size is None else size
    if size > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", size) + body
    return bytes([flags, size]) + body


def command(name, data=b"", size=None):
    return frame(bytes([len(name)]) + name + data, COMMAND, size)


def ready(socket_type, identity=b""):
    properties = b""
    for name, value in ((b"Socket-Type", socket_type), (b"Identity", identity)):
        properties += bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
    return command(b"READY", properties)


def subscribe(prefix):
    """A subscription as ZMTP 3.0 has it, a message; 3.1's command means the same."""
    return frame(b"\x01" + prefix)


def cancel(prefix):
    return frame(b"\x00" + prefix)


def curve_hello(short=False, padding=None):
    """HELLO of CURVE with noise where key, nonce and signature box belong: 200 bytes as RFC 26 wants them."""
    body = b"\x01\x00" + (b"\0" * 72 if padding is None else padding) + os.urandom(32 + 8 + 80)
    return command(b"HELLO", body[: len(body) // 2] if short else body)


class Peer:
    """with Peer(port, b"SUB") as p: p.send(subscribe(b"alerts/"))"""

    def __init__(self, port, socket_type=None, host="127.0.0.1", timeout=10, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:  # before the connect: it decides the window
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, port))
        if socket_type:
            self.send(greeting() + ready(socket_type))
            self.read_handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Whether all of it went: a peer that is shut out is not an error of who attacks."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError(f"the peer ended the connection after {len(data)} of {size} bytes")
            data += more
        return data

    def read_frame(self):
        """(flags, body)"""
        flags = self.read(1)[0]
        size = struct.unpack(">Q", self.read(8))[0] if flags & LONG else self.read(1)[0]
        return flags, self.read(size)

    def read_handshake(self):
        self.read(64)
        flags, body = self.read_frame()
        if not flags & COMMAND or not body.startswith(b"\x05READY"):
            raise ConnectionError(f"no READY but {body[:40]!r}")

    def ended(self, limit):
        """Whether the other side ends the connection within limit seconds, whatever it sends before."""
        self.socket.settimeout(limit)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self):
        self.socket.close()
