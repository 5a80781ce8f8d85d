# demo and test are all that a newcomer needs; each makes what it lacks.
PYTHON ?= python3
LAB_PACKAGES = systemd-container debootstrap iproute2 openssh-client

.PHONY: demo test bench lint clean packages

demo: .venv/ready packages
	@.venv/bin/fab lab.up --hosts 2 deploy status
	@echo "next: curl one of the URLs above; edit src/raab/modules/home and 'fab deploy'; 'fab rollback'; 'fab --list'; 'fab lab.down' ends the hosts"
	@echo "      (fab is .venv/bin/fab: '. .venv/bin/activate' puts it on your path)"

test: .venv/ready packages lint
	@.venv/bin/pytest

bench: .venv/ready packages
	@command -v wrk >/dev/null || apt-get -qq install --yes --no-install-recommends wrk >/dev/null
	@.venv/bin/python bench/run.py

lint: .venv/ready
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

clean:
	rm -rf .venv build dist src/raab.egg-info

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
