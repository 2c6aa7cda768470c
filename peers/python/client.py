"""The other end of a crossing connection, written from crates/crossing/docs/wire.md alone.

    client.py connect unix PATH | connect tcp HOST:PORT | listen unix PATH | listen tcp HOST:PORT

It sends a message of each length in LENGTHS (and one as long as agreed), receives the same from the other end, says that it
sends no more, and expects the other to do so. A listener writes the address it listens at, followed by a newline.
"""

import socket
import struct
import sys

MAGIC, VERSION, MECHANISM = b"CROSSING", 3, {"unix": 3, "tcp": 4}
MAX_MESSAGE = 100_000
LENGTHS = [0, 1, 5, 0, 4096, 70_000]
END = b"\xff" * 4


def open_socket(how, kind, address):
    if kind == "tcp":
        host, port = address.rsplit(":", 1)
        address = (host, int(port))
    sock = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET, socket.SOCK_STREAM)
    if how == "listen":
        sock.bind(address)
        sock.listen()
        print(address if kind == "unix" else "%s:%d" % sock.getsockname(), flush=True)
        sock, _ = sock.accept()
    else:
        sock.connect(address)
    if kind == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(20)
    return sock


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError(f"{len(data)} bytes of {count}")
        data += piece
    return data


def shake_hands(sock, kind):
    sock.sendall(struct.pack("<8sHBBIIHHQ", MAGIC, VERSION, MECHANISM[kind], 0, MAX_MESSAGE, 0, 0, 0, 0))
    fields = struct.unpack("<8sHBBIIHHQ", read_exactly(sock, 32))
    magic, version, mechanism, flags, max_message, reserved1, _core, reserved2, reserved3 = fields
    assert (magic, version, mechanism, flags) == (MAGIC, VERSION, MECHANISM[kind], 0), fields
    assert (reserved1, reserved2, reserved3) == (0, 0, 0), fields
    assert max_message <= 64 << 20, fields
    return min(max_message, MAX_MESSAGE)


def message(length):
    return bytes((length + i) % 251 for i in range(length))


def main():
    how, kind, address = sys.argv[1:]
    sock = open_socket(how, kind, address)
    max_message = shake_hands(sock, kind)
    lengths = LENGTHS + [max_message]
    for length in lengths:
        sock.sendall(struct.pack("<I", length) + message(length))
    for expected in lengths:
        (length,) = struct.unpack("<I", read_exactly(sock, 4))
        assert length == expected, (length, expected)
        assert read_exactly(sock, length) == message(length), f"message of {length} bytes"
    sock.sendall(END)
    sock.shutdown(socket.SHUT_WR)
    assert read_exactly(sock, 4) == END, "the other end closes"
    assert sock.recv(1) == b"", "the other end sends no more"


main()
