# `make demo` shows it, `make test` proves it. Both need only Python 3.11 or newer, git and make.
#
# Everything lands in .venv, from lock files with hashes; a second run installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# `make test TESTS=tests/unit` or `make test PYTEST_FLAGS="-n 0 -x"`
TESTS ?= tests
PYTEST_FLAGS ?= -n 2 --dist worksteal
SOURCES := pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench soak docs lock clean

help:  ## Say what there is to make.
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.runtime  ## Install into .venv and play the whole story on this machine.
	$(BIN)/mailer demo

test: lint  ## Install what the tests need, then run every check and test.
	$(BIN)/pytest $(PYTEST_FLAGS) $(TESTS)

lint: $(VENV)/.tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.tests  ## Measure it all beside its peers, write benchmarks/RESULTS.md (ARGS="--quick": a look; needs Debian's postfix).
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.tests  ## Test delivery at length on a quiet machine, about an hour (ARGS="hosts kills": just these parts).
	$(BIN)/python -m tests.soak $(ARGS)

docs: $(VENV)/.tests  ## Write docs/cli.md anew from the commands' own help.
	$(BIN)/python docs/generate_cli.py

lock: $(VENV)/.tests  ## Take the newest releases of everything into the lock files.
	$(PIP_INSTALL) uv
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_FLAGS) --group build --group test --output-file requirements-dev.lock pyproject.toml
LOCK_FLAGS := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --allow-unsafe

clean:  ## Remove what was installed, built and cached.
	rm -rf $(VENV) .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "There is no $(PYTHON). Install Python 3.11 or newer, or say which one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11. Say which one to use: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) can't make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.runtime: requirements.lock $(SOURCES) | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tests: requirements-dev.lock $(SOURCES) | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.runtime
