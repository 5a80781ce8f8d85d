"""What is known of the request that is being answered, by whoever answers or logs."""

from __future__ import annotations

import contextvars

from raab.web.wsgi import WSGIEnvironment

# The id of the request that is being answered; gevent gives each greenlet its own.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("raab.request_id", default="")

# The paths of health, which stay raab's own.
PATHS = ("/livez", "/readyz")
# The trial before a reload, and a worker before it serves, set this in the WSGI environment, where no client can. They are told the
# reasons, and are not turned away by a drain: a drained host may be reloaded.
CHECK = "handover.check"
# Set by the edge for a request by which raab itself proves on the host which release serves.
PROOF = "raab.proof"
# Set where the answer is "draining": a 503 that the operator wants, and no error.
DRAINED = "raab.drained"

# Where it was answered: the prefix of the mount, and the route as it was declared. They are for counters, of which there must be few, so
# that nothing of what a client sends may be in them.
MOUNT = "raab.mount"
ROUTE = "raab.route"
# The body as the edge has limited it, also where a middleware has put something of its own around it.
BODY = "raab.body"
# Set where a route may have a larger body than others.
BODY_LIMIT = "raab.body_limit"


def asked_by_raab(environ: WSGIEnvironment) -> bool:
    """Whether the request is the host's own and no client's."""
    return CHECK in environ or PROOF in environ


def is_health(environ: WSGIEnvironment, public: bool) -> bool:
    """Whether health is asked for, of which only the host's own questions are answered where it is not for the `public`."""
    return environ.get("PATH_INFO") in PATHS and (public or asked_by_raab(environ))
