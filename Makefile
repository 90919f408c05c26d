# Wallet Outage Lab. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lock-installed
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=120 --nbval-sanitize-with notebooks/nbval_sanitize.cfg

.PHONY: help setup report test lab lint types format lock recorded golden bench soak clean

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Make .venv from requirements.lock, with walletlab in it

# The environment is complete or it is not there: the stamp is the last thing written.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok=(3,11)<=sys.version_info[:2]<=(3,13); sys.exit(0 if ok else "Python 3.11 to 3.13 is needed, this is "+sys.version.split()[0]+"; say which one to use: make PYTHON=python3.12 ...")'
	@echo "setup: Python environment in $(VENV) (some minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)
	@echo "setup: done"

report: setup  ## Run the incidents live and write reports/index.html (RECORDED=1: from the recorded runs)
	@$(BIN)/walletlab report --site $(if $(RECORDED),--recorded,--live)

test: setup  ## Run every check: lint, types, unit, engine, notebooks, command line
	@$(MAKE) --no-print-directory lint types
	@$(BIN)/python -m pytest $(NBVAL) $(PYTEST_ARGS)

lab: setup  ## Open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

lint: setup  ## ruff on code and notebooks, and proof that notebooks are stripped
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/nbstripout --verify --keep-count notebooks/*.ipynb notebooks/explore/*.ipynb

types: setup  ## mypy
	@$(BIN)/mypy

format: setup  ## Format code and notebooks in place
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup  ## Resolve pyproject.toml anew into requirements.lock and environment.yml
	@$(BIN)/python tools/lock.py

recorded: setup  ## Run the recorded scenarios anew into data/recorded (then: make golden)
	@$(BIN)/python tools/record.py

golden: setup  ## Execute the notebooks on the recorded runs and keep the compared outputs
	@$(BIN)/python tools/golden.py

bench: setup  ## Benchmarks: ratios measured side by side in one run
	@for b in benchmarks/bench_*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

soak: setup  ## Long kill and stress tests
	@$(BIN)/python -m pytest -m soak tests

clean:  ## Remove what was generated (.venv stays)
	@rm -rf reports runs build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
