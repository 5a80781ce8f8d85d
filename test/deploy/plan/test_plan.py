"""Plans are compared as the text that people read, whole lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from msgspec import structs

from raab import exitcodes
from raab.deploy.bundle.parts import Bundle, Part
from raab.deploy.plan import deploy as plan
from raab.deploy.plan import text as plantext
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.rollback import Rollback
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import Supplies
from raab.errors import RaabError
from raab.host.paths import template_name
from raab.protocol.facts import Ahead, InstalledRelease, LockHolder, Pending, Taken

OLD, NEW = "20261121T080000Z-0000001", "20261122T080000Z-0000002"
LOCK = "c" * 64
HOST = Host("web1", "192.0.2.1", 22, "root", "", "", ("app",))
ENVIRONMENT = Environment("prod", (HOST,), False, File(hosts=Hosts(False, {"web1": HostEntry()})))


def part(name: str, letter: str, size: int) -> Part:
    return Part(name, letter * 64, size, Path(name))


BUNDLE = Bundle(
    NEW, "1.1", "b" * 40, "content-new", LOCK, (part("raab-1.1.whl", "1", 100_000), part("requirements.lock", "c", 900),
    part("systemd/raab.service", "3", 700)), "{}", Path("x.tar"),
)  # fmt: skip
SUPPLIES = {"web1": Supplies((part("flask-3.whl", "4", 110_000),), part("uv-1.whl", "5", 22_000_000))}
BARE = HostFacts(
    python="3.11.2", implementation="CPython", libc="glibc 2.36", machine="x86_64", system="Debian 12", uid=0, time=0.0, disk_free=10**10,
    disk_total=2 * 10**10, inodes_free=10**6, systemd=252,
)  # fmt: skip


def replace(value: Any, **changed: Any) -> Any:
    """The same value with other fields: what hosts tell is a tuple with names, all else a Struct."""
    return value._replace(**changed) if hasattr(value, "_replace") else structs.replace(value, **changed)


SERVING = replace(
    BARE,
    releases=(InstalledRelease(OLD, True, "content-old", "1.0", "a" * 40, LOCK),),
    current=OLD,
    cache=frozenset({"c" * 64, "3" * 64, "4" * 64, "5" * 64}),
    templates=frozenset({template_name(("4" * 64,), "3.11.2", "x86_64")}),
    units={"raab.service": "3" * 64},
    user=True,
    verdicts={OLD: "serving"},
    served=(OLD,),
    once=(OLD,),
    service={"ActiveState": "active"},
)


def given(supplies: Mapping[str, Supplies]) -> Callable[[object], Mapping[str, Supplies]]:
    """The same for whatever hosts are asked for."""
    return lambda facts: supplies


def text(facts: HostFacts, bundle: Bundle = BUNDLE, supplies: Supplies | None = None) -> str:
    return plantext.describe(plan.Deploy(ENVIRONMENT, bundle, given({"web1": supplies or SUPPLIES["web1"]})).plan({"web1": facts}))


def test_a_restart_is_planned_for_what_serves_already() -> None:
    """After an intrusion the same content is to be served, by none of the processes of before."""
    running = replace(SERVING, releases=(replace(SERVING.releases[0], content=BUNDLE.content),))
    planned = plan.Deploy(ENVIRONMENT, BUNDLE, given(SUPPLIES), restart=True).plan({"web1": running})
    (host,) = planned.active
    assert (host.release, host.previous, host.restart) == (OLD, OLD, True)
    assert "restart, which ends every process of before" in plantext.describe(planned)
    assert not plan.Deploy(ENVIRONMENT, BUNDLE, given(SUPPLIES)).plan({"web1": running}).active


def test_what_is_pending_on_a_host_is_told() -> None:
    """As `raab check` tells it there: by whom it is taken up, and what a start would fail for. In a dry run, which alone asks."""
    pending = Pending(("TESTED",), ("raab_a",), ("LimitNOFILE",))
    ahead = Ahead(pending, {}, "raab_a: too short\nserver.workers: no number", "correct it")
    lines = [
        "changed credentials, which {} takes up: raab_a",
        "changed directives, which take effect at the next restart: LimitNOFILE",
        "a start of what is there would fail: raab_a: too short",
        "server.workers: no number",
        "hint: correct it",
    ]
    for content, taker in (("content-old", "this activation"), (BUNDLE.content, "fab reload")):
        facts = replace(SERVING, ahead=ahead, releases=(replace(SERVING.releases[0], content=content),))
        told = text(facts).splitlines()
        first = told.index(f"    changed variables, which {taker} takes up: TESTED")
        assert [line.strip() for line in told[first + 1 : first + 6]] == [line.format(taker) for line in lines]
    assert "a start of what is there" in plantext.describe(Rollback(ENVIRONMENT).plan({"web1": facts}))
    assert "changed" not in text(replace(facts, ahead=Ahead()))


def test_an_address_that_somebody_has_is_refused() -> None:
    """Before anything is sent; not where the release serves already, for then it has it."""
    bundle = replace(BUNDLE, settings="base: {server: {bind: '0.0.0.0:8000'}}")
    facts = replace(SERVING, taken=(Taken(4, "127.0.0.1", 8000, False, "nginx (pid 7, nginx.service) of the user www-data"),))
    (planned,) = plan.Deploy(ENVIRONMENT, bundle, given(SUPPLIES)).plan({"web1": facts}).hosts
    assert planned.verdict == "refuse" and planned.staging is None and planned.refusal is not None
    assert planned.refusal.exit_code == exitcodes.REFUSED
    assert text(facts, bundle).endswith(
        "refused: host web1: server.bind: 0.0.0.0:8000 is held by nginx (pid 7, nginx.service) of the user www-data\n"
        "    hint: name another address, or end what holds it"
    )
    same = replace(facts, releases=(replace(SERVING.releases[0], content=BUNDLE.content),))
    assert plan.Deploy(ENVIRONMENT, bundle, given(SUPPLIES)).plan({"web1": same}).hosts[0].verdict == "nothing"
    assert plan.Deploy(ENVIRONMENT, bundle, given(SUPPLIES), restart=True).plan({"web1": same}).hosts[0].verdict == "refuse"


def golden(expected: str) -> str:
    return dedent(expected).strip()


def test_first_deploy() -> None:
    assert text(BARE) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            release none -> {NEW}
            first deploy: prepares the host (user, directories, units)
            send 5 files, 22211600 bytes: raab-1.1.whl, requirements.lock, systemd/raab.service, flask-3.whl, uv-1.whl
            install the dependencies
            activate: verify, trial load, switch, hand over, prove by answers
    """)


