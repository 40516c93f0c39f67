# Needs only Python 3.11 or newer, make and git: everything else is installed into .venv, in the versions of requirements.lock.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types wheel format benchmarks lock clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(INSTALLED): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "journeymining needs Python 3.11 or newer, found " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED)  ## simulate a company, run the whole job on its raw logs, say where the report is
	$(BIN)/journeymining demo --force

test: $(INSTALLED)  ## run the tests
	$(BIN)/python -m pytest

check: lint types test wheel  ## everything that CI checks

lint: $(INSTALLED)  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## static types, strict
	$(BIN)/mypy

wheel: $(INSTALLED)  ## build the wheel, check what it installs
	$(BIN)/python tests/wheel_check.py

format: $(INSTALLED)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(INSTALLED)  ## measure speed as ratios against peers, in one run
	$(BIN)/python -m tests.benchmarks

lock: $(INSTALLED)  ## refresh requirements.lock to the newest versions that fit setup.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' --extra dev setup.cfg --output-file requirements.lock

clean:  ## remove what was built or installed here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
