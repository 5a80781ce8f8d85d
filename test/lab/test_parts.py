"""The lab's pure decisions, which need neither root nor hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.lab import image, needs
from raab.lab.network import is_unused
from raab.lab.numbers import choose, claim
from raab.lab.presence import is_part
from raab.lab.process import Process
from raab.lab.state import Ground, Lab, LabHost, find, host, hosts, named, read_ground, write_ground


def test_lab_is_named_by_argument_then_environment_then_default() -> None:
    """An explicit name wins over RAAB_LAB, which wins over `demo`; RAAB_LAB_DIR says where labs live."""
    assert named("a", {"RAAB_LAB": "b"}).name == "a"
    assert named("", {"RAAB_LAB": "b"}).name == "b"
    assert named("", {}) == Lab("demo", Path("/var/lib/raab-lab"))
    assert named("", {"RAAB_LAB_DIR": "/x"}).home == Path("/x/labs/demo")


@pytest.mark.parametrize("name", ["Big", "a-b", "1st", "../up", "seventeenletters1"])
def test_a_name_that_could_do_harm_is_refused(name: str) -> None:
    """Names end up in paths and host names."""
    with pytest.raises(RaabError, match="not a name for a lab, got"):
        named(name)


def test_a_relative_store_is_refused() -> None:
    """The hosts outlive the command, whose working directory means nothing to them."""
    with pytest.raises(RaabError, match="RAAB_LAB_DIR: not an absolute path, got 'x'"):
        named("", {"RAAB_LAB_DIR": "x"})


def test_a_number_that_somebody_uses() -> None:
    """A bridge or a route in the way; `default` and host routes elsewhere are none."""
    routes = ["default", "192.168.0.0/24", "10.0.0.7", "10.91.3.0/24", "10.91.4.17"]
    assert [number for number in range(1, 7) if is_unused(number, ["rl2", "eth0"], routes)] == [1, 5, 6]
    assert not is_unused(1, [], ["10.0.0.0/8"])


def choice(home: str, known: dict[str, int], there: str = "", used: tuple[int, ...] = ()) -> int:
    return choose(home, known, lambda other: other in there.split(), lambda number: number not in used)


def test_a_lab_has_the_number_that_it_had() -> None:
    """Made anew or new; not one that is another's, be that one up, off, or gone for now."""
    assert choice("/a", {}) == 1
    assert choice("/a", {"/a": 7}) == 7
    assert choice("/b", {"/a": 1, "/c": 2}, there="/c") == 3
    assert choice("/a", {"/a": 7}, used=(7, 1)) == 2
    # Written down twice, as when a register was lost: whoever is there keeps it.
    assert choice("/a", {"/a": 7, "/b": 7}, there="/b") == 1


def test_when_all_numbers_have_been_had() -> None:
    """Labs that are there no more make room; those that are there never."""
    known = {f"/{number}": number for number in range(1, 255)}
    there = " ".join(f"/{number}" for number in range(1, 255) if number != 9)
    assert choice("/new", known, there) == 9
    with pytest.raises(RaabError, match="no subnet is left"):
        choice("/new", known, f"{there} /9")


def test_a_number_is_claimed_for_all_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two labs of one name in two folders, neither of them up yet; and one again whose folder was removed."""
    monkeypatch.setattr("raab.lab.network.unused", lambda: lambda number: True)
    register = tmp_path / "numbers.json"
    one, two = (named("x", {"RAAB_LAB_DIR": str(tmp_path / folder)}) for folder in "ab")
    assert [claim(one, register), claim(two, register), claim(one, register), claim(two, register)] == [1, 2, 1, 2]
    register.write_text("{")
    write_ground(two, Ground(2, "base"))
    assert claim(two, register) == 2
    assert claim(named("y", {"RAAB_LAB_DIR": str(tmp_path / "b")}), register) == 1


def test_interface_names_fit_the_kernel() -> None:
    """The longest interface name of a lab has at most the kernel's 15 characters."""
    longest = host(Lab("sixteenletters16", Path("/x")), Ground(254, "base"), 99)
    assert len(longest.link) <= 15
    assert longest.address == "10.91.254.109"


