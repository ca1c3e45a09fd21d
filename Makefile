# Two commands for a fresh machine: `make demo` and `make test`. Everything goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: help demo test check lint types layers format docs bench setup clean

help:
	@echo "make demo    train the quickstart recipe and say where its report is"
	@echo "make test    run all tests"
	@echo "make check   lint, types and layers"
	@echo "make bench   run every benchmark and write benchmarks/results/"
	@echo "make format  format the code"

# A stamp a level, so that a changed requirement installs again and nothing else does.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Madrigal needs Python 3.11 or later; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Madrigal into .venv (some minutes the first time)"
	$(PIP) --editable .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Madrigal and its development tools into .venv (some minutes the first time)"
	$(PIP) --editable ".[tensorboard,dev,bench]"
	@touch $@ .venv/.core

setup: .venv/.dev

# --resume: an interrupted demo goes on, a finished one shows its table again.
demo: .venv/.core
	$(BIN)/madrigal run recipes/quickstart.yaml --resume
	@echo "Report: $(CURDIR)/runs/quickstart/report.html"

test: .venv/.dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: lint types layers

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.dev
	$(BIN)/pyright

layers: .venv/.dev
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: .venv/.dev
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
