"""HTTP/1.1 to WSGI (PEP 3333) over one gevent socket: a request is read, given to the application and answered, then the next one.

Law of this package: it imports the standard library, gevent and httptools, and knows neither raab nor the hand-over. In the order of a
request: `head` (a pure function of bytes) after `reader` (the only one that receives), `environ`, `body`, the application, `answer` (the
only one that sends), `connection` for all of it, `farewell` for the rest of what a client still sends.
"""

from __future__ import annotations

from http1.connection import Connection
from http1.ending.deserters import end_deserted
from http1.ending.goodbyes import Goodbyes
from http1.ending.patience import Patience
from http1.limits import Limits
from http1.site import Refusal, Site

__all__ = ["Connection", "Goodbyes", "Limits", "Patience", "Refusal", "Site", "end_deserted"]
