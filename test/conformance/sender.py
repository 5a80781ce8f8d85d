"""What one who means harm sends, and a sink that takes it all: each a process of its own, run as a script.

    sender.py sink                              prints its port, and takes whatever anybody sends
    sender.py pour HOST PORT PATH FRAMING       a body without end, on one connection after the other, as fast as it is taken
    sender.py heads HOST PORT COUNT             so many connections with half a head on each; one that is closed is opened anew
    sender.py bodies HOST PORT COUNT            so many uploads of a byte a second
    sender.py seconds HOST PORT COUNT           the same, after a whole request that is answered
    sender.py drips HOST PORT COUNT             so many heads of a byte a second
    sender.py refusals HOST PORT COUNT          so many requests that are none; whoever is told so stays

Until it is killed. Each kind prints a line when all its connections are open, or its first body flows.
"""

from gevent import monkey

monkey.patch_all()

import socket  # noqa: E402  # after the patches, as all below
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

BLOCK = 65536
# In chunks, no announced length could be refused.
FRAMINGS = {"length": "Content-Length: 1000000000000", "chunked": "Transfer-Encoding: chunked", "small": "Content-Length: 90000"}


def sink() -> None:
    def take(client, _):
        waste = bytearray(BLOCK)
        while client.recv_into(waste):
            pass

    server = StreamServer(("127.0.0.1", 0), take, backlog=4096)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


def pour(address, path, framing) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\n{FRAMINGS[framing]}\r\n\r\n".encode()
    block = b"x" * BLOCK
    if framing == "chunked":
        block = b"%x\r\n%b\r\n" % (len(block), block)
    told = False
    while True:
        with socket.create_connection(address) as client:
            try:
                client.sendall(head)
                while True:
                    client.sendall(block)
                    if not told:
                        told = True
                        print("flowing", flush=True)
            except OSError:
                continue


def stay(client) -> None:
    """Until sending fails."""
    while True:
        gevent.sleep(1)
        client.sendall(b"a")


def hold(address, count, kind) -> None:
    opened = 0

    def one() -> None:
        nonlocal opened
        first = True
        while True:
            try:
                with socket.create_connection(address, timeout=60) as client:
                    client.sendall(STARTS[kind])
                    opened, first = opened + first, False
                    while True:
                        client.settimeout(1)
                        try:
                            # An end, or an answer that nobody wants. Who stays sees his own place only when it is taken from him.
                            if not client.recv(BLOCK):
                                if kind == "refusals":
                                    stay(client)
                                break
                        except TimeoutError:
                            if kind in ("bodies", "drips"):
                                client.sendall(b"a")
            except OSError:
                pass
            gevent.sleep(0.2)

    for number in range(count):
        gevent.spawn_later(number / 1000, one)
    while opened < count:
        gevent.sleep(0.05)
    print("all open", flush=True)
    gevent.sleep(3600)


STARTS = {
    "heads": b"GET / HTTP/1.1\r\nHost: h\r\nA: ",
    "seconds": b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nA: ",
    "drips": b"GET / HTTP/1.1\r\nHost: h\r\nA: ",
    "refusals": b"nonsense\r\n\r\n",
    "bodies": b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n",
}

if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "sink":
        sink()
    elif kind == "pour":
        pour((rest[0], int(rest[1])), rest[2], rest[3])
    else:
        hold((rest[0], int(rest[1])), int(rest[2]), kind)
