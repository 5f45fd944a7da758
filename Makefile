# Everything a contributor types. `make` or `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST_FLAGS ?= --numprocesses auto -r s
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make .venv with the locked dependencies and the homing command
	@tools/setup.sh

.PHONY: demo
demo: setup ## server, vendor simulators and two people's phones, in your browser
	@$(BIN)/homing demo

.PHONY: test
test: setup ## the whole test suite, with branch coverage of the rules and channels
	@tools/browser.sh
	$(BIN)/pytest --cov --cov-report= $(PYTEST_FLAGS)
	@$(MAKE) --no-print-directory coverage

.PHONY: coverage
coverage: ## what the last test run covered; at least 95 % of rules and channels
	@$(BIN)/coverage report --include='src/homing/rules/*,src/homing/channels/*' --show-missing --skip-covered --fail-under=95
	@$(BIN)/coverage report | tail -1 | awk '{print "the whole package: " $$NF}'

.PHONY: check
check: lint types contracts docs ## lint, types, import contracts, sizes, spelling, dependencies, documents

.PHONY: lint
lint: setup ## ruff and codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

.PHONY: types
types: setup ## mypy, strict
	$(BIN)/mypy

.PHONY: contracts
contracts: setup ## imports between rooms, vendors' names, sizes, dependencies, locks
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/python tools/check_vendor_names.py
	$(BIN)/python tools/check_sizes.py
	$(BIN)/python tools/check_repository.py
	$(BIN)/python tools/check_wheel.py

.PHONY: docs
docs: setup ## build the documents into site/; any warning fails
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/mkdocs build --strict --quiet

.PHONY: generate
generate: setup ## write the reference pages that are made from the code
	$(BIN)/python tools/generate_docs.py

.PHONY: format
format: setup ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: setup ## measure this machine (takes ten minutes; close other programs)
	@for part in "send --channel all" server accept fanout tokens sockets restart cluster; do \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/homing bench $$part $(BENCH_FLAGS) || exit 1; done

.PHONY: lock
lock: setup ## resolve the dependencies anew: exact versions, with hashes
	$(LOCK) $(LOCK_FLAGS) pyproject.toml -o requirements.lock
	$(LOCK) $(LOCK_FLAGS) --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

.PHONY: clean
clean: ## remove what was built; keeps .venv and data/
	rm -rf build dist site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
