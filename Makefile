# Every verb of this project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
UPGRADE ?= --upgrade
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url $(UPGRADE) \
	--custom-compile-command 'make lock' --quiet

# Where it is set, each of our processes would compile Prefect again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup dev demo up test chaos mutants simulate check fmt size lock bench apply docs release clean

help: ## List the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(VENV)/installed ## Make .venv with what Hookline runs on, pinned (done by the other verbs when needed)

$(VENV)/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo 'Hookline needs Python 3.11 to 3.13; name one with: make PYTHON=python3.11 …'; exit 2; }
	@echo 'Setting up $(VENV) (once)'
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock >$(VENV)/uv.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@touch $@

$(VENV)/installed: pyproject.toml $(VENV)/ready # again for new entry points
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

dev: $(VENV)/dev $(VENV)/installed ## Add what tests and checks need to it (done by the other verbs when needed)

$(VENV)/dev: requirements-dev.lock $(VENV)/ready
	@echo 'Adding what tests and checks need'
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup ## Run the main job through real processes; KEEP=1 leaves them running
	@$(BIN)/hookline demo $(if $(KEEP),--keep) $(ARGS)

up: setup ## Run everything in the foreground, against the sandbox vendors
	@$(BIN)/hookline up --sandbox $(ARGS)

test: dev ## Run every test; ARGS="tests/unit -k name" for some
	@$(BIN)/python -m pytest --numprocesses=2 $(ARGS)

chaos: dev ## Prove it: orders while everything dies; SEED=, ORDERS=
	@$(BIN)/python -m tests.chaos --orders $(or $(ORDERS),5000) $(if $(SEED),--seed $(SEED)) $(ARGS)

simulate: dev ## Play schedules of the journal in a world of its own, a million by SCHEDULES=1000000
	@$(BIN)/python -m tests.simulation $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(ARGS)

mutants: dev ## Change the code where safety lies, and see which changes no test notices; SAMPLE=, ARGS=module
	@$(BIN)/python -m tests.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

check: dev ## Format, lint, types and import contract, as CI does
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: dev ## Format, and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

size: ## Count the lines of Python, in the product and in the tests: all, and those that are not blank
	@$(call count,product,'hookline/*.py' 'flows/*.py' 'tasks/*.py' 'blocks/*.py')
	@$(call count,tests,'tests/*.py')

count = git ls-files -z $(2) | xargs -0 cat | awk '!/^ *$$/ { written++ } END { printf "%-8s %6d lines, %6d not blank\n", "$(1)", NR, written }'

lock: dev ## Resolve the lock files again from pyproject.toml; UPGRADE="--upgrade-package prefect" for one package
	@$(LOCK) --group install --output-file requirements.lock
	@$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock

bench: setup ## Measure ack, first and last call, orders per second, in one run
	@$(BIN)/hookline bench $(ARGS)

apply: setup ## Register blocks and deployments on a running Prefect server
	@$(BIN)/hookline apply $(ARGS)

docs: dev ## Write the generated parts of docs/ again
	@$(BIN)/python docs/generate.py

release: dev ## Check that version, changelog and schema agree, and print how to tag; it tags nothing
	@$(BIN)/python -m tests.release

clean: ## Remove .venv and caches; data under HOOKLINE_HOME stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
