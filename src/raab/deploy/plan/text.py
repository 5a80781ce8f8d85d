"""A plan as people read it. Pure, and what the golden tests of plans compare."""

from __future__ import annotations

from raab.deploy.plan.values import HostPlan, Plan


def describe(plan: Plan) -> str:
    """The plan as people read it: what `fab plan` prints, whole lines, in the hosts' order."""
    lines = [plan.title, *(f"  {note}" for note in plan.notes)]
    for host in plan.hosts:
        lines += [f"  {host.host.name} ({host.host.address})", *(f"    {line}" for line in describe_host(host))]
    for host in plan.edges:
        lines += [f"  {host.host.name} ({host.host.address}), edge", *(f"    {line}" for line in describe_host(host))]
    lines += [f"  {line}" for line in plan.migration.lines] if plan.migration else []
    if one := plan.canary:
        lines.append(f"  canary: {one.host}, with {one.share} % of the requests for {one.seconds:g} s beside the others, which decide")
    if len(plan.active) > 1:
        lines.append("  waves: " + ", then ".join(" ".join(wave) for wave in plan.waves))
    if plan.back:
        lines.append(f"  {plan.back}")
    return "\n".join(lines)


def describe_host(plan: HostPlan) -> list[str]:
    if plan.verdict == "nothing":
        return [f"nothing changes: {plan.reason}", *labelled(plan), *plan.changes]
    if plan.refusal:
        return [f"refused: {line}" if number == 0 else line for number, line in enumerate((*str(plan.refusal).splitlines(), *plan.changes))]
    if plan.front:
        what = f"take requests for {plan.release}" if plan.release else "take no requests for the service any more"
        sent = [f"send {part.path.name}, {part.size} bytes" for part in plan.front.send]
        return [*plan.changes, *sent, f"after the hosts: {what}" + (", proved by answers through it" if plan.release else "")]
    lines = [f"release {plan.previous or 'none'} -> {plan.release}", *labelled(plan), *plan.changes]
    if plan.staging:
        names = ", ".join(part.name for part in plan.staging.send)
        lines.append(f"send {len(plan.staging.send)} files, {plan.staging.size} bytes" + (f": {names}" if names else ""))
        lines.append("install the dependencies" if plan.staging.dependencies == "install" else "link the dependencies that are there")
    else:
        lines.append(f"send nothing: {plan.reason}")
    taken_up = "restart, which ends every process of before" if plan.restart else "hand over"
    return [*lines, f"activate: verify, trial load, switch, {taken_up}, prove by answers"]


def labelled(plan: HostPlan) -> list[str]:
    return [f"same content, now commit {plan.label[:7]}: noted in the host's journal"] if plan.label else []
