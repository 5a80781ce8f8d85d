"""A socket in an application's hands: what it sends arrives whole, is counted, and can be ended between two frames."""

from __future__ import annotations

import subprocess
import sys

import pytest

# gevent's patches are for a process of its own.
CODE = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, socket
from http1.upgrade.handed import Handed
from http1.turns import Turn
here, there = socket.socketpair()
handed = Handed(here, Turn())
HEAD = b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n"
SMALL = b"\\x81\\x02hi"
BIG = b"\\x82\\x7f" + (4_000_000).to_bytes(8, "big") + b"x" * 4_000_000
def bye():
    handed.say_goodbye()
    return handed.told
def read(count):
    got = b""
    while len(got) < count:
        piece = there.recv(min(65536, count - len(got)))
        assert piece, "the end"
        got += piece
    return got
"""

CASES = {
    "what nobody has taken is not told anything": "assert not bye() and not handed.taken",
    "a head in two pieces is a head": """
handed.send(HEAD[:20]); assert (handed.taken, handed.status) == (True, 0) and not bye()
handed.send(HEAD[20:]); assert (handed.status, handed.sent) == (101, len(HEAD))
assert handed.told and read(len(HEAD) + 4)[-4:] == b"\\x88\\x02\\x03\\xf4"
""",
    "what stands behind the head in one piece is a frame": """
handed.send(HEAD + SMALL[:3]); assert not bye()
handed.send(SMALL[3:]); assert handed.told and read(len(HEAD + SMALL) + 4)[-4:] == b"\\x88\\x02\\x03\\xf4"
""",
    "a send that its reader is slow for goes out whole": """
handed.send(HEAD); sender = gevent.spawn(handed.send, BIG); gevent.sleep(0.05)
assert not sender.ready() and not bye()
read(len(HEAD)); assert read(len(BIG)) == BIG
assert sender.get() == len(BIG) and handed.sent == len(HEAD) + len(BIG) and handed.told
""",
    "two greenlets' frames do not mix": """
handed.send(HEAD); senders = [gevent.spawn(handed.sendall, BIG) for _ in range(2)]
read(len(HEAD)); assert read(2 * len(BIG)) == BIG * 2
""",
    "after the goodbye an application's send fails as if the client had gone": """
handed.send(HEAD); assert bye() and bye()
try:
    handed.send(SMALL)
except BrokenPipeError:
    pass
else:
    raise AssertionError
there.send(b"x"); assert handed.recv(1) == b"x"
""",
    "an answer that is no upgrade is counted and not told": """
handed.sendall(b"HTTP/1.1 400 Bad Request\\r\\nContent-Length: 0\\r\\n\\r\\n"); assert handed.status == 400 and not bye()
""",
    "an upgrade to something else is not told": """
handed.sendall(b"HTTP/1.1 101 Switching\\r\\nUpgrade: tcp\\r\\n\\r\\n"); assert handed.status == 101 and not bye()
""",
    "what is no answer at all is an error": """
handed.sendall(b"hello\\r\\n\\r\\n"); assert handed.status == 500 and not bye()
""",
    "a client that takes nothing is not waited for": """
handed.send(HEAD); here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096); here.setblocking(False)
try:
    while True:
        here._sock.send(b"\\x82\\x00" * 1000, socket.MSG_DONTWAIT)
except BlockingIOError:
    pass
assert bye()
""",
    "what is received in one go is work as what is sent is": """
import http1.turns
turns = []; http1.turns.give_way = lambda: turns.append(1)
sender = gevent.spawn(there.sendall, b"x" * 2_000_000)
left, place = 2_000_000, bytearray(65536)
while left > 1_000_000: left -= len(handed.recv(65536))
received = len(turns); assert 3 <= received <= 8
while left: left -= handed.recv_into(place)
assert len(turns) >= received + 3 and handed.touched
""",
    "pieces that are sent together arrive together": """
assert handed.sendmsg([HEAD, SMALL]) == len(HEAD + SMALL) == len(read(len(HEAD + SMALL)))
""",
}


@pytest.mark.parametrize("case", CASES)
def test_handed(case: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE + CASES[case]], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