def test_upgrade() -> None:
    assert text(SERVING) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            release {OLD} -> {NEW}
            commit aaaaaaa -> bbbbbbb
            send 1 files, 100000 bytes: raab-1.1.whl
            link the dependencies that are there
            activate: verify, trial load, switch, hand over, prove by answers
          a rollback then goes to {OLD}
    """)


def test_same_release() -> None:
    """The content decides, not the id: built at another time it is still the same."""
    assert text(SERVING, replace(BUNDLE, content="content-old")) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            nothing changes: {OLD} has the same content and serves
    """)


def test_same_release_that_does_not_serve() -> None:
    """Stopped, or never proved: it is activated again, without sending anything."""
    bundle = replace(BUNDLE, content="content-old", commit="a" * 40)
    for facts in (replace(SERVING, service={"ActiveState": "failed"}), replace(SERVING, verdicts={OLD: "begun"})):
        assert text(facts, bundle) == golden(f"""
            deploy {NEW} to prod
              web1 (192.0.2.1)
                release {OLD} -> {OLD}
                send nothing: staged before
                activate: verify, trial load, switch, hand over, prove by answers
              a rollback then has nowhere to go
        """)


def test_what_a_dry_run_adds() -> None:
    """Lines of differences come after what the facts tell, and for the host that they are about."""
    told = {"web1": ("commit b000000 Sell by the dozen", "setting setting.yaml: base.server.workers 2 -> 4")}
    lines = plantext.describe(plan.Deploy(ENVIRONMENT, BUNDLE, given(SUPPLIES)).plan({"web1": SERVING}).explained(told)).splitlines()
    assert lines[3:6] == ["    commit aaaaaaa -> bbbbbbb", *(f"    {line}" for line in told["web1"])]


