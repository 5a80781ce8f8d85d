"""The rules and the dashboard under deploy/monitoring: they ask for metrics that raab has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from raab.host.master import samples
from raab.host.paths import Paths
from raab.metrics.exposition import Told, render
from raab.metrics.layout import ABORTERS, BOUNDS, Name
from raab.metrics.reading import Reading, Series

FOLDER = Path(__file__).parents[3] / "deploy/monitoring"
STATUS = {
    "release": "r",
    "generation": 1,
    "started": 1.0,
    "target": 2,
    "reload": {"good": True, "at": 2.0},
    "workers": [
        {"phase": "serving", "private": 8, "shared": 40},
        {"phase": "serving", "private": None, "shared": None},
        {"phase": "retiring", "private": 9, "shared": 41},
    ],
    "load": {"mode": "shared", "why": ""},
    "templates": [{"generation": 1, "ready": True}],
}


@pytest.fixture
def exposed(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(samples, "document", lambda paths, seconds: STATUS)
    series = Series(Name("GET", "/", 200), 1, 0.1, 10, (0.0,) * 4 + (1.0,) + (0.0,) * (len(BOUNDS) - 4))
    reading = Reading((series,), 0, {}, dict.fromkeys(ABORTERS, 0))
    return render(*(Told(name, reading, samples.service(Paths(name), 1.0)) for name in ("raab", "shop")))


def test_workers_are_told_by_phase(exposed: str) -> None:
    """And the rest of what the master knows."""
    assert 'raab_workers{service="raab",phase="retiring"} 1\nraab_workers{service="raab",phase="serving"} 2\n' in exposed
    assert 'raab_up{service="raab"} 1\nraab_up{service="shop"} 1\n' in exposed
    assert 'raab_last_reload_success{service="raab"} 1\n' in exposed


def test_memory_and_template_are_told(exposed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the workers whose memory can be seen; of a master that has templates."""
    assert 'raab_worker_private_bytes{service="raab",worker="1"} 8\nraab_worker_private_bytes{service="raab",worker="3"} 9\n' in exposed
    assert 'raab_worker_shared_bytes{service="raab",worker="1"} 40\n' in exposed
    assert 'raab_load_shared{service="raab"} 1\n' in exposed and 'raab_template_ready{service="raab"} 1\n' in exposed
    retired = {**STATUS, "templates": [{"generation": 0, "ready": True}, {"generation": 1, "ready": False}]}
    older = {key: value for key, value in STATUS.items() if key not in ("load", "templates")}
    for status, expected in ((retired, {"raab_load_shared": 1, "raab_template_ready": 0}), (older, {})):
        monkeypatch.setattr(samples, "document", lambda paths, seconds, status=status: status)
        told = {sample.name: sample.values[0][1] for sample in samples.service(Paths("raab"), 1.0)}
        assert {name: told[name] for name in ("raab_load_shared", "raab_template_ready") if name in told} == expected


@pytest.mark.parametrize("name", ["raab.rules.yaml", "grafana-dashboard.json"])
def test_every_metric_that_is_asked_for_exists(exposed: str, name: str) -> None:
    """By the name that raab gives it, or that a rule records."""
    text = (FOLDER / name).read_text()
    document = yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text)
    recorded = {rule["record"] for group in document.get("groups", []) for rule in group["rules"] if "record" in rule}
    known = set(re.findall(r"^(raab_\w+)", exposed, re.MULTILINE))
    asked = set(re.findall(r"(?<![\w:./-])(?:instance:)?raab_\w+(?::\w+)?", " ".join(expressions(document))))
    assert asked
    assert asked <= known | recorded


def expressions(value: object) -> list[str]:
    """Everything under the key `expr`, however deep."""
    if isinstance(value, dict):
        return [str(found) for key, child in value.items() for found in ([child] if key == "expr" else expressions(child))]
    return [found for child in value for found in expressions(child)] if isinstance(value, list) else []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not installed")
def test_promtool_accepts_rules_and_metrics(exposed: str) -> None:
    """Prometheus' own judgement: of the rules' form, of what they say about a host in trouble, of the metrics' names and format."""
    scenario = Path(__file__).with_name("raab.rules.test.yaml")
    for words in (("check", "rules", str(FOLDER / "raab.rules.yaml")), ("test", "rules", str(scenario)), ("check", "metrics")):
        done = subprocess.run(["promtool", *words], input=exposed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
