# `make test` sets up and tests everything on a machine with Python 3.11, node and apt.
VENV ?= .venv
TRAINER ?= .cache/trainer-0.9.5
TRAINER_OLD ?= .cache/trainer-0.9.3
PYTHON := $(VENV)/bin/python
export PYTHONPATH := compiler:tests
WORKERS ?= 2
# Tests start Python thousands of times, so it must cache bytecode even if the environment disables that.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: test test-all check lint types e2e fuzz golden schemas pins bench clean

test: check e2e

# Without the real trainer: the unit, property, architecture and golden tests, and the linters.
check: lint types $(VENV)/.installed tests/node/node_modules .cache/system-packages
	$(PYTHON) -m pytest -n $(WORKERS) --ignore tests/e2e -m "not e2e"

# Every kill point of the scripts, not a sample.
test-all: test
	$(PYTHON) -m pytest -n $(WORKERS) -m e2e tests/unit

# With the real trainer: run emitted containers with bash, git and LLaMA-Factory on the CPU.
e2e: $(VENV)/.installed $(TRAINER)/.installed $(TRAINER_OLD)/.installed .cache/system-packages
	FTC_TRAINER=$(TRAINER) FTC_TRAINER_OLD=$(TRAINER_OLD) $(PYTHON) -m pytest -n $(WORKERS) tests/e2e

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: $(VENV)/.installed
	$(VENV)/bin/mypy

# Fuzzed inputs: none may cause a traceback, take more than 5 seconds or use more than 512 MiB.
fuzz: $(VENV)/.installed
	$(PYTHON) -m fuzz --number $(or $(NUMBER),100000) --processes $(or $(PROCESSES),2000) --seed $(or $(SEED),1)

# Rewrite the golden files; then read the diff.
golden: $(VENV)/.installed
	$(PYTHON) -m golden.update

# Rewrite the generated schemas of the spec and of conf files.
schemas: $(VENV)/.installed
	$(PYTHON) -m ftc.spec.schema > schemas/.spec.schema.json && mv schemas/.spec.schema.json schemas/spec.schema.json
	$(PYTHON) -m ftc.editor.file_schema schemas/conf

# The table of the README, and the cost of the rules.
bench: $(VENV)/.installed
	$(PYTHON) -m benchmarks.table
	$(PYTHON) -m benchmarks.rules

# Resolve the pins of the trainers again; then read the diff, and run the tests that train.
pins: $(VENV)/.installed
	$(PYTHON) tests/e2e/trainer/make_pins.py

# Resolve the pins of the development environment again.
requirements.lock: pyproject.toml
	uv pip compile --quiet pyproject.toml --group test --no-emit-index-url --no-annotate --no-header --python-version 3.11 -o $@

$(VENV)/.installed: requirements.lock
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(TRAINER)/.installed: tests/e2e/trainer/install.sh conf/build/cpu.yaml $(wildcard conf/pins/0.9.5+*/*.txt)
	bash tests/e2e/trainer/install.sh 0.9.5 $(TRAINER)
	touch $@

$(TRAINER_OLD)/.installed: tests/e2e/trainer/install.sh conf/build/cpu.yaml $(wildcard conf/pins/0.9.3+*/*.txt)
	bash tests/e2e/trainer/install.sh 0.9.3 $(TRAINER_OLD)
	touch $@

.cache/system-packages: tests/e2e/system-packages.sh
	bash tests/e2e/system-packages.sh
	mkdir -p .cache && touch $@

tests/node/node_modules: tests/node/package-lock.json
	npm ci --silent --prefix tests/node
	touch $@

clean:
	rm -rf $(VENV) .cache tests/node/node_modules
