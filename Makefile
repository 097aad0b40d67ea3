# Needs Python 3.11 or newer, make and git; everything else comes into .venv.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PORT ?= 8000
BIN := .venv/bin
# The lock is complete, so pip resolves nothing: what it would look up anew could be newer than the lock.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

# A stamp carries the checksum of its lock file, so a changed lock is installed and an unchanged one costs nothing.
LOCK_SUM := $(shell cat requirements.txt | cksum | cut -d' ' -f1)
DEV_LOCK_SUM := $(shell cat requirements-dev.txt | cksum | cut -d' ' -f1)
RUN_STAMP := .venv/run-$(LOCK_SUM).stamp
DEV_STAMP := .venv/dev-$(DEV_LOCK_SUM).stamp

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Refund Desk needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(RUN_STAMP): | .venv/bin/python
	@echo "Installing what Refund Desk runs on..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing what Refund Desk is tested with..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

.PHONY: venv
venv: $(DEV_STAMP) ## Make .venv with everything needed to run, test and check

.PHONY: demo
demo: $(RUN_STAMP) ## Start everything with a season of orders; PORT=8000 chooses the port
	@exec $(BIN)/python manage.py demo --port $(PORT)

PYTEST := $(BIN)/python -m pytest -q --numprocesses=2 --dist=worksteal --cov --cov-report=term
COVERAGE_MINIMUM := 95

.PHONY: test
test: test-sqlite test-postgresql ## Test on SQLite with a browser, then on PostgreSQL; prints branch coverage

.PHONY: test-sqlite
test-sqlite: $(DEV_STAMP)
	@echo "== SQLite"
	REFUND_DESK_TEST_DB=sqlite $(PYTEST)

# Uses the server at DATABASE_URL, else one that a package brings. Adds to the coverage of the run before.
.PHONY: test-postgresql
test-postgresql: $(DEV_STAMP)
	@echo "== PostgreSQL"
	@if reason=$$($(BIN)/python -m tests.postgres 2>&1); then \
		REFUND_DESK_TEST_DB=postgresql $(PYTEST) -m "not browser" --cov-append --cov-fail-under=$(COVERAGE_MINIMUM); \
	elif [ "$$CI" = true ]; then echo "Not tested on PostgreSQL: $$reason" >&2; exit 1; \
	else echo "Skipped on this machine: $$reason"; fi

.PHONY: check
check: $(DEV_STAMP) ## Check style, types, migrations, templates and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_templates.py

.PHONY: bench
bench: $(DEV_STAMP) ## Measure every page and service on a million orders; ORDERS=100000 DB=sqlite a part, KEEP=1 keeps it
	@ORDERS="$(ORDERS)" DB="$(DB)" KEEP="$(KEEP)" $(BIN)/python -m tools.bench

.PHONY: weigh
weigh: $(DEV_STAMP) ## Weigh the orders list in Chromium: bytes, shifts, slowest press, what following changes costs
	@$(BIN)/python -m tools.page_weight

.PHONY: screenshots
screenshots: $(DEV_STAMP) ## Renew the pictures in docs/screenshots (needs Chromium)
	$(BIN)/python -m tools.screenshots

.PHONY: torture
torture: $(DEV_STAMP) ## Kill, fault and race real processes; RUNS=20 SEED=1 DB=both, RUN=7 repeats one run
	@RUNS="$(RUNS)" SEED="$(SEED)" RUN="$(RUN)" DB="$(DB)" $(BIN)/python -m tools.torture

.PHONY: mutants
mutants: $(DEV_STAMP) ## Make small mistakes in the services and see whether a test notices; SAMPLE=0.1 SEED=1 SHARD=1/2
	@MODULES="$(MODULES)" SAMPLE="$(SAMPLE)" SEED="$(SEED)" SHARD="$(SHARD)" AGAIN="$(AGAIN)" TESTS="$(TESTS)" $(BIN)/python -m tools.mutants

.PHONY: stall
stall: $(DEV_STAMP) ## Time pages while Stripe is silent, and before; DB=sqlite and SECONDS=15 choose
	@DB="$(DB)" SECONDS="$(SECONDS)" $(BIN)/python -m tools.stall

.PHONY: lock
lock: ## Choose versions anew within the .in files and write their hashes (needs uv)
	$(LOCK) --upgrade --output-file requirements.txt requirements.in
	$(LOCK) --upgrade --constraint requirements.txt --output-file requirements-dev.txt requirements-dev.in

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: clean
clean: ## Remove what was made, the demo's data included
	rm -rf .venv var staticfiles .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
