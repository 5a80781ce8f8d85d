"""What is installed was changed behind raab's back: a deploy of what runs says what, and mends it."""

from __future__ import annotations

from typing import Any

CURRENT = "/opt/raab/current"
SITE = f"$(echo {CURRENT}/venv/lib/python3*/site-packages)"


def test_a_deploy_of_what_runs_mends_what_was_damaged(project: Any, lab: Any, ask: Any) -> None:
    """A dependency's file is written to through its links, the app's is lost, a .pth came: each is named, all is as it was afterwards, and
    nothing of it was noticed by those who asked meanwhile. The same again changes nothing."""
    host = lab.fresh()
    shell = lab.shell(host)
    project.fab("deploy", "--hosts", host.name)
    release = ask(host)["release"]
    # Bytecode bears the time of its source, which is a new file, and records are written anew in an order of their own.
    before = shell.run(f"cd {CURRENT}/ && find . -name '*.py' -exec sha256sum {{}} + | sort").out
    shell.run(f"echo 'raise SystemExit' >>{SITE}/flask/app.py; rm {SITE}/raab/page.py {SITE}/raab/web/page.py 2>/dev/null; :")
    shell.run(f"echo 'import os' >{SITE}/evil.pth")
    findings = project.fab("doctor", "--hosts", host.name, expect=1).out
    assert "flask/app.py was changed" in findings and "evil.pth is there and should not be" in findings
    done = project.fab("deploy", "--hosts", host.name)
    assert "deployed" in done.out and "mend" in done.out + done.err, done.out + done.err
    assert ask(host)["release"] == release
    assert shell.run(f"cd {CURRENT}/ && find . -name '*.py' -exec sha256sum {{}} + | sort").out == before
    assert "as installed" in project.fab("doctor", "--hosts", host.name).out
    assert "unchanged" in project.fab("deploy", "--hosts", host.name).out
    shell.run("systemctl restart raab")
    assert ask(host)["release"] == release


def test_a_release_of_before_that_was_damaged_is_not_gone_back_to(project: Any, lab: Any, ask: Any) -> None:
    """What serves goes on; the next deploy of the same makes it anew."""
    host = lab.hosts(1)[0]
    shell = lab.shell(host)
    project.fab("deploy", "--hosts", host.name)
    old = ask(host)["release"]
    project.mark("newer")
    project.fab("deploy", "--hosts", host.name)
    new = ask(host)["release"]
    shell.run(f"echo 'import os' >/opt/raab/releases/{old}/venv/bin/extra")
    said = project.fab("rollback", "--hosts", host.name, "--to", old, expect=None)
    assert said.code != 0 and "venv/bin/extra is there and should not be" in said.out
    assert ask(host)["release"] == new
