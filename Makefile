# Needs Python 3.11 or newer, make and git; everything else comes into .venv.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PORT ?= 8000
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

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
