from __future__ import annotations

from pathlib import Path

from raab.host.activation.switch import restore, switch
from raab.host.paths import Paths
from raab.host.releases import current_release


def test_current_is_replaced_at_once_also_after_an_interrupted_switch(tmp_path: Path) -> None:
    paths = Paths("raab", opt=tmp_path)
    paths.root.mkdir()
    switch(paths, "20261122T061500Z-1a2b3c4")
    assert current_release(paths) == "20261122T061500Z-1a2b3c4"
    (paths.root / "current.part").symlink_to("releases/rest-of-an-interrupted-one")
    switch(paths, "20261122T061501Z-1a2b3c5")
    assert paths.current.readlink() == Path("releases/20261122T061501Z-1a2b3c5")
    restore(paths, None)
    assert current_release(paths) is None
