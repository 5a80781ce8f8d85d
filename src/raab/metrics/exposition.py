"""Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from raab.metrics.layout import BOUNDS
from raab.metrics.reading import Reading


@dataclass(frozen=True)
class Sample:
    """A metric with a value for each set of labels."""

    name: str
    kind: str
    help: str
    values: tuple[tuple[Mapping[str, str], float], ...]


def render(reading: Reading, more: Iterable[Sample] = ()) -> str:
    """The requests' metrics, and `more`, as the body of a scrape's answer."""
    return "".join(f"{line}\n" for line in (*_requests(reading), *(line for sample in more for line in _sample(sample))))


def _requests(reading: Reading) -> Iterator[str]:
    yield from _head("raab_http_requests_in_flight", "gauge", "Requests being answered now.")
    yield f"raab_http_requests_in_flight {reading.in_flight}"
    metric = "raab_http_request_duration_seconds"
    yield from _head(metric, "histogram", "Time from a request's head to the end of its answer.")
    for series in reading.series:
        labels = _labels(series.name._asdict())
        for bound, total in zip((*map(_number, BOUNDS), "+Inf"), accumulate(series.buckets), strict=True):
            yield f'{metric}_bucket{{{labels},le="{bound}"}} {_number(total)}'
        yield f"{metric}_sum{{{labels}}} {_number(series.seconds)}"
        # The buckets' sum and not the count beside them: a worker may be between the two.
        yield f"{metric}_count{{{labels}}} {_number(sum(series.buckets))}"
    yield from _head("raab_http_responses_aborted_total", "counter", "Answers that ended too early, by who ended them.")
    for who, count in reading.aborted.items():
        yield f'raab_http_responses_aborted_total{{by="{who}"}} {count}'
    yield from _head("raab_http_response_bytes_total", "counter", "Bytes of answers' bodies.")
    for series in reading.series:
        yield f"raab_http_response_bytes_total{{{_labels(series.name._asdict())}}} {_number(series.bytes)}"


def _sample(sample: Sample) -> Iterator[str]:
    yield from _head(sample.name, sample.kind, sample.help)
    for labels, value in sample.values:
        yield f"{sample.name}{{{_labels(labels)}}} {_number(value)}" if labels else f"{sample.name} {_number(value)}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _labels(labels: Mapping[str, object]) -> str:
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
