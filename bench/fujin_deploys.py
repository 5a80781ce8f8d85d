"""fujin, from PyPI, bringing the same wheel to the same host: its own program, here and there, its proxy turned off.

What it cannot do without the internet is its bootstrap, which fetches uv and the system's updates: uv, the dependencies' wheels and the
host's own Python, in the place of one from the internet, are put where fujin looks for them. The unit is the one that `fujin init`
writes; of it only the command is changed, to the application and the workers that are measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from raab.drill.traffic.http import Address
from raab.errors import RaabError
from raab.lab.shell import Shell
from raab.lab.state import LabHost

FUJIN = "fujin-cli==0.27.1"
PORT = 8300
APP = "fujinbench"
PYTHON = "3.11"
COMMAND = f"{{install_dir}}/.venv/bin/gunicorn 'raab:create_app()' --bind=0.0.0.0:{PORT} --workers=2 --worker-class=gevent"
TOML = f"""\
app = "{APP}"
version = "{{version}}"
python_version = "{PYTHON}"
build_command = "true"
distfile = "{{wheel}}"
requirements = "requirements.txt"
installation_mode = "python-package"

[[hosts]]
user = "deploy"
address = "{{address}}"
port = {{port}}
key_filename = "{{key}}"
env = "RAAB_ENVIRONMENT=production"
"""
BOOTSTRAP = """\
useradd --create-home --shell=/bin/bash deploy
install -d -o deploy -g deploy -m 700 /home/deploy/.ssh
install -o deploy -g deploy -m 600 /root/.ssh/authorized_keys /home/deploy/.ssh/
echo 'deploy ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/deploy
install -d -o deploy -g deploy /home/deploy/.local /home/deploy/.local/bin
install -m 755 /opt/raab/cache/tools/uv-* /home/deploy/.local/bin/uv
groupadd -f fujin && usermod -aG fujin deploy
install -d -o root -g fujin -m 775 /opt/fujin /opt/fujin/.python
python=/opt/fujin/.python/cpython-$(python3 -c 'import platform; print(platform.python_version())')-linux-$(uname -m)-gnu
mkdir -p $python/bin && ln -s $(readlink -f /usr/bin/python3) $python/bin/
mkdir -p /opt/fujin-wheels /etc/uv
for wheel in /opt/raab/cache/parts/*/*.whl; do ln -f $wheel /opt/fujin-wheels/; done
printf 'no-index = true\\nfind-links = ["/opt/fujin-wheels"]\\n' >/etc/uv/uv.toml
"""
BARE = f"""\
systemctl --quiet disable --now {APP}-web; rm -rf /opt/fujin/{APP} /etc/systemd/system/{APP}-web.service /root/.cache/uv
systemctl daemon-reload; userdel {APP}; true"""
INSTALLED = f"cat /opt/fujin/{APP}/.install/.venv/lib/python3*/site-packages/drillroutes/mark.py"


class Fujin:
    """One application deployed by fujin to one host, from the folder `root`; fujin itself lies in `library`."""

    name = "fujin"

    def __init__(self, host: LabHost, root: Path, library: Path, requirements: Path) -> None:
        self.host = host
        self.root = root
        self.library = library
        self.address: Address = (host.address, PORT)
        self.reached: Address = (host.address, 22)
        self.version = 0
        self.wheel = ""
        (root / "requirements.txt").write_text(requirements.read_text())
        self.run("init")
        (root / ".fujin/Caddyfile").unlink()
        unit = root / ".fujin/systemd/web.service"
        unit.write_text(re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={COMMAND}", unit.read_text()))
        with Shell(host) as shell:
            shell.run(f"set -e\n{BOOTSTRAP}")

    def fresh(self) -> None:
        """Takes away what fujin installed; what its bootstrap brings stays."""
        with Shell(self.host) as shell:
            shell.run(BARE)

    def take(self, wheel: Path) -> None:
        """The next deploy brings this wheel, as a version of its own."""
        self.version += 1
        self.wheel = wheel.name
        (self.root / wheel.name).write_bytes(wheel.read_bytes())

    def reach(self, address: Address) -> None:
        """By which way to the host's port 22 the deploys from now on go."""
        self.reached = address

    def deploy(self) -> None:
        self.run("deploy", "--no-input")

    def rollback(self) -> None:
        self.run("rollback", "--previous")

    def check(self, wanted: str) -> None:
        """Raises RaabError unless the code that stands on the host is the one with this mark."""
        with Shell(self.host) as shell:
            got = shell.run(INSTALLED).out.strip()
        if wanted not in got:
            raise RaabError(f"bench: fujin installed other code, wanted {wanted}, got {got}")

    def run(self, *words: str) -> None:
        address, port = self.reached
        if self.version:
            document = TOML.format(version=self.version, wheel=self.wheel, address=address, port=port, key=self.host.key)
            (self.root / "fujin.toml").write_text(document)
        # It would read an input that has ended again and again while it waits, so it gets one that never says anything.
        done = subprocess.Popen(
            (sys.executable, "-m", "fujin", *words), cwd=self.root, env={**os.environ, "PYTHONPATH": str(self.library)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.stdin is not None and done.stdout is not None
        said = done.stdout.read()
        done.stdin.close()
        if done.wait():
            raise RaabError(f"bench: fujin {' '.join(words)} failed, got exit code {done.returncode}: {said[-2000:]}")
