# Every task makes what it needs first; dev.py holds the logic, so that it runs without make as well.
PYTHON ?= python3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lab test lint bench record course build

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup:  ## make the environment in .venv
	@$(PYTHON) dev.py setup

lab:  ## open the course in JupyterLab; ARGS=--no-browser serves it on loopback
	@$(PYTHON) dev.py lab $(ARGS)

test:  ## lint, type-check and run all tests; ARGS go to pytest
	@$(PYTHON) dev.py test $(ARGS)

lint:  ## ruff, mypy, notebooks without outputs
	@$(PYTHON) dev.py lint

bench:  ## the benchmarks, in one table; ARGS="speed" runs a part
	@$(PYTHON) dev.py bench $(ARGS)

record:  ## compute what is missing of the recorded runs; ARGS="sample_len" only that one
	@$(PYTHON) dev.py record $(ARGS)

course:  ## run all chapters under Binder's limits and write instructor/budget.md; ARGS="03" only shows that one
	@$(PYTHON) dev.py course $(ARGS)

build:  ## bundle the widgets' JavaScript and the JupyterLab extension (needs Node; using dgkit does not)
	@$(PYTHON) dev.py build
