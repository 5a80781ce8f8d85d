from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raab.deploy import environments
from raab.deploy import environments as environment
from raab.deploy.plan import schema
from raab.deploy.plan.environment import Environment
from raab.errors import RaabError

ROOT = Path(__file__).resolve().parents[2]
KEYS = st.sampled_from([*schema.File.__struct_fields__, "host", "wave", "x"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["lab", "100%", "revert"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | KEYS, inner, max_size=3),
    max_leaves=8,
)


def load(tmp_path: Path, text: str) -> Environment:
    (tmp_path / "deploy").mkdir(exist_ok=True)
    (tmp_path / "deploy" / "prod.yaml").write_text(text)
    return environment.load(tmp_path, "prod")


def test_a_host_takes_from_the_environment_what_it_does_not_say_itself(tmp_path: Path) -> None:
    read = load(tmp_path, "hosts:\n  web1:\n  web2: {address: 192.0.2.2, port: 2222, user: ann}\nuser: bob\nport: 22\n")
    one, two = read.hosts
    assert (one.address, one.port, one.user, one.roles) == ("web1", 22, "bob", ("app",))
    assert (two.address, two.port, two.user) == ("192.0.2.2", 2222, "ann")
    assert read.url(two) == "http://192.0.2.2:8000/"
    (six,) = load(tmp_path, "hosts: {web6: {address: '2001:db8::1'}}\n").hosts
    assert read.url(six) == "http://[2001:db8::1]:8000/"


def test_two_sshds_at_one_address_are_two_hosts(tmp_path: Path) -> None:
    assert len(load(tmp_path, "hosts: {a: {address: h, port: 1}, b: {address: h, port: 2}}\n").hosts) == 2


def test_the_example_holds_the_defaults(tmp_path: Path) -> None:
    """It is the documentation, so what it shows is what is used."""
    text = (ROOT / "deploy" / "production.example.yaml").read_text()
    shown = load(tmp_path, text).settings
    bare = load(tmp_path, "hosts: {web1: }\n").settings
    for name in schema.File.__struct_fields__:
        assert name == "hosts" or getattr(shown, name) == getattr(bare, name), name
    commented = "".join(line.removeprefix("# ") + "\n" for line in text.splitlines() if line.startswith(("# hooks:", "#   ", "# identity")))
    assert (
        load(tmp_path, "hosts: {web1: }\n" + commented.replace("  ssh-keyscan", "# ssh-keyscan")).settings.hooks.before_activate is not None
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "deploy/prod.yaml"),
        ("hosts: {}\n", "needs a section with at least one host"),
        ("hosts: lab2\n", "needs a section with at least one host"),
        ("hosts: {web1: {adress: x}}\n", "did you mean 'address'?"),
        ("hosts: {web1: }\nwave: [1]\n", "did you mean 'waves'?"),
        ("hosts: {web1: }\nwaves: [1]\n", "the last wave must be 100%"),
        ("hosts: {web1: }\nwaves: []\n", "waves"),
        ("hosts: {web1: }\nwaves: [0, 100%]\n", "needs a number of hosts or a share of them, got 0"),
        ("hosts: {web1: }\nkeep: 1\n", "keep"),
        ("hosts: {web1: }\nport: 70000\n", "port"),
        ("hosts: {web1: {roles: [db]}}\n", "roles"),
        ("hosts: {'-x': }\n", "not a host's name"),
        ("hosts: {web1: }\non_failure: panic\n", "on_failure"),
        ("hosts: {web1: {address: 'root@web1:2222'}}\n", "{address: web1, user: root, port: 2222}"),
        ("hosts: {web1: {address: '[2001:db8::1]:22'}}\n", "{address: '2001:db8::1', port: 22}"),
        ("hosts: {web1: {address: '-oProxyCommand=reboot'}}\n", "not an address alone"),
        ("hosts: {web1: {address: 'a b'}}\n", "as ssh takes it"),
        ("hosts: {web1: , other: {address: WEB1}}\n", "two names for one address, web1 and other"),
        ("hosts: {a: {address: '2001:db8::1'}, b: {address: '2001:db8:0::1'}}\n", "two names for one address, a and b"),
        ("hosts: {web1: }\nhooks: {before_activate: {command: ''}}\n", "command"),
        (
            "hosts: {web1: }\nhooks: {before_activate: {command: x, write: [data]}}\n",
            "expected an absolute path of plain names, got 'data'",
        ),
        ("hosts: {web1: }\nhooks: {before_activate: {command: x, write: [/srv/../etc]}}\n", "expected an absolute path"),
        ("hosts: {web1: }\nhooks: {before_activate: {command: x, network: maybe}}\n", "network"),
        ("hosts: {web1: }\nhooks: {before_activate: {command: x, timout: 5}}\n", "did you mean 'timeout'?"),
        ("hosts: {web1: }\nhooks: {before_activate: true}\n", "hooks.before_activate: is a section"),
        ("hosts: [\n", "is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RaabError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_choice_of_hosts(tmp_path: Path) -> None:
    read = load(tmp_path, "hosts: {a: , b: , c: }\n")
    assert [host.name for host in read.only("c,a").hosts] == ["a", "c"]
    assert read.only(None) is read
    with pytest.raises(RaabError, match="no such host in prod, got d"):
        read.only("d")
    for nobody in ("", ",", " , "):
        with pytest.raises(RaabError, match="names no host") as caught:
            read.only(nobody)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(("wave", "total", "upto"), [("1", 10, 1), ("25%", 10, 3), ("100%", 7, 7), ("50", 7, 7), ("1%", 3, 1)])
def test_how_far_a_wave_goes(tmp_path: Path, wave: str, total: int, upto: int) -> None:
    assert load(tmp_path, f"hosts: {{a: }}\nwaves: [{wave}, 100%]\n").settings.waves[0].upto(total) == upto


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.dictionaries(KEYS, VALUES, max_size=5), junk=st.text(max_size=10))
def test_no_file_whatever_is_in_it_ends_in_a_traceback(tmp_path: Path, content: dict[str, object], junk: str) -> None:
    """It is read, or refused with a message."""
    import yaml

    for text in (yaml.safe_dump(content, allow_unicode=True), yaml.safe_dump({"hosts": {"a": None}, **content}) + junk):
        try:
            read = load(tmp_path, text)
        except RaabError as error:
            assert str(error)
        else:
            assert read.hosts


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab that the checkout `theirs` has made, as it stands in the lab's own files."""
    (tmp_path / "theirs").mkdir()
    home = tmp_path / "store/labs/demo"
    (home / "hosts/demo-1").mkdir(parents=True)
    (home / "lab.json").write_text(f'{{"number": 7, "base": "b", "owner": "{tmp_path / "theirs"}"}}')
    monkeypatch.setenv("RAAB_LAB_DIR", str(tmp_path / "store"))
    monkeypatch.delenv("RAAB_LAB", raising=False)
    return home


def claimed(read: Environment) -> str:
    try:
        read.claim()
    except RaabError as error:
        assert error.exit_code == 5
        return error.message
    return ""


def test_a_lab_belongs_to_the_checkout_that_made_it(tmp_path: Path, made: Path) -> None:
    """Another one has to name its hosts, or the lab in its own file; it may look without."""
    foreign = load(tmp_path, "hosts: lab\n")
    assert claimed(foreign) == f"environment prod: the lab belongs to another checkout, got {tmp_path / 'theirs'}"
    assert not claimed(foreign.only("demo-1"))
    assert not claimed(load(tmp_path, "hosts: lab\nlab: demo\n"))
    assert not claimed(load(tmp_path / "theirs", "hosts: lab\n"))
    (tmp_path / "theirs").rename(tmp_path / "gone")
    assert not claimed(load(tmp_path, "hosts: lab\n"))


def test_an_environment_that_names_its_hosts_has_no_lab(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match="names a lab"):
        load(tmp_path, "hosts: {web1: }\nlab: demo\n")


def test_a_host_may_name_its_python(tmp_path: Path) -> None:
    """One that the service could not see is refused with the reason."""
    one, two = load(tmp_path, "python: python3.12\nhosts: {a: {python: /opt/py/bin/python3}, b: }\n").hosts
    assert (one.python, two.python) == ("/opt/py/bin/python3", "python3.12")
    assert load(tmp_path, "hosts: {a: }\n").hosts[0].python == "python3"
    for named in ("/root/.pyenv/shims/python3", "/home/me/bin/python3"):
        with pytest.raises(RaabError, match="which the service's user cannot see"):
            load(tmp_path, f"hosts: {{a: {{python: {named}}}}}\n")
        with pytest.raises(RaabError, match="which the service's user cannot see"):
            load(tmp_path, f"python: {named}\nhosts: {{a: }}\n")
    for named in ("perl", "'python3; reboot'", "python3 -c", "bin/python3", '"python\'3"'):
        with pytest.raises(RaabError, match="not a Python on PATH"):
            load(tmp_path, f"python: {named}\nhosts: {{a: }}\n")


def test_domains_are_what_the_edge_is_told(tmp_path: Path) -> None:
    """Of the file, with the authority's root as it is there; without a domain there is no edge."""
    read = load(tmp_path, "hosts: {web1: }\n")
    assert environment.edge(tmp_path, read.settings) is None
    text = "hosts: {web1: }\ndomains: [shop.example.com]\nhsts: 300\nacme: {directory: 'https://ca.test/d', email: ops@a.b, root: ca.pem}\n"
    read = load(tmp_path, text)
    with pytest.raises(RaabError, match=r"acme\.root: ca\.pem cannot be read"):
        environment.edge(tmp_path, read.settings)
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(RaabError, match=r"acme\.root: no certificate in PEM"):
        environment.edge(tmp_path, read.settings)
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    told = environment.edge(tmp_path, read.settings)
    assert told and told.domains == ("shop.example.com",) and told.root and (told.directory, told.hsts) == ("https://ca.test/d", 300)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("domains: [shop]", "a whole domain in small letters"),
        ("domains: [a.example, a.example]", "names one twice"),
        ("certificate: internal", "names none"),
        ("hsts: 300", "names none"),
        ("domains: [a.example]\ncertificate: internal\nacme: {email: a@b.c}", "is of no effect"),
        ("domains: [a.example]\nacme: {root: ../ca.pem}", "a file of the project's"),
        ("domains: [a.example]\nmaintenance: /etc/page.html", "a file of the project's"),
        ("maintenance: page.html", "names none"),
        ("caddy: /usr/bin/caddy", "names none"),
        ("domains: [a.example]\ncaddy: caddy", "an absolute path on the hosts"),
        ("domains: [a.example]\ncaddy: /usr/../caddy", "an absolute path on the hosts"),
        ("static: {/static: static}", "names none"),
        ("domains: [a.example]\nstatic: {/static: ../static}", "a folder of the project's"),
        ("domains: [a.example]\nstatic: {/static: /srv/static}", "a folder of the project's"),
        ("domains: [a.example]\nstatic: {/static: .}", "a folder of the project's"),
        ("domains: [a.example]\nstatic: {/static: a/.git}", "a folder of the project's"),
        ("domains: [a.example]\nstatic: {static: static}", "the beginning of a URL's path"),
        ("domains: [a.example]\nstatic: {/static/: static}", "the beginning of a URL's path"),
        ("domains: [a.example]\nstatic: {/a/..: static}", "the beginning of a URL's path"),
        ("domains: [a.example]\nstatic: {/: static}", "the beginning of a URL's path"),
        ("domains: [a.example]\nstatic: [static]", "static"),
        ("domains: [a.example]\nacme: {directory: 'http://ca.test'}", "the https:// address"),
    ],
)
def test_what_is_said_of_an_edge_has_to_mean_something(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(RaabError) as refused:
        load(tmp_path, f"hosts: {{web1: }}\n{text}\n")
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ("{lb1: {address: 10.0.0.1, roles: [edge]}}", "has edges alone"),
        ("{web1: {address: 10.0.0.1, roles: [app, edge]}}", "web1 is to have one role"),
        ("{web1: {address: 10.0.0.1, roles: []}}", "web1 is to have one role"),
        ("{lb1: {address: lb.example, roles: [edge]}, web1: }", "whom the others believe by its IP address"),
        ("{lb1: {private: lb.example, roles: [edge]}, web1: }", "private: not an IP address"),
    ],
)
def test_roles_make_a_fleet_or_are_refused_by_the_hosts_name(tmp_path: Path, hosts: str, why: str) -> None:
    with pytest.raises(RaabError) as refused:
        load(tmp_path, f"hosts: {hosts}\ndomains: [a.example]\n")
    assert why in str(refused.value)


def test_edges_are_apart_from_the_hosts_that_run_the_service(tmp_path: Path) -> None:
    """They know where each of these answers, whichever are chosen, and are believed by their address among the hosts."""
    text = (
        "hosts: {lb1: {address: 203.0.113.9, private: 10.0.0.9, roles: [edge]}, web1: {private: 'fd00::1'}, web2: }\n"
        "domains: [a.example]\nservice_port: 9000\n"
    )
    fleet = load(tmp_path, text)
    assert [host.name for host in fleet.hosts] == ["web1", "web2"] and [host.name for host in fleet.edges] == ["lb1"]
    assert fleet.pool == ("[fd00::1]:9000", "web2:9000") and fleet.first == "web1" and fleet.notice == 3
    told = environments.edge(tmp_path, fleet.settings)
    assert told is not None and told.edges == ("10.0.0.9",)
    assert fleet.only("web2").edges == () and load(tmp_path, f"{text}drain: 20\n").notice == 20
    with pytest.raises(RaabError, match="lb1 is an edge"):
        fleet.only("lb1")
    assert load(tmp_path, "hosts: {web1: }\n").notice == 10
