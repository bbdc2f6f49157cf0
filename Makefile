# Every verb of this project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

# Where it is set, each of our processes would compile Prefect anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up test chaos check fmt lock bench apply docs clean

help: ## List the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: .venv/ready ## Make .venv with every pinned package (done by the other verbs when needed)

.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo 'Hookline needs Python 3.11 to 3.13; name one with: make PYTHON=python3.11 …'; exit 2; }
	@echo 'Setting up .venv (once)'
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock >.venv/uv.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Run the main job through real processes; KEEP=1 leaves them running
	@$(BIN)/hookline demo $(if $(KEEP),--keep) $(ARGS)

up: setup ## Run everything in the foreground, against the sandbox vendors
	@$(BIN)/hookline up --sandbox $(ARGS)

test: setup ## Run every test; ARGS="tests/unit -k name" for some
	@$(BIN)/python -m pytest --numprocesses=3 $(ARGS)

chaos: setup ## Prove it: orders while everything dies; SEED=, ORDERS=
	@$(BIN)/python -m tests.chaos --orders $(or $(ORDERS),5000) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: setup ## Format, lint, types and import contract, as CI does
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: setup ## Format, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: setup ## Resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url \
		--upgrade --custom-compile-command 'make lock' --quiet --output-file requirements.lock

bench: setup ## Measure ack, first and last call, orders per second, in one run
	@$(BIN)/hookline bench $(ARGS)

apply: setup ## Register blocks and deployments on a running Prefect server
	@$(BIN)/hookline apply $(ARGS)

docs: setup ## Write the generated tables of docs/ anew
	@$(BIN)/python docs/generate.py

clean: ## Remove .venv and caches; data under HOOKLINE_HOME stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
