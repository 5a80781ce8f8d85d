"""Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from raab.metrics.layout import BOUNDS
from raab.metrics.reading import Reading


class Sample(NamedTuple):
    """A metric with a value for each set of labels."""

    name: str
    kind: str
    help: str
    values: tuple[tuple[Mapping[str, str], float], ...]


class Told(NamedTuple):
    """What is known of a service: by its workers, and by others."""

    service: str
    reading: Reading
    more: Sequence[Sample] = ()


class _Family(NamedTuple):
    """A metric; each row has what follows its name, its labels, and its value."""

    name: str
    kind: str
    help: str
    rows: tuple[tuple[str, Mapping[str, object], float], ...]


def render(*services: Told) -> str:
    """The metrics of these services, each series with the label `service`, as the body of a scrape's answer: one host may have several."""
    families: dict[str, list[str]] = {}
    for told in services:
        for name, kind, text, rows in (*_requests(told.reading), *map(_family, told.more)):
            lines = families.setdefault(name, [f"# HELP {name} {text}", f"# TYPE {name} {kind}"])
            for suffix, labels, value in rows:
                lines.append(f"{name}{suffix}{{{_labels({'service': told.service, **labels})}}} {_number(value)}")
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def _requests(reading: Reading) -> Iterator[_Family]:
    in_flight, aborted, series = reading.in_flight, reading.aborted.items(), reading.series
    yield _Family("raab_http_requests_in_flight", "gauge", "Requests being answered now.", (("", {}, in_flight),))
    rows: list[tuple[str, Mapping[str, object], float]] = []
    for one in series:
        labels = one.name._asdict()
        for bound, total in zip((*map(_number, BOUNDS), "+Inf"), accumulate(one.buckets), strict=True):
            rows.append(("_bucket", {**labels, "le": bound}, total))
        # The buckets' sum and not the count beside them: a worker may be between the two.
        rows += [("_sum", labels, one.seconds), ("_count", labels, sum(one.buckets))]
    yield _Family("raab_http_request_duration_seconds", "histogram", "Time from a request's head to the end of its answer.", tuple(rows))
    cut = tuple(("", {"by": who}, count) for who, count in aborted)
    yield _Family("raab_http_responses_aborted_total", "counter", "Answers that ended too early, by who ended them.", cut)
    sizes = tuple(("", one.name._asdict(), one.bytes) for one in series)
    yield _Family("raab_http_response_bytes_total", "counter", "Bytes of answers' bodies.", sizes)


def _family(sample: Sample) -> _Family:
    return _Family(sample.name, sample.kind, sample.help, tuple(("", labels, value) for labels, value in sample.values))


def _labels(labels: Mapping[str, object]) -> str:
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
