"""One accepted connection, from its first request to its end."""

from __future__ import annotations

import io
import time
from http import HTTPStatus
from typing import Any

import gevent

from http1.answer import Answer
from http1.ending.farewell import finish, part
from http1.errors import BodyError, ClientGone, Deserted, Farewell, Refused, WrongAnswer
from http1.request import environ as environs
from http1.request.body import Body
from http1.request.head import Head, Parser
from http1.request.reader import Reader
from http1.site import Refusal, Site
from http1.turns import Turn
from http1.upgrade.handed import Handed


class Connection:
    """One accepted connection. `waiting` for a request's head, `since` that moment and until the moment `until` at most (seconds of the
    monotonic clock); `served` when one has come before. `parting`, since that moment: all is said, and what its client still sends is
    thrown away. `answer`: the last one. `told`: its client has been told that its worker retires.

    A timer for each would cost each request; whoever looks after connections asks `overdue` once in a while.
    """

    __slots__ = (
        "_base",
        "_greenlet",
        "_named",
        "_parser",
        "_reader",
        "_site",
        "_turn",
        "answer",
        "client",
        "parting",
        "served",
        "since",
        "told",
        "until",
        "waiting",
    )

    def __init__(self, site: Site, client: Any, listener: Any, peer: Any) -> None:
        self._site, self.client = site, client
        self._base = environs.base(client, listener, peer, site.multiprocess)
        self._named = isinstance(listener, tuple)
        self._turn = Turn()
        self._reader, self._parser = Reader(client, self._turn), Parser(site.limits)
        self.served, self.waiting, self.since = False, True, time.monotonic()
        self.until = self.since + site.head_timeout
        self.answer: Answer | None = None
        self.told = self.parting = False

    @property
    def half(self) -> bool:
        """Whether a part of a head has come, and the rest has not."""
        return self._reader.half_since is not None

    def overdue(self, now: float) -> bool:
        """Whether a head has been waited for long enough."""
        since = self._reader.half_since
        return self.waiting and (self.until <= now or (since is not None and since + self._site.head_timeout <= now))

    @property
    def lasting(self) -> bool:
        """Whether what is being answered lasts as long as its client likes."""
        return not self.waiting and self.answer is not None and self.answer.lasting

    def say_goodbye(self) -> None:
        """Has the client of what lasts told, by its protocol, that it ends here: by a close frame with 1012, or the end of an event stream.
        Now, or when the frame or event that is under way ends. Never waits, and is called outside the connection's own greenlet."""
        answer = self.answer
        if self.told or answer is None:
            return
        self.told = answer.ending = True
        if answer.handed is not None:
            answer.handed.say_goodbye()
        else:
            # In the hub, where nothing can come between the look and the throw.
            gevent.get_hub().loop.run_callback(self._end_events, answer)

    def _end_events(self, answer: Answer) -> None:
        if answer is self.answer and answer.between_events:
            self._greenlet.throw(Farewell())

    def desert(self) -> None:
        """Ends an event stream, as its client has left. Never waits, and is called outside the connection's own greenlet."""
        gevent.get_hub().loop.run_callback(self._desert, self.answer)

    def _desert(self, answer: Answer | None) -> None:
        if answer is not None and answer is self.answer and answer.streaming:
            self._greenlet.throw(Deserted())

    def serve(self) -> None:
        """Answers one request after the other, and closes the connection. Raises nothing."""
        site = self._site
        self._greenlet = gevent.getcurrent()
        try:
            while self._next():
                self.served = True
                self.waiting, self.since = True, time.monotonic()
                self.until = self.since + site.keepalive
        except OSError as error:
            site.log.debug("connection lost: %s", error)
        finally:
            self.client.close()

    def _next(self) -> bool:
        """Answers the next request; whether another one can follow."""
        site = self._site
        data: bytes | None = None
        try:
            data = self._reader.head(site.limits)
            if data is None:
                return False
            self.waiting = False
            environ = self._base.copy()
            head = self._parser.parse(data, environ)
        except Refused as refused:
            self.waiting = False
            self._refuse(refused, data or refused.read)
            return False
        if not self._named:
            environs.name_by_host(environ)
        site.begin()
        try:
            return self._answer(head, environ)
        finally:
            site.end()

    def _answer(self, head: Head, environ: dict[str, Any]) -> bool:
        site = self._site
        answer = self.answer = Answer(self.client, head, site.leaving, self._turn)
        body = None
        if head.length == 0:
            environ["wsgi.input"] = io.BytesIO()
        else:
            body = Body(self._reader, head.length, site.limits, answer.proceed if head.expects else None)
            environ["wsgi.input"] = answer.body = body
        if head.upgrade:
            environ["gunicorn.socket"] = answer.handed = Handed(self.client, self._turn)
        environ["wsgi.early_hints"] = answer.early_hints
        environ["http1.answer"] = answer
        self._run(environ, answer)
        if answer.aborted or answer.take_over() or (answer.handed is not None and answer.handed.touched):
            return False
        unread = body is not None and not body.done
        if not answer.close and (body is None or not unread or self._finish(body)):
            return True
        if unread or self._reader.holds:
            self._take_leave()
        return False

    def _finish(self, body: Body) -> bool:
        """Whether the next request can be read."""
        self.parting, self.since = True, time.monotonic()
        self.parting = not finish(body)
        return not self.parting

    def _take_leave(self) -> None:
        self.parting, self.since = True, time.monotonic()
        part(self.client, self._turn)

    def _run(self, environ: dict[str, Any], answer: Answer) -> None:
        """Has the application answer."""
        result: Any = None
        try:
            result = self._site.application(environ, answer.start)
            for piece in result:
                answer.write(piece)
                if answer.complete:
                    break
            answer.finish()
        except Farewell:
            self._part(answer)
        except (ClientGone, Deserted):
            answer.aborted = answer.aborted or "client"
        except BaseException as error:
            self._fail(environ, answer, error)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                try:
                    close()
                except BaseException:
                    self._log(environ, "Error closing the answer to")

    def _fail(self, environ: dict[str, Any], answer: Answer, error: BaseException) -> None:
        """The application has raised something, be it SystemExit: 500, or, when the answer has begun, its end without an end."""
        if answer.take_over():
            # Libraries have nothing to answer after that, and raise what they raise: StopIteration flask-sock.
            return
        if isinstance(error, WrongAnswer):
            self._site.log.error("%s %s: %s", environ["REQUEST_METHOD"], environ["RAW_URI"], error)
        elif not isinstance(error, BodyError):
            self._log(environ, "Error handling request")
        if answer.begun:
            answer.aborted = "application"
            return
        status = HTTPStatus.BAD_REQUEST if isinstance(error, BodyError) else HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            answer.replace(status)
        except ClientGone:
            answer.aborted = answer.aborted or "client"

    def _part(self, answer: Answer) -> None:
        """An event stream ends where its worker does: properly, so that its client takes it for over and comes again."""
        answer.close = True
        try:
            answer.finish()
        except ClientGone:
            answer.aborted = answer.aborted or "client"

    def _log(self, environ: dict[str, Any], text: str) -> None:
        self._site.log.exception("%s %s %s", text, environ["REQUEST_METHOD"], environ["RAW_URI"])

    def _refuse(self, refused: Refused, data: bytes) -> None:
        """Answers a request that is none, and takes leave of its client."""
        status = refused.status
        line = data.partition(b"\r\n")[0]
        answer = Answer(self.client, Head(line, "HEAD" if line[:5] == b"HEAD " else "", 1), self._site.leaving, self._turn)
        try:
            answer.replace(status)
        finally:
            self._site.refused(Refusal(status.value, refused.args[0], self._base["REMOTE_ADDR"], line, answer.sent))
        self._take_leave()
