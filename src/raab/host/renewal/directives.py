"""What only a start takes up of the unit: its limits, its sandbox, its command. What those were at the last one is kept since then."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from raab.host import systemd
from raab.host.paths import Paths

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


def of_unit(paths: Paths) -> dict[str, str]:
    """As systemd has them by now."""
    text = systemd.must("systemctl", "show", "--all", "--no-pager", paths.unit)
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    # Behind a command stands what became of it.
    return {name: value.partition(" ; ignore_errors=")[0] for name, value in found.items() if _AT_A_START.fullmatch(name)}


def keep(paths: Paths) -> None:
    """Those of the start that has just been: by ExecStartPost=, when nobody waits for the service any more."""
    part = paths.started.with_suffix(".part")
    part.write_text(json.dumps(of_unit(paths)))
    part.replace(paths.started)


def changed(held: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The names of those that differ. One that only a newer systemd knows is none; but of a command that is not there, none has a word."""
    known = held.keys() & wanted.keys() | {name for name in (*held, *wanted) if name.startswith("Exec")}
    return sorted(name for name in known if held.get(name) != wanted.get(name))


def since_the_start(paths: Paths) -> list[str]:
    """The names of those that the next start takes up, and the running service has not."""
    return changed(json.loads(paths.started.read_bytes()), of_unit(paths)) if paths.started.exists() else []
