"""Cases of a deploy that is disturbed, as data: what is done, and what is then so. Tests run them; a page of docs/ shows them."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One disturbance. `says` is a part of what the verb prints, `serves` is what each host serves afterwards, `lost` how many requests
    of those that were sent all the while; None where the service is stopped by the case itself."""

    name: str
    done: str
    code: int
    says: str
    serves: str
    lost: int | None = 0


# What a colleague, or needrestart, does on the host in the middle of an activation.
COLLEAGUES = (
    Case("restarted while the release is loaded", "systemctl restart raab", 0, "waiting for that", "new"),
    Case("restarted while new workers take over", "systemctl restart raab", 0, "waiting for that", "new"),
    Case("restarted while it is proved", "systemctl restart raab", 0, "deployed", "new"),
    Case("reloaded while the release is loaded", "systemctl reload raab", 0, "deployed", "new"),
    Case("reloaded while new workers take over", "systemctl reload raab", 0, "deployed", "new"),
    Case("master killed while new workers take over", "systemctl kill -s KILL --kill-who=main raab", 0, "waiting for that", "new"),
    Case("stopped while the release is loaded", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
    Case("stopped while new workers take over", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
    Case("stopped while it is proved", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
)
# An activation that hangs, and `fab unlock --force`; the code is unlock's.
HANGING = (
    Case("hangs before the switch", "a hook before_activate that does not end", 0, "was ended", "old"),
    Case("hangs after the switch", "a hook after_activate that does not end", 0, "was ended", "old"),
    Case("is stopped by a signal while the release is loaded", "kill -STOP of the activation", 0, "was ended", "old"),
    Case("does not listen when it is told to end", "a process in its place that ignores SIGTERM", 0, "was ended", "old"),
)