def test_hosts_are_read_from_the_folders(tmp_path: Path) -> None:
    """Hosts are what has a folder, ordered by number; half-made ones do not count; without a lab there are none."""
    lab = Lab("demo", tmp_path)
    assert hosts(lab) == ()
    write_ground(lab, Ground(7, "base-x"))
    assert read_ground(lab) == Ground(7, "base-x")
    for name in ("demo-10", "demo-2", "demo-3.part", "other"):
        (lab.home / "hosts" / name).mkdir(parents=True)
    assert [(one.name, one.address) for one in hosts(lab)] == [("demo-2", "10.91.7.12"), ("demo-10", "10.91.7.20")]
    assert find(lab, "demo-10").number == 10
    with pytest.raises(RaabError, match="no such host, got 'demo-1'\nhint: its hosts are: demo-2, demo-10"):
        raise_text(lab, "demo-1")


def raise_text(lab: Lab, name: str) -> LabHost:
    """`find`, with the whole of an error's text as its message."""
    try:
        return find(lab, name)
    except RaabError as error:
        raise RaabError(str(error)) from error


def test_a_broken_state_file_is_named(tmp_path: Path) -> None:
    """The error says which file it was and what to do."""
    lab = Lab("demo", tmp_path)
    lab.home.mkdir(parents=True)
    (lab.home / "lab.json").write_text("[]")
    with pytest.raises(RaabError, match=r"lab\.json: not a lab's state"):
        read_ground(lab)


def test_host_one_is_not_host_ten() -> None:
    """Processes are told apart by whole names, in command lines as in control groups."""
    lab, ground = Lab("demo", Path("/x")), Ground(1, "base")
    one, ten = host(lab, ground, 1), host(lab, ground, 10)
    for process in (
        Process(5, 1, (), ("/raab-lab/rl1-10/payload/init.scope",)),
        Process(5, 1, (), ("/raab-lab/rl1-10",)),
        Process(5, 1, (), ("/system.slice/raab-lab-rl1-10.scope/payload",)),
        Process(5, 1, ("sh", "-euc", "...", "raab-lab-host", str(ten.home), "/base"), ("/",)),
        Process(5, 1, ("systemd-nspawn", f"--directory={ten.root}", "--boot"), ("/",)),
    ):
        assert is_part(process, ten)
        assert not is_part(process, one)
    assert not is_part(Process(5, 1, ("ls", str(one.home)), ("/",)), one), "a person who looks is not part of the host"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], "http://deb.debian.org/debian"),
        (["Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm\n"], "http://mirror.example/debian"),
        (["deb [signed-by=/k.gpg] https://m.example/pub/debian bookworm main"], "https://m.example/pub/debian"),
        (["# deb http://no.example/debian bookworm main\ndeb http://yes.example/debian bookworm main"], "http://yes.example/debian"),
        (["deb http://security.example/debian-security bookworm-security main"], "http://deb.debian.org/debian"),
        (["deb http://archive.ubuntu.com/ubuntu jammy main"], "http://deb.debian.org/debian"),
    ],
)
def test_the_machines_own_mirror_is_used(sources: list[str], expected: str) -> None:
    """The first Debian mirror that apt uses builds the image, in either format of apt's lists."""
    assert image.mirror(sources) == expected


def test_what_is_missing_is_said_with_the_way_out() -> None:
    """Not Linux, not root, a program missing: one sentence each, and what to do."""
    assert needs.missing("linux", 0, lambda program: program) is None
    for reason, said, way in (
        (needs.missing("darwin", 0, lambda program: program), "got 'darwin'", "use Linux"),
        (needs.missing("linux", 1000, lambda program: program), "got user id 1000", "as root"),
        (needs.missing("linux", 0, lambda program: None if program == "systemd-nspawn" else program), "called systemd-nspawn",
         "apt-get install systemd-container"),
    ):  # fmt: skip
        assert reason is not None
        assert said in reason.message
        assert way in reason.hint
