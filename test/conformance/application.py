"""The application of these tests, as a project of somebody's would be mounted: raw WSGI views that do every kind of wrong, and Flask."""

import hashlib
import json
import time

import gevent
from flask import Flask, request

flask = Flask("flask")
# What has arrived here since somebody asked; what innocent clients and the tests' own questions ask does not count.
seen = []
QUIET = ("/innocent/", "/probe/", "/seen")


@flask.post("/data")
def data():
    """Reads the body as nearly every view does."""
    return str(len(request.get_data()))


@flask.post("/form")
def form():
    return str(len(request.form))


@flask.post("/json")
def deep():
    return str(type(request.get_json()))


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if not path.startswith(QUIET):
        seen.append(f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']}{path}")
    if path.startswith("/flask/"):
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/flask", path[6:]
        return flask(environ, start_response)
    return VIEWS.get(path, echo)(environ, start_response)


def plain(start_response, body, status="200 OK", *fields):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields])
    return [body]


def echo(environ, start_response):
    """What was asked; the nonce of an innocent client is in its path."""
    body = environ["wsgi.input"].read()
    said = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} length={len(body)} {hashlib.md5(body).hexdigest()}"
    return plain(start_response, said.encode("latin-1"))


def unread(environ, start_response):
    return plain(start_response, b"unread")


def half(environ, start_response):
    return plain(start_response, b"length=%d" % len(environ["wsgi.input"].read(5)))


def stream(environ, start_response):
    """An answer of unknown length."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"part %d\n" % number for number in range(5))


def nothing(environ, start_response):
    return plain(start_response, b"")


def with_status(status):
    def view(environ, start_response):
        """With a body that must not be sent."""
        start_response(status, [("Content-Type", "text/plain")])
        return [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]

    return view


def of_length(announced, *parts):
    """An answer that announces a length and has another."""

    def view(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(announced))])
        return iter(parts)

    return view


def raising(error, after=None):
    """Raises in the view itself (None), or in its iterable after so many parts; with `parts` of known length where there are any."""

    def view(environ, start_response):
        def parts():
            for _ in range(after):
                yield b"part\n"
            raise error

        if after is None:
            raise error
        start_response("200 OK", [("Content-Type", "text/plain")])
        return parts()

    return view


def caught(environ, start_response):
    """Whether reading the body raised, and what."""
    try:
        environ["wsgi.input"].read()
    except BaseException as error:
        seen.append(f"raised {type(error).__name__}")
        raise
    seen.append("whole")
    return plain(start_response, b"whole")


def swallowing(environ, start_response):
    """Reads the body, and takes any Exception for nothing."""
    try:
        environ["wsgi.input"].read()
    except Exception as error:
        seen.append(f"swallowed {type(error).__name__}")
    return plain(start_response, b"done")


def sleeping(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    return plain(start_response, b"slept")


def upload(environ, start_response):
    """Reads by the line, by small parts, by large ones: as QUERY_STRING says."""
    stream, size = environ["wsgi.input"], environ["QUERY_STRING"]
    count = 0
    while part := (stream.readline() if size == "line" else stream.read(int(size))):
        count += len(part)
    return plain(start_response, b"length=%d" % count)


def tell_seen(environ, start_response):
    told = json.dumps(seen).encode()
    seen.clear()
    return plain(start_response, told)


VIEWS = {
    "/echo": echo, "/unread": unread, "/half": half, "/stream": stream, "/nothing": nothing, "/seen": tell_seen, "/caught": caught,
    "/swallowing": swallowing, "/sleeping": sleeping, "/upload": upload,
    "/204": with_status("204 No Content"), "/304": with_status("304 Not Modified"),
    "/short": of_length(10, b"12345"), "/empty": of_length(10), "/long": of_length(5, b"12345", b"HTTP/1.1 200 OK\r\n\r\n"),
    "/long-at-once": of_length(5, b"12345HTTP/1.1 200 OK\r\n\r\n"),
}  # fmt: skip
for _name, _error in {
    "exit": SystemExit(3), "exit-quietly": SystemExit(), "kill": gevent.GreenletExit(), "interrupt": KeyboardInterrupt(),
    "error": ValueError("wrong"), "stop": StopIteration(),
}.items():  # fmt: skip
    VIEWS[f"/{_name}"] = raising(_error)
    VIEWS[f"/{_name}/0"] = raising(_error, after=0)
    VIEWS[f"/{_name}/2"] = raising(_error, after=2)
