"""What a checkout may hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from .case import Stage, case

FAMILY = "trees"


def committed(stage: Stage) -> None:
    stage.write(".gitignore", "/build/\n__pycache__/\n/src/ignored.txt\n")
    stage.git("init", "-q")
    stage.git("add", "-A")
    stage.git("commit", "-q", "-m", "all of it")


@case(FAMILY, "a change that is not committed", 0, "-dirty", serves="new")
def _(stage: Stage) -> None:
    committed(stage)
    stage.project.mark("not committed")


@case(FAMILY, "everything is committed", 0, "1 deployed", serves="new", quick=True)
def _(stage: Stage) -> None:
    committed(stage)


@case(FAMILY, "no git at all", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    pass


@case(FAMILY, "a file that git ignores", 0, "not in the release, since git ignores it: src/ignored.txt", serves="new")
def _(stage: Stage) -> None:
    committed(stage)
    stage.write("src/ignored.txt", "x")


@case(FAMILY, "a data file beside a module, in a folder without __init__.py", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.write("src/raab/modules/home/data/schema.sql", "create table x;\n")


@case(FAMILY, "a link that leads nowhere", 2, "bundle: a link that leads nowhere, got src/raab/nowhere", quick=True)
def _(stage: Stage) -> None:
    (stage.root / "src/raab/nowhere").symlink_to("not-there")


@case(FAMILY, "a link that leads out of the project", 2, "bundle: a link that leads out of the project, got src/raab/outside")
def _(stage: Stage) -> None:
    (stage.root / "src/raab/outside").symlink_to("/etc/hostname")


@case(FAMILY, "a link that leads to a folder it lies in", 2, "bundle: a link that leads to a folder it lies in, got src/raab/round")
def _(stage: Stage) -> None:
    (stage.root / "src/raab/round").symlink_to(".")


@case(FAMILY, "a file name with a newline in it", 2, "bundle: a file name that no wheel carries, got 'src/raab/a\\nb.txt'")
def _(stage: Stage) -> None:
    stage.write("src/raab/a\nb.txt", "x")


@case(FAMILY, "a file that Git LFS has not fetched", 2, "bundle: a file that Git LFS has not fetched, got the pointer src/raab/large.bin")
def _(stage: Stage) -> None:
    stage.write("src/raab/large.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


@case(FAMILY, "a submodule that is not checked out", 2, "bundle: a submodule or repository without files, got src/raab/sub")
def _(stage: Stage) -> None:
    committed(stage)
    (stage.root / "src/raab/sub").mkdir()
    stage.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},src/raab/sub")


@case(FAMILY, "a repository that is damaged", 2, "git")
def _(stage: Stage) -> None:
    committed(stage)
    stage.write(".git/HEAD", "ref: refs/heads/\0\n")


@case(FAMILY, "no requirements.lock", 2, "lacks requirements.lock")
def _(stage: Stage) -> None:
    (stage.root / "requirements.lock").unlink()


@case(
    FAMILY,
    "a folder that setup.py does not know",
    2,
    "bundle: setup.py's wheel has no place for what the checkout has, got src/stranger/x.txt",
)
def _(stage: Stage) -> None:
    stage.write("src/stranger/x.txt", "x")


@case(FAMILY, "a setup.py that does not build", 1, "build: the wheel does not build, got")
def _(stage: Stage) -> None:
    stage.write("setup.py", "raise SystemExit('no wheel today')\n")


@case(FAMILY, "a damaged bundle in the build cache", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.project.fab("build")
    for manifest in (stage.root / "build/raab/bundles").glob("*/manifest.json"):
        manifest.write_text("")


@case(FAMILY, "a build folder that cannot be written", 2, "bundle: it cannot be written below")
def _(stage: Stage) -> None:
    stage.write("build/raab/bundles", "a file")


SEALED = "unshare -m sh -c 'mount --bind . . && mount -o remount,ro,bind . . && cd $PWD && fab deploy --hosts {host}'"


@case(FAMILY, "a checkout that is read-only", 2, "bundle: it cannot be written below", SEALED)
def _(stage: Stage) -> None:
    """Nothing was built there yet."""


@case(FAMILY, "a checkout that is read-only, with the bundle in it", 0, "1 deployed", SEALED, serves="new")
def _(stage: Stage) -> None:
    stage.project.fab("plan", "--hosts", stage.host.name)


def own_wheels(stage: Stage) -> Path:
    """A copy of the cache that all projects here have in common."""
    cache = stage.root / "build/raab/wheels"
    kept = cache.resolve()
    cache.unlink()
    shutil.copytree(kept, cache)
    return cache


@case(FAMILY, "no wheel in the cache", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    shutil.rmtree(own_wheels(stage))


@case(FAMILY, "empty files in the cache of wheels", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    for path in own_wheels(stage).rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


MODULE = "from flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
IN_A_WORKER = "import sys\nif sys.argv[0].endswith('gunicorn'): raise RuntimeError('only in a worker')"
BROKEN = (
    ("a module that raises when it is imported", "raise RuntimeError('no such table')", "no such table"),
    ("a module that is no Python", "def (:", "SyntaxError"),
    ("a module that ends the process when it is imported", "import os\nos._exit(7)", "7"),
    ("a module that calls sys.exit", "import sys\nsys.exit('gone')", "gone"),
    ("a module that is not ready", MODULE + "def ready():\n    return 'no database'\n", "no database"),
    ("a module that raises in a worker alone", MODULE + IN_A_WORKER, "only in a worker"),
)  # fmt: skip
for _name, _text, _said in BROKEN:

    @case(FAMILY, _name, 4, _said)
    def _(stage: Stage, text: str = _text) -> None:
        stage.project.break_app(text)


@case(FAMILY, "packaged settings that are no YAML", 4, "setting.yaml")
def _(stage: Stage) -> None:
    stage.write("src/raab/config/setting.yaml", "base: [\n")


@case(FAMILY, "packaged settings with an unknown key", 4, "wokers_min")
def _(stage: Stage) -> None:
    stage.change("src/raab/config/setting.yaml", "workers_min:", "wokers_min:")


@case(FAMILY, "a gunicorn.py that raises", 4, "bad config")
def _(stage: Stage) -> None:
    with (stage.root / "gunicorn.py").open("a") as file:
        file.write("\nraise OSError('bad config')\n")
