# Every task makes what it needs first; dev.py holds the logic, so that it runs without make as well.
PYTHON ?= python3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lab quick test test-all lint format bench record course book build

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup:  ## make the environment in .venv
	@$(PYTHON) dev.py setup

lab:  ## open the course in JupyterLab; ARGS=--no-browser serves it on loopback
	@$(PYTHON) dev.py lab $(ARGS)

quick:  ## the unit tests that train nothing, in two or three minutes
	@$(PYTHON) dev.py quick $(ARGS)

test:  ## lint, type-check and run all tests but the long ones; ARGS="tests/unit/test_encode.py -k flags" only these tests
	@$(PYTHON) dev.py test $(ARGS)

test-all:  ## the same with the long ones: whole trainings, full chapters, kills, processes of their own
	@$(PYTHON) dev.py test-all $(ARGS)

lint:  ## ruff, mypy, the form of docstrings, notebooks without outputs
	@$(PYTHON) dev.py lint

format:  ## ruff's form for all sources, and what it can mend by itself
	@$(PYTHON) dev.py format

bench:  ## the benchmarks, in one table; ARGS="speed" runs a part
	@$(PYTHON) dev.py bench $(ARGS)

record:  ## compute recorded runs, but for finished cells in build/cells; ARGS="sample_len" only that one
	@$(PYTHON) dev.py record $(ARGS)

course:  ## run all chapters under Binder's limits and write instructor/budget.md; ARGS="03" only shows that one
	@$(PYTHON) dev.py course $(ARGS)

book:  ## the course as a static site in build/book, chapters run; ARGS="00 03" only these with their outputs
	@$(PYTHON) dev.py book $(ARGS)

build:  ## bundle the widgets' JavaScript and the JupyterLab extension (needs Node; using dgkit does not)
	@$(PYTHON) dev.py build
