"""The distribution's metadata, and builds that come out the same wherever and whenever they are made.

The version below is its only source; a release's manifest repeats it. After a change of `install_requires`, write the lock:
    uv pip compile --universal --generate-hashes --no-header --no-annotate --no-python-downloads --python-version 3.10 \
        setup.py -o requirements.lock
"""

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    # Before setuptools 70.1 the command came with the package wheel.
    from wheel.bdist_wheel import bdist_wheel

# What a deploy builds from has no readme: releases do not change with it.
README = Path("readme.md")

# What runs on the deployer's machine. The wheel that a deploy sends goes without (raab.deploy.bundle.build).
DEPLOYERS = tuple(f"raab.{name}{inner}" for name in ("deploy", "lab", "drill", "project", "init") for inner in ("", ".*"))


class SameSdist(sdist):
    """An sdist whose bytes depend on its files' names and contents, on SOURCE_DATE_EPOCH, and on nothing else."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        path = Path(super().make_archive(base_name, format, root_dir, base_dir, owner, group))
        if path.name.endswith(".tar.gz"):
            when = int(os.environ.get("SOURCE_DATE_EPOCH", path.stat().st_mtime))
            plain = io.BytesIO()
            with tarfile.open(path) as old, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new:
                for member in sorted(old.getmembers(), key=lambda member: member.name):
                    member.mtime, member.pax_headers = when, {}
                    member.uid, member.gid, member.uname, member.gname = 0, 0, "", ""
                    # Whether a file can be run is its author's will, the rest the umask of whoever checked it out.
                    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                    new.addfile(member, old.extractfile(member) if member.isfile() else None)
            path.write_bytes(gzip.compress(plain.getvalue(), mtime=when))
        return str(path)


class SameWheel(bdist_wheel):
    """A wheel of what is in src now, each file as executable as it is there; its times already follow SOURCE_DATE_EPOCH."""

    def run(self):
        # setuptools builds on top of what an earlier build left: a module deleted since would come back.
        shutil.rmtree(self.get_finalized_command("build").build_lib, ignore_errors=True)
        super().run()
        path = Path(self.distribution.dist_files[-1][2])
        with zipfile.ZipFile(path) as old:
            entries = [(entry, old.read(entry)) for entry in old.infolist()]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for entry, content in entries:
                source = Path("src", entry.filename)
                runs = source.is_file() and source.stat().st_mode & 0o100
                entry.external_attr = (0o100755 if runs else 0o100644) << 16
                new.writestr(entry, content)


setup(
    name="raab",
    version="0.1.0",
    description="Flask services on a team's own servers: systemd, SSH, and reloads that nobody notices",
    long_description=README.read_text(encoding="utf-8") if README.is_file() else "",
    long_description_content_type="text/markdown",
    author="the raab developers",
    license="MIT",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Flask",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Server",
        "Topic :: System :: Installation/Setup",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    package_dir={"": "src"},
    packages=find_packages("src", exclude=DEPLOYERS if os.environ.get("RAAB_WHEEL") == "servers" else ()),
    # Whatever lies beside a module is in the wheel as it is in the checkout: MANIFEST.in says for both, wheel and sdist, what is not.
    include_package_data=True,
    install_requires=[
        # These two are bounded above, as src/handover overrides what they do not document: test/handover/contract.txt is read again
        # before a bound is raised, and test_lowest.py runs the lowest.
        "gevent>=25.9.1,<27",
        # Without the extra the gevent worker class refuses to start: it needs `packaging`.
        "gunicorn[gevent]>=27.0,<28",
        # llhttp, for which the parser of src/http1 makes up in strictness.
        "httptools>=0.6.4",
        "msgspec>=0.20",
        "python-json-logger>=3.3",
        "pyyaml>=6.0.2",
        "urllib3>=2.3",
    ],
    extras_require={
        # For raab's own modules, and for run.py; a project that brings its own application needs none of it.
        "flask": ["flask>=3.1"],
        "deploy": ["build>=1.2", "fabric>=3.2", "packaging>=24", "pip>=25.3", "rich>=14", "setuptools>=70.1", "uv>=0.8"],
        "test": [
            "bottle>=0.13",
            "coverage>=7.6",
            "django>=5.2",
            "flask-sock>=0.7",
            "hypothesis>=6.130",
            "lxml>=5.3",
            "mypy>=1.16",
            "prometheus-client>=0.22",
            "pytest>=8.4",
            "pytest-timeout>=2.4",
            "ruff>=0.12",
        ],
    },
    entry_points={"console_scripts": ["raab = raab.asked.command:main"]},
    cmdclass={"sdist": SameSdist, "bdist_wheel": SameWheel},
)
