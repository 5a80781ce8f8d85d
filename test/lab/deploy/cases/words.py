"""What may be typed, and where it is typed."""

from __future__ import annotations

from .case import Stage, as_it_is, case

FAMILY = "words and terminals"
TYPED = (
    ("an environment that there is not", "fab deploy --env labb", 2, "--env: no such environment, got labb"),
    ("a host that there is not", "fab deploy --hosts nobody", 2, "--hosts: no such host in lab, got nobody"),
    ("no host at all", "fab deploy --hosts ''", 2, "--hosts: names no host, got ''"),
    ("Fabric's own choice of hosts", "fab -H {host} deploy", 2, "--hosts: an option of Fabric's that raab does not have"),
    ("a verb that there is not", "fab deply", 1, "deply"),
    ("a release to go back to that there is not", "fab rollback --to 20200101T000000Z-0000000 --hosts {host}", 2,
     "rollback: no such release that once served, got 20200101T000000Z-0000000"),
    ("a number of workers that is none", "fab scale many --hosts {host}", 2, "not a number of workers"),
    ("a plan, in JSON", "fab plan --json --hosts {host}", 0, '"verdict": "activate"'),
    ("no terminal and nothing on standard input", "fab plan --hosts {host} </dev/null", 0, "activate: verify, trial load, switch"),
    ("no language and a dumb terminal", "LC_ALL=C TERM=dumb fab plan --hosts {host}", 0, "activate: verify, trial load, switch"),
)  # fmt: skip
for _name, _line, _code, _said in TYPED:
    case(FAMILY, _name, _code, _said, _line, quick=_name == "a host that there is not")(as_it_is)


@case(FAMILY, "an environment's file that is no YAML", 2, "deploy/case.yaml:", "fab deploy --env case")
def _(stage: Stage) -> None:
    stage.write("deploy/case.yaml", "hosts: {h1: [\n")


@case(FAMILY, "an environment's file with a key that there is not", 2, "hint: did you mean 'waves'?", "fab deploy --env case")
def _(stage: Stage) -> None:
    stage.environment(wave="[1, 100%]")


@case(FAMILY, "two names for one host", 2, "two names for one address, h1 and h2", "fab deploy --env case")
def _(stage: Stage) -> None:
    stage.environment(hosts=f"{{h1: {{address: {stage.host.address}}}, h2: {{address: {stage.host.address}}}}}")


@case(FAMILY, "another project's service", 5, "service raab: it belongs to another project, got raab there and shop here")
def _(stage: Stage) -> None:
    stage.change("setup.py", 'name="raab"', 'name="shop"')


@case(FAMILY, "a refusal, in JSON", 2, "a link that leads nowhere", "fab deploy --json --hosts {host}")
def _(stage: Stage) -> None:
    (stage.root / "src/raab/nowhere").symlink_to("not-there")


@case(FAMILY, "a failure, in JSON", 4, '"result": "failed"', "fab deploy --json --hosts {host}")
def _(stage: Stage) -> None:
    stage.project.break_app("raise RuntimeError('no such table')")
