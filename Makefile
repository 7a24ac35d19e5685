# `make test` sets up and tests everything on a machine with Python 3.11, node and apt. Everything that it installs is
# below .cache; a .venv is the user's.
VENV ?= .cache/venv
TRAINER ?= .cache/trainer-0.9.5
TRAINER_OLD ?= .cache/trainer-0.9.3
PYTHON := $(VENV)/bin/python
export PYTHONPATH := compiler:tests
WORKERS ?= $(shell nproc)
# Tests with the trainer wait for servers, locks and time limits more than they compute.
E2E_WORKERS ?= $(shell nproc | awk '{print ($$1 > 4 ? $$1 : 4)}')
# Tests start Python thousands of times, so it must cache bytecode even if the environment disables that.
export PYTHONDONTWRITEBYTECODE :=

# One minute of tests: facts, rules and output, without those that start processes or walk through conf/.
QUICK := tests/architecture/test_layers.py tests/architecture/test_scripts.py tests/unit/test_driver.py \
  --ignore tests/unit/compose/test_limits.py $(addprefix tests/unit/,compose diagnostics lint manifests plan rules source targets trainer)
PYTHONS ?= 3.11 3.12 3.13
# Idle workers take tests from busy ones.
PYTEST = $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal

.PHONY: quick quick-pythons check test test-all e2e lint types fuzz generate golden schemas docs docs-output pins lock \
  bench clean cluster gpu

# Before each commit: the linters, and the tests that most often fail.
quick: lint types
	$(PYTEST) -m "not slow and not e2e" $(QUICK)

# The same tests on each Python of PYTHONS that is installed.
quick-pythons: $(VENV)/.installed
	@for version in $(PYTHONS); do \
	  bash tests/find_python.sh $$version >/dev/null || { echo "Python $$version is not installed: skipped"; continue; }; \
	  echo "Python $$version"; \
	  $(MAKE) --no-print-directory .cache/python-$$version/.installed || exit 1; \
	  .cache/python-$$version/bin/python -m pytest -n $(WORKERS) -m "not slow and not e2e" $(QUICK) || exit 1; \
	done

# Before each merge: all that needs no trainer.
check: lint types $(VENV)/.installed tests/node/node_modules .cache/system-packages
	$(PYTEST) --ignore tests/e2e -m "not slow and not e2e"

# With the newest release of the trainer: emitted containers run with real bash, git and LLaMA-Factory on the CPU.
e2e: $(VENV)/.installed $(TRAINER)/.installed .cache/system-packages
	FTC_TRAINER=$(TRAINER) $(PYTEST) -n $(E2E_WORKERS) -m "not slow" tests/e2e

test: check e2e

# Also the other release of the trainer, each kill point and each faulty request, and the walks through conf/.
test-all: lint types quick-pythons $(TRAINER)/.installed $(TRAINER_OLD)/.installed tests/node/node_modules \
  .cache/system-packages
	FTC_TRAINER=$(TRAINER) FTC_TRAINER_OLD=$(TRAINER_OLD) $(PYTEST)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/codespell

types: $(VENV)/.installed
	$(VENV)/bin/mypy

# The same tests of submit, why and delete with a real cluster, in a new namespace: KUBECONFIG=… make cluster. It needs
# the permissions of an administrator, and leaves nothing.
cluster: $(VENV)/.installed
	FTC_CLUSTER=1 $(PYTHON) -m pytest tests/unit/cluster/test_anywhere.py

# Fuzzed inputs: none may cause a traceback, take more than 5 seconds or use more than 512 MiB.
fuzz: $(VENV)/.installed
	$(PYTHON) -m fuzz --number $(or $(NUMBER),100000) --processes $(or $(PROCESSES),2000) --seed $(or $(SEED),1)

# Rewrite all generated files after a change of conf/, of a rule's page or of the spec; then read the diff.
generate: schemas golden

golden: $(VENV)/.installed
	$(PYTHON) -m golden.update

schemas: $(VENV)/.installed
	$(PYTHON) -m ftc.spec.schema > schemas/.spec.schema.json && mv schemas/.spec.schema.json schemas/spec.schema.json
	$(PYTHON) -m ftc.editor schemas/conf
	$(PYTHON) schemas/make_rule_examples.py > schemas/.rule_examples.json
	mv schemas/.rule_examples.json schemas/rule_examples.json
	$(PYTHON) -m ftc.cli.words > schemas/.completion.json && mv schemas/.completion.json schemas/completion.json

# The documentation with its generated reference, rebuilt at each change: http://127.0.0.1:8000
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs serve --strict

# Rewrite the outputs that the pages and READMEs show, except those with `…`; then read the diff.
docs-output: $(VENV)/.installed
	$(PYTHON) -m docs

# Trainings on the GPUs of this machine, of the kind HARDWARE: FTC_TRAINER=DIR make gpu. DIR is an environment with LLaMA-Factory.
gpu: $(VENV)/.installed
	$(PYTHON) -m gpu --hardware $(or $(HARDWARE),h200) $(CASES)

# The table of docs/en/support.md, and the cost of the rules.
bench: $(VENV)/.installed .cache/peers/.installed
	$(PYTHON) -m benchmarks.table
	$(PYTHON) -m benchmarks.rules

# Resolve the pins of the trainers again; then read the diff, and run the tests that train.
pins: $(VENV)/.installed
	$(PYTHON) tests/e2e/trainer/make_pins.py

# Resolve the pins of the development environment again; pins that still fit stay.
lock: $(VENV)/.installed
	$(VENV)/bin/uv pip compile --quiet pyproject.toml --group test --group docs --no-emit-index-url --no-annotate \
	  --no-header --python-version 3.11 -o requirements.lock

$(VENV)/.installed: requirements.lock
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.cache/python-%/.installed: requirements.lock tests/find_python.sh
	$(VENV)/bin/uv venv --quiet --clear --python "$$(bash tests/find_python.sh $*)" .cache/python-$*
	$(VENV)/bin/uv pip install --quiet --python .cache/python-$*/bin/python -r requirements.lock
	$(VENV)/bin/uv pip install --quiet --python .cache/python-$*/bin/python --no-deps --editable .
	touch $@

$(TRAINER)/.installed: tests/e2e/trainer/install.sh conf/build/cpu.yaml $(wildcard conf/pins/0.9.5+5.6.0/*.txt)
	bash tests/e2e/trainer/install.sh 0.9.5+5.6.0 $(TRAINER)
	touch $@

$(TRAINER_OLD)/.installed: tests/e2e/trainer/install.sh conf/build/cpu.yaml $(wildcard conf/pins/0.9.3+*/*.txt)
	bash tests/e2e/trainer/install.sh 0.9.3+4.51.1 $(TRAINER_OLD)
	touch $@

.cache/system-packages: tests/e2e/system-packages.sh
	bash tests/e2e/system-packages.sh
	mkdir -p .cache && touch $@

.cache/peers/.installed: benchmarks/peers/requirements.txt benchmarks/peers/package.json
	python3 -m venv .cache/peers
	.cache/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	cp benchmarks/peers/package.json .cache/peers && npm install --silent --prefix .cache/peers
	touch $@

tests/node/node_modules: tests/node/package-lock.json
	npm ci --silent --prefix tests/node
	touch $@

clean:
	rm -rf $(VENV) .cache tests/node/node_modules
