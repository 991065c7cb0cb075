# `make demo` shows the program at work, `make test` runs every check. Both need Python 3.11 or newer, git and make.
#
# Everything is installed into .venv from lock files with hashes. A second run installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# `make test TESTS=tests/unit` or `make test PYTEST_FLAGS="-n 0 -x"`
TESTS ?= tests
# More processes than cores: many tests wait for servers.
PYTEST_FLAGS ?= -n 4 --dist worksteal
SOURCES := pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install bytecode demo relays test coverage lint bench soak mutation docs lock clean

help:  ## List the targets.
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

install: $(VENV)/.runtime bytecode  ## Install the command into .venv, or upgrade it.

demo: install  ## Install into .venv and play the whole cycle on this machine: import, send, unsubscribe, send again.
	$(BIN)/mailer demo

# The processes of pytest share the bytecode that they write.
test: lint bytecode  ## Install what the tests need, then run every check and test.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(PYTEST_FLAGS) $(TESTS)

# The floor in pyproject.toml is that of the unit tests alone: quick, and the same on every machine.
coverage: $(VENV)/.tests  ## Run the unit tests and measure the branches that they cover; fail below the floor (COVERED="tests/unit tests/integration": more).
	$(BIN)/pytest $(PYTEST_FLAGS) --cov --cov-report=term:skip-covered $(COVERED)
COVERED ?= tests/unit

relays: .relays/root  ## Fetch Exim and OpenSMTPD from Debian or Ubuntu into .relays, unpacked, for the tests with real servers.

# Beside Postfix neither can be installed. With each come the libraries that are missing here.
.relays/root:
	mkdir -p .relays/packages
	cd .relays/packages && apt-get download --quiet=2 -o APT::Sandbox::User=root $$(for package in exim4-daemon-light opensmtpd; do \
		apt-get install --simulate --no-install-recommends $$package | awk '/^Inst/ { print $$2 }'; done | sort -u)
	for package in .relays/packages/*.deb; do dpkg --extract $$package .relays/unpacked || exit 1; done
	mv .relays/unpacked $@

lint: $(VENV)/.tests  ## Check style, types and layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.tests  ## Measure speed beside other programs, write benchmarks/RESULTS.md (ARGS="--sending": sending alone, 20 minutes; ARGS="--quick": small; needs Debian's postfix).
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.tests  ## Test delivery for two to three hours on a quiet machine (ARGS="hosts kills" runs only these parts).
	$(BIN)/python -m tests.soak $(ARGS)

mutation: $(VENV)/.mutation  ## Change the core piece by piece; each change must fail a test (ARGS="gate claims" tries only these modules).
	nice -n 19 $(BIN)/python -m tests.mutation $(ARGS)

docs: $(VENV)/.tests  ## Write docs/cli.md from the help texts of the commands.
	$(BIN)/python docs/generate_cli.py

lock: $(VENV)/.tests  ## Update the lock files to the newest releases of all dependencies.
	$(PIP_INSTALL) uv
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group build --group test --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --constraint requirements-dev.lock --output-file tests/mutation/requirements.lock \
		tests/mutation/requirements.in
LOCK_FLAGS := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --allow-unsafe

clean:  ## Remove everything that was installed, built or cached.
	rm -rf .venv .venv-newest .demo .relays build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11. Name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) can't create virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.runtime: requirements.lock $(SOURCES) | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# A command starts in two thirds of the time from bytecode. The user of a service may not be allowed to write it.
bytecode: $(VENV)/.runtime
	@$(BIN)/python -m compileall -q cli.py web.py mailer templates subscribers campaigns

$(VENV)/.tests: requirements-dev.lock $(SOURCES) | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.runtime

$(VENV)/.mutation: tests/mutation/requirements.lock $(VENV)/.tests
	$(PIP_INSTALL) --require-hashes --requirement tests/mutation/requirements.lock
	@touch $@
