# make run   the app on the embedded demo (where standard output is no terminal: the same story in plain text)
# make test  every check: lint, types, import contracts, tests
# make clean removes the environment; the cache and your runs stay
# TEST_PROCESSES=1 runs the tests one after the other; else one process a core, eight at most
# PYTHON=python3.12 chooses the interpreter the environment is made with (3.11 to 3.13)

PYTHON ?= python3
TEST_PROCESSES ?= logical
VENV := .venv
BIN := $(VENV)/bin/python
RUN_READY := $(VENV)/ready-requirements.txt
TEST_READY := $(VENV)/ready-requirements-dev.txt

.PHONY: run test lint types contracts clean
.DELETE_ON_ERROR:

# A stamp is written last, and only after everything in its file is installed: without it, or when it is older, the set-up runs (again).
run: $(RUN_READY)
	@if [ -t 1 ]; then exec $(BIN) -m tui; else exec $(BIN) -m core demo; fi

$(RUN_READY): requirements.txt constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Suiron: there is no $(PYTHON) here. Install Python 3.11, 3.12 or 3.13, or say PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) tools/environment.py $(VENV) requirements.txt

$(TEST_READY): requirements-dev.txt $(RUN_READY)
	@$(BIN) tools/environment.py $(VENV) requirements-dev.txt

test: lint types contracts
	@$(BIN) -m pytest -n $(TEST_PROCESSES) --maxprocesses 8 --dist loadfile

lint: $(TEST_READY)
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .

types: $(TEST_READY)
	@$(BIN) -m mypy

contracts: $(TEST_READY)
	@$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV)
