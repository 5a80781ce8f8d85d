"""Request ids under gevent: requests that take turns in one process, three hundred at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import dataclasses, io, json, logging, random, sys
from pathlib import Path
import gevent
from gevent.pool import Pool
from flask import Response
from raab import create_app
from raab.factory.configFactory import load_settings
from raab.factory.logFactory import JsonFormatter
from raab.web.context import request_id
from raab.web.edge.access import AccessLog, json_line

app = create_app(load_settings({"RAAB_ENVIRONMENT": "production"}, Path("/nonexistent")))
lines, access = io.StringIO(), io.StringIO()
handler = logging.StreamHandler(lines)
handler.setFormatter(JsonFormatter())
logging.getLogger("shop").addHandler(handler)
written = AccessLog(access, json_line, batch=True)
app.wsgi_app.rules = dataclasses.replace(app.wsgi_app.rules, access=written)

@app.get("/turns/<int:number>")
def turns(number):
    for _ in range(3):
        gevent.sleep(random.random() / 100)
        logging.getLogger("shop").warning("%s", number)
    def parts():
        gevent.sleep(random.random() / 100)
        # The body is made when the view has long returned.
        yield request_id.get()
    return Response(parts())

wrong = []
def ask(number):
    with app.test_client().get(f"/turns/{number}") as answer:
        ids[number] = answer.headers["X-Request-ID"]
        if answer.text != ids[number]:
            wrong.append(number)

ids = {}
pool = Pool(300)
for number in range(int(sys.argv[1])):
    pool.spawn(ask, number)
pool.join()
written.flush()
said = [json.loads(line[3:]) for line in lines.getvalue().splitlines()]
wrong += [line for line in said if ids[int(line["message"])] != line["request"]]
told = [json.loads(line[3:]) for line in access.getvalue().splitlines()]
wrong += [line for line in told if ids[int(line["path"].rpartition("/")[2])] != line["request"]]
print(json.dumps({"ids": len(set(ids.values())), "lines": len(said), "access": len(told), "wrong": wrong[:3]}))
"""


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.prove)])
def test_request_ids_never_mix_between_greenlets(tmp_path: Path, count: int) -> None:
    """In the answer's head, in its body as it is made, in each line the view logs and in the access line."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(count)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {"ids": count, "lines": 3 * count, "access": count, "wrong": []}
