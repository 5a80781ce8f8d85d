"""What many do by hand or with a small script: copy the wheel, make a new venv, pip, link, restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from book import Book

from raab.drill.stage.project import Project
from raab.errors import RaabError
from raab.lab.shell import Shell
from raab.lab.state import LabHost

NAME = "pip in a new venv"
PORT = 8200
UNIT = f"""\
[Service]
Type=notify
User=raab
Environment=RAAB_ENVIRONMENT=production
WorkingDirectory=/opt/recipe
ExecStart=/opt/recipe/current/bin/python -m gunicorn --bind=0.0.0.0:{PORT} --workers=2 --worker-class=gevent \
 --no-control-socket wsgi:application
KillMode=mixed
"""
# pip itself is run from its wheel, which spares it 3 s.
INSTALL = """\
cd /opt/recipe && rm -rf {name} && python3 -m venv --without-pip {name} && \
PYTHONPATH=$(ls /opt/recipe/pip-*.whl) {name}/bin/python -m pip install --quiet --no-cache-dir --no-index --find-links=/opt/recipe/wheels \
-r requirements.lock && PYTHONPATH=$(ls /opt/recipe/pip-*.whl) {name}/bin/python -m pip install --quiet --no-index --no-deps {wheel}"""
SWITCH = "cd /opt/recipe && ln -sfn {name} current && systemctl restart recipe"


def measure(book: Book, project: Project, host: LabHost, built: Callable[[int], Path], rounds: int, say: Callable[[str], None]) -> None:
    """The wheels of dependencies and pip are on the host beforehand, as after a first deploy. `built` makes a wheel of changed code."""
    pip = next(iter(sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))), None) or bundled_pip()
    with Shell(host) as shell:
        shell.put("/etc/systemd/system/recipe.service", UNIT)
        shell.run(f"mkdir -p /opt/recipe/wheels && cat >/opt/recipe/{pip.name}", stdin=pip.read_bytes())
        shell.put("/opt/recipe/requirements.lock", (project.root / "requirements.lock").read_text())
        shell.put("/opt/recipe/wsgi.py", (project.root / "wsgi.py").read_text())
        shell.run("for wheel in /opt/raab/cache/parts/*/*.whl; do ln -f $wheel /opt/recipe/wheels/; done; systemctl daemon-reload")
    for number in range(rounds + 1):
        wheel, name = built(number), f"venv{number}"
        if number == 0:
            steps(host, wheel, name)
            continue
        with book.under_load(f"{NAME} code-only", (host.address, PORT)), book.timed(f"{NAME} code-only"):
            steps(host, wheel, name)
        book.note(f"{NAME} code-only, bytes", wheel.stat().st_size)
        book.note(f"{NAME} code-only, channels", 3)
        say(f"  {NAME}: {book.values[f'{NAME} code-only, seconds'][-1]:.2f} s")
    with Shell(host) as shell:
        shell.run("systemctl stop recipe")


def steps(host: LabHost, wheel: Path, name: str) -> None:
    """One connection a step, as the words of a script are."""
    with Shell(host) as shell:
        shell.run(f"cat >/opt/recipe/{wheel.name}", stdin=wheel.read_bytes())
    with Shell(host) as shell:
        shell.run(INSTALL.format(name=name, wheel=wheel.name), timeout=120)
    with Shell(host) as shell:
        shell.run(SWITCH.format(name=name), timeout=120)


def bundled_pip() -> Path:
    import ensurepip

    found = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not found:
        raise RaabError("bench: no wheel of pip on this machine, got none in ensurepip", "apt install python3-pip-whl")
    return found[0]