def test_dependency_and_unit_change() -> None:
    bundle = replace(
        BUNDLE, lock="d" * 64, parts=(*BUNDLE.parts[:1], part("requirements.lock", "d", 950), part("systemd/raab.service", "6", 710))
    )
    newer = replace(SUPPLIES["web1"], wheels=(part("flask-4.whl", "7", 120_000),))
    assert text(SERVING, bundle, newer) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            release {OLD} -> {NEW}
            commit aaaaaaa -> bbbbbbb
            dependencies change
            units change: raab.service
            send 4 files, 221660 bytes: raab-1.1.whl, requirements.lock, systemd/raab.service, flask-4.whl
            install the dependencies
            activate: verify, trial load, switch, hand over, prove by answers
          a rollback then goes to {OLD}
    """)


def test_a_wheel_that_was_built_once_more_is_installed() -> None:
    """The lock is the same, and names the source alone."""
    built = replace(SUPPLIES["web1"], wheels=(part("flask-3.whl", "7", 110_000),))
    lines = text(SERVING, supplies=built).splitlines()
    assert "    install the dependencies" in lines and "    dependencies change" not in lines


def test_interrupted_before() -> None:
    """A directory without a manifest is an interrupted deploy's: told, removed, made anew; what had arrived is not sent again."""
    broken = InstalledRelease(NEW, False, "", "", "", "")
    facts = replace(SERVING, releases=(*SERVING.releases, broken), cache=SERVING.cache | {"1" * 64})
    assert text(facts) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            release {OLD} -> {NEW}
            commit aaaaaaa -> bbbbbbb
            interrupted before: {NEW}
            send 0 files, 0 bytes
            link the dependencies that are there
            activate: verify, trial load, switch, hand over, prove by answers
          a rollback then goes to {OLD}
    """)


def test_disk_full() -> None:
    assert text(replace(BARE, disk_free=100 * plan.MIB)) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            refused: host web1: disk: needs 170 MiB for the release, got 100 MiB free
            hint: make room below /opt
    """)
    assert "refused: host web1: disk: needs 1000 inodes for the release, got 7 free" in text(replace(SERVING, inodes_free=7))
    # A file system that counts none, as btrfs.
    assert "refused" not in text(replace(SERVING, inodes_free=None))


def test_locked() -> None:
    """Somebody else's session is at work, or an activation without one: told here, refused or waited for when it is carried out."""
    holder = LockHolder("ann", "laptop", "deploy of x", 1_795_330_800.0)
    assert text(replace(SERVING, lock=holder)) == golden(f"""
        deploy {NEW} to prod
          web1 (192.0.2.1)
            release {OLD} -> {NEW}
            commit aaaaaaa -> bbbbbbb
            locked: by ann from laptop since 07:00:00Z, for deploy of x
            send 1 files, 100000 bytes: raab-1.1.whl
            link the dependencies that are there
            activate: verify, trial load, switch, hand over, prove by answers
          a rollback then goes to {OLD}
    """)
    assert "    locked: an activation is at work whose deployer has gone" in text(replace(SERVING, activating=True))


def test_hosts_that_are_not_fit() -> None:
    assert "refused: host web1: systemd: version 252 or newer is needed, got 247" in text(replace(BARE, systemd=247))
    assert "refused: host web1: login: root's rights are needed, got user id 1000" in text(replace(BARE, uid=1000))
    wheel = Supplies(problem=RaabError("wheels: no wheel of gevent==26.9.0 fits Python 3.9", "choose a version that has one", 5))
    assert "refused: host web1: wheels: no wheel of gevent==26.9.0 fits Python 3.9" in text(BARE, supplies=wheel)


def test_a_python_that_the_service_cannot_see_is_refused() -> None:
    """Wherever the name that led to it was: links are followed on the host."""
    told = text(replace(BARE, executable="/root/.pyenv/versions/3.12.1/bin/python3.12"))
    assert "refused: host web1: python: it cannot serve, got /root/.pyenv/versions/3.12.1/bin/python3.12 lies below /root" in told


