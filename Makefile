# make demo: everything on one screen for a minute.  make test: every check and test.  make help: the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
# Tests with a broker mostly wait; with three at a time brokers on two cores were seen to be away for ten seconds.
JOBS   ?= 2
COUNT  ?= 10000000
STAMP  := $(VENV)/.complete
# Set in many images; then every process that starts compiles two thousand modules of Python anew, which takes it three seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env demo test lint quick bench evaluate fuzz chaos soak fit real upgrade clean dashboards screens system anew

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /: /'

env: $(STAMP) ## the environment: packages as locked, compiled loops, a broker

$(VENV)/.packages: pyproject.toml constraints.txt
	@echo "1/4 environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "2/4 packages (about 40 s)"
	@# Bytecode is made of what is used, when it is: made of all it takes twenty seconds.
	@$(BIN)/python -m pip install --no-compile --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[broker,dev]'
	@touch $@

$(VENV)/.broker: $(VENV)/.packages
	@echo "3/4 Apache Kafka"
	@$(BIN)/python -c 'from streamer.kafka import install; install.install(show=True)'
	@touch $@

$(VENV)/.loops: $(VENV)/.packages
	@echo "4/4 compiled loops"
	@$(BIN)/streamer compile
	@touch $@

$(STAMP): $(VENV)/.broker $(VENV)/.loops
	@# A gigabyte of packages on its way to the disk would keep the brokers of the first tests waiting for theirs.
	@sync
	@touch $@

demo: env ## broker, worker, trainer, merger and traffic on one screen for a minute
	@$(BIN)/streamer demo

lint: $(VENV)/.packages ## style, types, layers, schemas
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/streamer schemas --check
	@$(BIN)/streamer dashboards --check
	@$(BIN)/streamer detectors --check

test: $(VENV)/.packages ## every check and test, on a real broker
	@# The compiler of the loops has one core, the checks the other.
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=line lint $(STAMP)
	@$(BIN)/streamer compile
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup --no-loadscope-reorder --max-worker-restart 0 -m 'not anew'

quick: env ## tests without a broker
	@$(BIN)/python -m pytest -q -m 'not broker and not slow and not anew'

dashboards: env ## the Grafana dashboards, written anew from streamer/dashboards
	@$(BIN)/streamer dashboards

screens: env ## the screens in docs/, printed anew by their commands on a real broker (three minutes)
	@$(BIN)/python -m tests.screens

system: ## Debian packages that some tests use, where apt-get and root or sudo are to be had
	@deploy/install-debian-packages

bench: env ## the benchmarks; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.signals --write

evaluate: env ## every detector on simulated traffic; writes docs/evaluation.md and its plots (a quarter of an hour)
	@$(BIN)/streamer evaluate --day --adversaries --to docs/evaluation.md

fuzz: env ## COUNT inputs (10 million) to every decoder, a million broken records through a real worker, damaged state
	@$(BIN)/python -m tests.fuzzing $(COUNT)
	@$(BIN)/python -m tests.fuzzing.records 1000000
	@$(BIN)/python -m tests.fuzzing.state 20000

anew: env ## tests that compile all loops anew: with looks at every bound, and as a worker without any (four minutes)
	@$(BIN)/python -m pytest -q -m anew

chaos: env ## faults under load, every verdict and window accounted for; writes docs/reliability.md (half an hour)
	@$(BIN)/python -m tests.chaos --write

soak: env ## half an hour of lab traffic and faults, one worker watched; writes docs/soak.svg
	@$(BIN)/python -m tests.chaos.soak --write

fit: env ## simulated lines beside the real ones of the Sichuan records; writes docs/lab.md and its plots (a minute or two)
	@$(BIN)/python -m tests.lab.fit --write

real: env ## real records through the engine, what is caught and what is not; writes docs/lab.md (a minute)
	@$(BIN)/python -m tests.lab.real --write

upgrade: env ## workers of FROM=<git ref> replaced one by one by this tree's under load, back, and again (a minute); ONWARD=1: not back
	@$(BIN)/python -m tests.upgrade $(if $(ONWARD),--onward) $(FROM)

clean: ## the environment and what runs left behind
	rm -rf $(VENV) .run
