# Every target does its own set-up: a virtual environment in .venv with the locked packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test check e2e bench sim soak clean

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

run: $(STAMP)  ## a network of four nodes on this machine
	$(BIN)/mappemonde devnet $(ARGS)

test: $(STAMP)  ## the tests, without the ones that start whole networks
	$(BIN)/python -m pytest -n 2 -m "not e2e" $(ARGS)

check: $(STAMP)  ## format, lint, types, import contracts, sizes, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m pytest tests/test_layout.py

e2e: $(STAMP)  ## real networks, clients and a real Prometheus
	$(BIN)/python -m pytest -n 3 --dist loadfile -m e2e $(ARGS)

bench: $(STAMP)  ## every speed claimed in docs/figures.md
	$(BIN)/python -m bench

soak: $(STAMP)  ## an hour of a devnet with six nodes, held against the simulated law
	$(BIN)/python -m bench.soak $(ARGS)

sim: $(STAMP)  ## the network simulator's first scenario
	$(BIN)/mappemonde simulate growth $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info