def back(facts: HostFacts, to: str = "") -> str:
    return plantext.describe(Rollback(ENVIRONMENT, to).plan({"web1": facts}))


BOTH = replace(
    SERVING,
    releases=(*SERVING.releases, InstalledRelease(NEW, True, "content-new", "1.1", "b" * 40, LOCK)),
    current=NEW,
    verdicts={OLD: "serving", NEW: "serving"},
    served=(OLD, NEW),
    once=(OLD, NEW),
)


def test_rollback() -> None:
    expected = golden(f"""
        roll prod back to {OLD}
          web1 (192.0.2.1)
            release {NEW} -> {OLD}
            send nothing: kept on the host
            activate: verify, trial load, switch, hand over, prove by answers
    """)
    assert back(BOTH) == expected
    assert back(BOTH, OLD).splitlines()[1:] == expected.splitlines()[1:]


def test_rollback_to_what_serves_changes_nothing() -> None:
    assert f"nothing changes: {NEW} serves already" in back(BOTH, NEW)


def test_a_rollback_to_an_address_of_somebody_else_s_is_refused() -> None:
    """Once the host has told what that release would listen on, and who does; of no host more is asked than has to be known."""
    others = replace(BOTH, taken=(Taken(4, "0.0.0.0", 8000, False, "the user x"),))
    rollback = Rollback(ENVIRONMENT)
    assert rollback.disputed({"web1": BOTH}) == {}
    assert rollback.disputed({"web1": others}) == {"web1": OLD}
    assert Rollback(ENVIRONMENT, NEW).disputed({"web1": others}) == {}
    told = back(replace(others, packaged="base: {server: {bind: '0.0.0.0:8000'}}"))
    assert "refused: host web1: server.bind: 0.0.0.0:8000 is held by the user x" in told
    assert "refused" not in back(replace(others, packaged="base: {server: {bind: '0.0.0.0:9000'}}"))


def test_rollback_where_there_is_no_way_back() -> None:
    """Nothing earlier, a release that is not there, one that failed: each refused with what there is."""
    assert "there is no earlier release that served, got none" in back(SERVING)
    assert back(BOTH, "20200101T000000Z-0000000").endswith(f"hint: --to can name: {OLD}")
    failed = replace(BOTH, current=OLD, served=(OLD,), once=(OLD,), verdicts={OLD: "serving", NEW: "failed"})
    assert f"no such release that once served, got {NEW}" in back(failed, NEW)


def test_waves_leave_out_hosts_that_do_not_change() -> None:
    hosts = tuple(replace(HOST, name=f"web{number}") for number in range(1, 10))
    environment = replace(ENVIRONMENT, hosts=hosts)
    facts = {host.name: SERVING for host in hosts} | {
        "web2": replace(SERVING, releases=(replace(SERVING.releases[0], content="content-new"),))
    }
    planned = plan.Deploy(environment, BUNDLE, given({host.name: SUPPLIES["web1"] for host in hosts})).plan(facts)
    assert planned.waves == (("web1",), ("web3",), ("web4", "web5", "web6", "web7", "web8", "web9"))
    assert plantext.describe(planned).splitlines()[-2] == "  waves: web1, then web3, then web4 web5 web6 web7 web8 web9"


NEWER = "20261123T080000Z-0000003"


def fleet(**hosts: tuple[str | None, tuple[str, ...]]) -> tuple[Environment, dict[str, HostFacts]]:
    """Hosts by name: what each serves, and its chain of what really served."""
    ids = (OLD, NEW, NEWER)
    everything = tuple(InstalledRelease(one, True, f"content {one}", "1.1", "b" * 40, LOCK) for one in ids)
    facts = {
        name: replace(SERVING, releases=everything, current=current, served=chain, once=ids, verdicts=dict.fromkeys(ids, "serving"))
        for name, (current, chain) in hosts.items()
    }
    return replace(ENVIRONMENT, hosts=tuple(replace(HOST, name=name) for name in hosts)), facts


def verdicts(environment: Environment, facts: dict[str, HostFacts], to: str = "") -> dict[str, tuple[str, str]]:
    return {each.host.name: (each.verdict, each.release) for each in Rollback(environment, to).plan(facts).hosts}


