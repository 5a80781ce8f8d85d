"""The distribution's metadata. The version below is its only source; the code asks importlib.metadata for it."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="raab",
    version="0.1.0",
    description="Flask services on a team's own servers: systemd, SSH, and reloads that nobody notices",
    long_description=Path(__file__).with_name("readme.md").read_text(encoding="utf-8")
    if Path(__file__).with_name("readme.md").exists()
    else "",
    long_description_content_type="text/markdown",
    python_requires=">=3.10",
    package_dir={"": "src"},
    packages=find_packages("src"),
    # A module's templates and static files lie in its package; without this the wheel would lack what the checkout has.
    package_data={"": ["*.yaml", "py.typed", "templates/**/*", "static/**/*"], "raab": ["config/*.yaml"]},
    install_requires=[
        "flask>=3.1",
        "gevent>=25.9",
        # Without the extra the gevent worker class refuses to start: it needs `packaging`.
        "gunicorn[gevent]>=25.1",
        "msgspec>=0.20",
        "prometheus-client>=0.22",
        "python-json-logger>=3.3",
        "pyyaml>=6.0.2",
    ],
    extras_require={
        "deploy": ["build>=1.2", "fabric>=3.2", "rich>=14", "uv>=0.8"],
        "test": ["hypothesis>=6.130", "mypy>=1.16", "pytest>=8.4", "pytest-timeout>=2.4", "ruff>=0.12"],
    },
    entry_points={"console_scripts": ["raab = raab.host.cli:main"]},
)
