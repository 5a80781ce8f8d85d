"""test/ mirrors src/: whoever reads a room finds its tests by its name, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SRC, TEST = ROOT / "src", ROOT / "test"
# What has no room of its own, and why.
OTHERS = {
    "conformance": "what clients may send and must get, asked of src/http1 and src/raab/web from outside, directly and through proxies",
    "docs": "the pages of docs/, each command typed, the made ones compared with what they are made of",
    "lab": "all that needs hosts, of every room; src/raab/lab has test_lab.py and test_parts.py there",
    "project/locks": "locks as other tools write them, for test_lock.py",
}
# Rooms whose tests stand elsewhere, and where.
ELSEWHERE = {
    "handover/decision": "handover",  # one machine of states, entered by the master
    "handover/outside": "handover",
    "handover/settings": "handover",
    "handover/workers": "handover",
    "raab/config": "raab/factory",  # three files of settings; test_configFactory.py reads them
    "raab/drill/acts": "lab",  # each is broken on purpose in test_drills.py
    "raab/host/activation/proof": "host/activation",
    "raab/host/running": "lab/deploy",  # systemd runs it, test_run.py
    "raab/modules/greeting": "raab/modules",
    "raab/modules/home": "raab/modules",
    "raab/protocol": "",  # test_protocol.py
    "raab/settings": "raab/factory",  # what it reads is what the factory is made by: test_configFactory.py
    "raab/web/believed": "raab/web",  # asked through all that a request passes
    "raab/web/bodies": "raab/web",
    "raab/web/edge": "raab/web",
    "raab/web/elsewhere": "raab/web",
    "raab/web/flask": "raab/web",
}


def folders(root: Path, pattern: str) -> Iterator[str]:
    """Those with such a file in them, by their path."""
    yield from sorted({path.parent.relative_to(root).as_posix() for path in root.rglob(pattern)} - {"."})


def counterpart(folder: str) -> Path:
    """The application's rooms stand in test/raab, and packages beside it by their own name; the tools' rooms, without `raab`."""
    return SRC / folder if (SRC / folder).is_dir() else SRC / "raab" / folder


def test_each_folder_of_tests_is_a_rooms() -> None:
    strangers = [folder for folder in folders(TEST, "*.py") if not counterpart(folder).is_dir()]
    assert [folder for folder in strangers if not folder.startswith(tuple(OTHERS))] == []
    assert [folder for folder in OTHERS if not (TEST / folder).is_dir()] == []


def test_each_room_has_its_folder_of_tests() -> None:
    """Or is named here, with where they are; a room that has one is not."""
    rooms = [room for room in folders(SRC, "*.*") if "__pycache__" not in room and ".egg-info" not in room]
    without = {room for room in rooms if not any((TEST / name).is_dir() for name in (room, room.removeprefix("raab/")))}
    assert without == ELSEWHERE.keys()
    assert [room for room, place in ELSEWHERE.items() if not [*(TEST / place).glob("test_*.py")]] == []