def test_after_a_deploy_to_one_of_two_a_rollback_brings_them_together() -> None:
    """The one that went ahead goes back to what the other serves, which stays."""
    hosts = fleet(web1=(NEW, (OLD, NEW)), web2=(OLD, (OLD,)))
    assert verdicts(*hosts) == {"web1": ("activate", OLD), "web2": ("nothing", OLD)}
    hosts = fleet(web1=(OLD, (OLD,)), web2=(NEW, (OLD, NEW)))
    assert verdicts(*hosts) == {"web1": ("nothing", OLD), "web2": ("activate", OLD)}


def test_a_rollback_goes_to_the_last_that_served_on_all() -> None:
    hosts = fleet(web1=(NEWER, (OLD, NEW, NEWER)), web2=(NEWER, (OLD, NEWER)))
    assert verdicts(*hosts) == {"web1": ("activate", OLD), "web2": ("activate", OLD)}
    hosts = fleet(web1=(NEWER, (OLD, NEW, NEWER)), web2=(NEW, (OLD, NEW)), web3=(NEWER, (OLD, NEW, NEWER)))
    assert verdicts(*hosts) == {"web1": ("activate", NEW), "web2": ("nothing", NEW), "web3": ("activate", NEW)}


def test_where_no_release_served_on_all_hosts_the_choice_is_told() -> None:
    """And no host goes its own way."""
    environment, facts = fleet(web1=(NEWER, (OLD, NEWER)), web2=(NEWER, (NEW, NEWER)))
    planned = Rollback(environment).plan(facts)
    assert [each.verdict for each in planned.hosts] == ["refuse", "refuse"]
    assert f"no release served on all of these hosts before what serves now, got web1: {OLD}; web2: {NEW}" in plantext.describe(planned)
    assert f"hint: choose some of the hosts with --hosts, or --to can name: {OLD}, {NEW}" in plantext.describe(planned)
    assert set(verdicts(environment, facts, OLD).values()) == {("activate", OLD)}


def test_what_is_out_of_the_chain_may_be_named() -> None:
    """Gone back from, condemned, or made by a drill."""
    hosts = fleet(web1=(NEW, (OLD, NEW)))
    assert verdicts(*hosts, NEWER) == {"web1": ("activate", NEWER)}
    assert verdicts(*hosts) == {"web1": ("activate", OLD)}


def test_a_release_that_has_become_a_commit_is_labelled() -> None:
    """Once, and only by a tree that is the commit; the release stays what it is, and the next plan compares with the commit."""
    dirty = f"{OLD}-dirty"
    running = replace(
        SERVING, releases=(replace(SERVING.releases[0], id=dirty, commit=""),), current=dirty, verdicts={dirty: "serving"}, served=(dirty,)
    )
    same = replace(BUNDLE, content="content-old")
    (host,) = plan.Deploy(ENVIRONMENT, same, given(SUPPLIES)).plan({"web1": running}).labelled
    assert (host.verdict, host.release, host.label) == ("nothing", dirty, "b" * 40)
    assert f"nothing changes: {dirty} has the same content and serves\n    same content, now commit bbbbbbb" in text(running, same)
    assert not plan.Deploy(ENVIRONMENT, replace(same, id=f"{NEW}-dirty"), given(SUPPLIES)).plan({"web1": running}).labelled
    labelled = replace(running, labels={dirty: "b" * 40})
    assert not plan.Deploy(ENVIRONMENT, same, given(SUPPLIES)).plan({"web1": labelled}).labelled
    assert labelled.label(dirty) == "same content, now commit bbbbbbb"
    assert "commit bbbbbbb -> ddddddd" in text(labelled, replace(BUNDLE, commit="d" * 40))


