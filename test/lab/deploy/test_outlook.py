"""What `fab doctor` sees coming, and what `fab status` says of it, on a real host."""

from __future__ import annotations

from typing import Any

# What would hurt, how it comes about, how it is undone, and a word of what is found.
COMING = (
    ("drained", "touch /run/raab/drain", "rm /run/raab/drain", "503"),
    ("left units", "touch /etc/systemd/system/raab-old.service", "rm /etc/systemd/system/raab-old.service", "raab-old.service"),
    ("writing", "mount --bind /var/log /var/log && mount -o remount,bind,ro /var/log", "umount /var/log", "/var/log is on"),
    ("kept", "touch /opt/raab/cache/venvs/{lock}/strange", "rm /opt/raab/cache/venvs/{lock}/strange", "strange is there and should not be"),
    ("python", "mv /usr/bin/python3.11 /usr/bin/python3.gone; ln -sf python3.gone /usr/bin/python3",
     "mv /usr/bin/python3.gone /usr/bin/python3.11; ln -sf python3.11 /usr/bin/python3", "/usr/bin/python3.11 is gone"),
)  # fmt: skip


def test_the_doctor_sees_what_is_coming_and_what_helps(project: Any, lab: Any) -> None:
    (host,) = lab.hosts(1)
    shell = lab.shell(host)
    project.fab("deploy", "--hosts", host.name)
    lock = shell.run("ls /opt/raab/cache/venvs").out.split()[0]
    well = project.fab("doctor", "--hosts", host.name, "--json").json["hosts"][0]["findings"]
    assert {each["check"] for each in well} >= {check for check, *_ in COMING}
    (told,) = project.fab("status", "--hosts", host.name, "--json").json["hosts"]
    assert (told["url"], told["answers"], told["drained"]) == (f"http://{host.address}:8000/", True, False)
    try:
        for _, command, _, _ in COMING:
            shell.run(command.format(lock=lock))
        found = project.fab("doctor", "--hosts", host.name, "--json", expect=1).json["hosts"][0]["findings"]
        assert "active, drained" in project.fab("status", "--hosts", host.name).out
    finally:
        for _, _, back, _ in COMING:
            shell.run(back.format(lock=lock), check=False)
    bad = {each["check"]: each for each in found if not each["well"]}
    for check, _, _, word in COMING:
        assert word in bad.pop(check)["text"], check
    # Its start of now cannot be tried without its Python.
    assert bad.keys() <= {"next start"}
    assert all(each["cure"] for each in found if not each["well"])
