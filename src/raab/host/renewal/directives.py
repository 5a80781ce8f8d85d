"""What only a start takes up of the unit: its limits, its sandbox, its command. What those were at the last one is kept since then."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from raab.host import systemd
from raab.host.paths import UNIT

# Root's own, and gone with the next boot: kept by ExecStartPost=, when nobody waits for the service any more.
KEPT = Path("/run/raab-started.json")
# Memory, processor and task limits are not among them: systemd sets these for a running service as soon as it has read them.
_AT_A_START = re.compile(
    r"AmbientCapabilities|AppArmorProfile|Bind(ReadOnly)?Paths|CPU(Affinity|Scheduling\w+)|CapabilityBoundingSet|CoredumpFilter|DynamicUser"
    r"|Exec(Paths|SearchPath|Start|StartPre)|FileDescriptorStoreMax|Group|IOScheduling\w+|IPCNamespacePath|IgnoreSIGPIPE"
    r"|InaccessiblePaths|KeyringMode|Limit[A-Z]+|LockPersonality|(Runtime|State|Cache|Logs|Configuration)Directory\w*"
    r"|MemoryDenyWriteExecute|Mount(APIVFS|Flags)|NUMA(Mask|Policy)|Network(NamespacePath)|Nice|NoExecPaths|NoNewPrivileges|NotifyAccess"
    r"|OOMScoreAdjust|Personality|Private\w+|ProcSubset|Protect\w+|Read(Only|Write)Paths|RemoveIPC|Restrict\w+|Root\w+|SELinuxContext"
    r"|SecureBits|Slice|Standard(Input|Output|Error)|SupplementaryGroups|SyslogIdentifier|SystemCall\w+|TemporaryFileSystem|TimerSlackNSec"
    r"|Type|UMask|User|WatchdogUSec|WorkingDirectory"
)


def of_unit() -> dict[str, str]:
    """As systemd has them by now."""
    text = systemd.must("systemctl", "show", "--all", "--no-pager", UNIT)
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    # Behind a command stands what became of it.
    return {name: value.partition(" ; ignore_errors=")[0] for name, value in found.items() if _AT_A_START.fullmatch(name)}


def keep() -> None:
    """Those of the start that has just been."""
    part = KEPT.with_suffix(".part")
    part.write_text(json.dumps(of_unit()))
    part.replace(KEPT)


def changed(held: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The names of those that differ. One that only a newer systemd knows is none; but of a command that is not there, none has a word."""
    known = held.keys() & wanted.keys() | {name for name in (*held, *wanted) if name.startswith("Exec")}
    return sorted(name for name in known if held.get(name) != wanted.get(name))


def since_the_start() -> list[str]:
    """The names of those that the next start takes up, and the running service has not."""
    return changed(json.loads(KEPT.read_bytes()), of_unit()) if KEPT.exists() else []
