# demo and test are all that a newcomer needs; each makes what it lacks. `make help` prints what stands behind ##.
PYTHON ?= python3
# Rooms whose tests start next to nothing, without the files of them that start processes or wait, and without what is tried at random.
QUICK = $(addprefix test/,$(addprefix deploy/,inspection membership plan report secrets) $(addprefix raab/,admin factory served) http1 host \
	handover/test_states.py handover/test_journal.py drill/test_catalogue.py drill/test_progress.py drill/traffic/test_account.py \
	test_protocol.py test_handshakes.py test_servicename.py test_variable.py) \
	$(addprefix --ignore=test/,host/session host/edge host/command/test_unheard.py host/units/test_hook.py host/units/test_unitfiles.py \
	http1/request http1/upgrade http1/test_connection.py http1/test_turns.py raab/admin/test_listeners.py raab/factory/test_wrapping.py) -k "not fuzzed"
LAB_PACKAGES = systemd-container debootstrap iproute2 openssh-client

.PHONY: demo quick test deploys hosts no-hosts prove cases pages bench dist lint clean help packages

demo: .venv/ready packages  ## two throwaway hosts on this machine, raab deployed to them, and what to type next
	@.venv/bin/fab lab.up --hosts 2 deploy status
	@echo "next: curl one of the URLs above; edit src/raab/modules/home and 'fab deploy'; 'fab rollback'; 'fab --list'; 'fab lab.down' ends the hosts"
	@echo "      (fab is .venv/bin/fab: '. .venv/bin/activate' puts it on your path)"

test: .venv/ready packages lint  ## every test but those of prove, in three quarters of an hour on two cores; CI runs this
	@$(MAKE) --no-print-directory --keep-going --jobs=3 deploys hosts no-hosts

quick: .venv/ready  ## what needs neither root nor network nor a server, and how much of its rooms that reaches, while you work
	@mkdir -p build
	@.venv/bin/coverage run .venv/bin/pytest -q -m "not lab and not prove" $(QUICK)
	@.venv/bin/coverage report

# Most of their time all three wait, each for something else. What the first says is seen as it comes, the others' words when they end.
LATER = >build/$@.txt 2>&1; ended=$$?; cat build/$@.txt; exit $$ended

deploys:
	@.venv/bin/pytest -m "lab and not prove" --durations=20 test/lab/deploy

hosts:
	@mkdir -p build
	@RAAB_LAB=$${RAAB_LAB:-test}2 .venv/bin/pytest -m "lab and not prove" --durations=20 -o cache_dir=.pytest_cache/$@ --ignore=test/lab/deploy $(LATER)

no-hosts:
	@mkdir -p build
	@.venv/bin/pytest -m "not lab and not prove" -o cache_dir=.pytest_cache/$@ $(LATER)

prove: .venv/ready packages lint  ## what takes longer, in an hour or two: all drills at full rate, each drill seen failing, exhaustive pairs
	@.venv/bin/pytest -m prove -rA

cases: .venv/ready packages  ## plays every case of test/lab/deploy/cases and prints docs/cases.md, in half an hour
	@RAAB_PRINT_CASES=1 .venv/bin/pytest -q -m '' test/lab/deploy/cases/test_cases.py

pages: .venv/ready  ## writes what is made from other files anew: docs/configuration.md, and what `raab help` says
	@.venv/bin/python docs/making

bench: .venv/ready packages  ## raab beside plain gunicorn, systemctl restart, pip in a new venv, fujin, bare Flask, granian
	@command -v wrk >/dev/null || apt-get -qq install --yes --no-install-recommends wrk >/dev/null
	@.venv/bin/python bench/run.py

dist: .venv/ready  ## raab's wheel and sdist, from which other projects install it
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv/bin/python -m build --no-isolation --outdir dist \
		--config-setting=--build-option=--build-number=$$(git log -1 --format=%ct) . >/dev/null 2>&1
	@echo "pip install \"raab[deploy] @ file://$$(ls $(CURDIR)/dist/*.whl)\""

lint: .venv/ready  ## ruff and mypy
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

clean:  ## remove what the other targets have made in this folder
	rm -rf .venv build dist src/raab.egg-info

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

# Every tool and library at the version and hash of the locks; the stamp makes this a step of the first time only.
.venv/ready: requirements-dev.lock requirements.lock setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make: Python >= 3.10 is needed, got $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "installing python3-venv (apt)"; apt-get -qq update && apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null; }
	@echo "making .venv from the locks"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock -r requirements.lock
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Only root can boot hosts; everybody else gets the tests that need none.
packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! { command -v systemd-nspawn && command -v debootstrap && command -v ip && command -v ssh; } >/dev/null; then \
		echo "installing $(LAB_PACKAGES) (apt)"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $(LAB_PACKAGES) >/dev/null; \
	fi
