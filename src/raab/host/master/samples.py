"""What the master knows, for Prometheus."""

from __future__ import annotations

from raab.errors import RaabError
from raab.host import releases
from raab.host.master.overview import document, template_ready
from raab.host.paths import Paths
from raab.metrics.exposition import Sample


def service(paths: Paths, seconds: float, **how: bool) -> list[Sample]:
    """What the master tells on its control socket, within so many seconds. `how` is that of `ask`.

    Raises RaabError when it runs and does not tell.
    """
    try:
        status = document(paths, seconds, **how)
    except RaabError as error:
        if error.exit_code != 3:
            raise
        return [Sample("raab_up", "gauge", "Whether the service runs.", (({}, 0),))]
    release = status["release"]
    phases = sorted({worker["phase"] for worker in status["workers"]} | {"serving"})
    workers = tuple(({"phase": phase}, sum(worker["phase"] == phase for worker in status["workers"])) for phase in phases)
    build = {"release": release, "version": releases.version(paths, release)}
    samples = [
        Sample("raab_up", "gauge", "Whether the service runs.", (({}, 1),)),
        Sample("raab_build_info", "gauge", "The release that serves.", ((build, 1),)),
        Sample("raab_start_time_seconds", "gauge", "When the master started, since the epoch.", (({}, status["started"]),)),
        Sample("raab_generation", "gauge", "Generation of workers that serves.", (({}, status["generation"]),)),
        Sample("raab_workers", "gauge", "Workers by phase.", workers),
        Sample("raab_workers_target", "gauge", "Workers wanted.", (({}, status["target"]),)),
    ]
    for kind, text in (("private", "Memory that a worker alone holds."), ("shared", "Memory that a worker and others hold.")):
        # By their place in the row and not by process id, of which each reload brings new ones.
        sizes = tuple(({"worker": str(place)}, w[kind]) for place, w in enumerate(status["workers"], 1) if w[kind] is not None)
        if sizes:
            samples.append(Sample(f"raab_worker_{kind}_bytes", "gauge", text, sizes))
    if "load" in status:
        shared, ready = int(status["load"]["mode"] == "shared"), int(template_ready(status))
        samples += [
            Sample("raab_load_shared", "gauge", "Whether the workers share one load of the application.", (({}, shared),)),
            Sample("raab_template_ready", "gauge", "Whether the generation that serves can fork workers at once.", (({}, ready),)),
        ]
    outcome = status["reload"]
    if outcome:
        samples += [
            Sample("raab_last_reload_success", "gauge", "Whether the last reload was one.", (({}, int(outcome["good"])),)),
            Sample("raab_last_reload_time_seconds", "gauge", "When it ended, since the epoch.", (({}, outcome["at"]),)),
        ]
    return samples