def test_a_service_of_another_project_is_refused_unless_it_is_taken_over() -> None:
    theirs = replace(SERVING, releases=(replace(SERVING.releases[0], project="shop"),))
    ours = replace(BUNDLE, project="blog")
    (host,) = plan.Deploy(ENVIRONMENT, ours, given(SUPPLIES)).plan({"web1": theirs}).refused
    assert host.refusal and host.refusal.exit_code == 5
    assert "service raab: it belongs to another project, got shop there and blog here" in text(theirs, ours)
    assert plan.Deploy(ENVIRONMENT, ours, given(SUPPLIES), take_over=True).plan({"web1": theirs}).active
    assert plan.Deploy(ENVIRONMENT, ours, given(SUPPLIES)).plan({"web1": SERVING}).active
    stopped = replace(theirs, current=None)
    assert plan.Deploy(ENVIRONMENT, ours, given(SUPPLIES)).plan({"web1": stopped}).refused


def test_a_name_that_a_host_has_for_something_else_is_refused() -> None:
    """Whoever says --take-over: that is for a project's service, and this is none of raab's."""
    theirs = replace(BARE, foreign=("the user raab", "/opt/raab with bin"))
    planned = plan.Deploy(ENVIRONMENT, BUNDLE, given(SUPPLIES), take_over=True).plan({"web1": theirs})
    (host,) = planned.refused
    assert host.refusal and host.refusal.exit_code == 5
    assert "something of that name that is not raab's, got the user raab, /opt/raab with bin" in host.refusal.message


def test_a_release_whose_secrets_are_missing_is_refused() -> None:
    """Before anything is sent there, with what brings them; a way back to one, too. What serves already is left alone."""
    wanting = replace(BUNDLE, secrets=("KEY", "TOKEN", "URL"))
    told = text(replace(SERVING, secrets=frozenset({"TOKEN"})), wanting)
    assert "refused: host web1: secrets: the host lacks what the release needs, got no KEY, URL" in told
    assert "hint: fab secrets set KEY --env prod --hosts web1" in told
    assert "refused" not in text(replace(SERVING, secrets=frozenset({"KEY", "TOKEN", "URL", "MORE"})), wanting)
    running = replace(SERVING, releases=(replace(SERVING.releases[0], content=BUNDLE.content, secrets=("KEY",)),))
    assert "nothing changes" in text(running, wanting)
    newer = InstalledRelease(NEW, True, "content-new", "1.1", "b" * 40, LOCK)
    both = replace(
        running, releases=(running.releases[0], newer), current=NEW, served=(OLD, NEW), once=(OLD, NEW), verdicts={NEW: "serving"}
    )
    (back,) = Rollback(ENVIRONMENT).plan({"web1": both}).hosts
    assert (back.verdict, back.release) == ("refuse", OLD) and "KEY" in str(back.refusal)
    (back,) = Rollback(ENVIRONMENT).plan({"web1": replace(both, secrets=frozenset({"KEY"}))}).hosts
    assert back.verdict == "activate"


def with_beside(**processes: str) -> Bundle:
    tables = {"processes": [{"name": name, "command": command} for name, command in processes.items()]}
    tidy = {"name": "tidy", "command": "flask tidy", "schedule": "daily"}
    bundle: Bundle = replace(BUNDLE, manifest=json.dumps({**tables, "timers": [tidy]}))
    return bundle


def test_what_becomes_of_processes_and_timers_is_told() -> None:
    old = InstalledRelease(OLD, True, "content-old", "1.0", "a" * 40, LOCK, beside={"worker": "1 of `rq worker`", "beat": "1 of `beat`"})
    told = text(replace(SERVING, releases=(old,)), with_beside(worker="celery worker"))
    lines = [line.strip() for line in told.splitlines()]
    assert "beat ends: 1 of `beat`" in lines
    assert "worker changes: 1 of `rq worker` -> 1 of `celery worker`" in lines
    assert "tidy begins: `flask tidy`, schedule daily" in lines


def test_timers_of_one_host_move_where_another_one_is_the_first() -> None:
    """Also where nothing else changes; the host that has them already is left alone."""
    bundle = replace(with_beside(), content="content-old")
    environment = replace(ENVIRONMENT, first="web1")

    def planned(chosen: bool) -> Any:
        facts = replace(SERVING, chosen=chosen)
        return plan.Deploy(environment, bundle, given(SUPPLIES)).plan({"web1": facts}).hosts[0]

    assert planned(chosen=True).verdict == "nothing"
    assert planned(chosen=False).verdict == "activate"
    assert "tidy: on this host from now on" in planned(chosen=False).changes
