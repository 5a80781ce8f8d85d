"""A body in chunks, for an application that reads by Content-Length alone, as PEP 3333 has it."""

from __future__ import annotations

import tempfile

from raab.web.wsgi import WSGIEnvironment

# Bytes of which no file is made, and those that are read at a time.
_HELD, _PIECE = 1_048_576, 65_536


def gather(environ: WSGIEnvironment) -> None:
    """Reads the body to its end, within its limit, and tells its length, where only its end would. Raises Refusal for one that is too large
    or broken.

    Without this, such an application takes the body for none, and answers as if there were one.
    """
    if "HTTP_TRANSFER_ENCODING" not in environ or environ.get("CONTENT_LENGTH"):
        return
    whole = tempfile.SpooledTemporaryFile(max_size=_HELD)  # noqa: SIM115  # the request's, and closed with it
    while piece := environ["wsgi.input"].read(_PIECE):
        whole.write(piece)
    del environ["HTTP_TRANSFER_ENCODING"]
    environ["CONTENT_LENGTH"] = str(whole.tell())
    whole.seek(0)
    environ["wsgi.input"] = whole
