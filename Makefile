# Two commands matter: `make demo` and `make test`. Both make the environment first; `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SECONDS ?= 60

.PHONY: help env demo test quick lint schemas bench clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

env: $(READY) ## the environment in .venv: pinned packages, compiled loops, the broker's files

# The stamp is newer than what it was made from, so a second run starts at once.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed" >&2; exit 1; }
	@echo "1/4 environment in $(VENV) with $(PYTHON)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "2/4 packages, exactly as tested (constraints.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on -c constraints.txt setuptools
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --prefer-binary --no-build-isolation \
		-c constraints.txt -e '.[broker,dev]' | grep -E --line-buffered '^(Downloading|Installing|Successfully|ERROR)' || true
	@$(BIN)/python -c 'import streamer, confluent_kafka, faust, numba, river' || \
		{ echo "make: the packages could not be installed; the lines above say why" >&2; exit 1; }
	@echo "3/4 hot loops"
	@$(BIN)/streamer compile
	@echo "4/4 Apache Kafka"
	@$(BIN)/streamer broker install || echo "make: no broker; the demo will run the engine alone"
	@touch $(READY)

demo: $(READY) ## broker, worker, trainer and traffic on one screen (SECONDS=60)
	@$(BIN)/streamer demo --seconds $(SECONDS)

test: $(READY) lint ## everything: style, types, layers, schemas, unit and real-broker tests
	@$(BIN)/python -m pytest

quick: $(READY) ## the tests that need neither a broker nor patience
	@$(BIN)/python -m pytest -m 'not broker and not slow'

lint: $(READY) ## style, types, layers, schemas
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports
	@$(BIN)/streamer schemas --check

schemas: $(READY) ## write schemas/ from the message types
	@$(BIN)/streamer schemas

bench: $(READY) ## measure against the raw client and the peers; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

clean: ## remove what was made here; the cache folder stays
	@rm -rf $(VENV) .run build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
