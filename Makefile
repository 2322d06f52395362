# make demo   sets up .venv, installs, trains on handwritten digits and prints a table
# make test   the tests, in the same environment
# make bench  speed and memory against yardsticks, in the same environment
# make lint   formatting and lint
# make faults kills, full disks, slow ranks, a long run; prints what came of it
.PHONY: demo test bench faults lint format install clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# faiss-gpu where an NVIDIA GPU answers, faiss-cpu elsewhere
REQUIREMENTS := $(shell if nvidia-smi -L >/dev/null 2>&1; then echo requirements.txt; else echo requirements/cpu.txt; fi)

demo: install
	$(BIN)/python tools/quick_start.py $(ARGS)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(ARGS)

bench: install
	$(BIN)/python benchmarks/run.py $(ARGS)

faults: install
	OMP_NUM_THREADS=1 $(BIN)/python -m faults $(ARGS)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(VENV)/installed

# Renewed when the requirements change. The stamp is written last: an installation that broke off is taken up again.
$(VENV)/installed: requirements.txt requirements/base.txt requirements/cpu.txt requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 12) else "error: Python 3.10 to 3.12 is needed, this is %d.%d; run: make PYTHON=python3.11 ..." % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on -r $(REQUIREMENTS) -r requirements/dev.txt -e .
	touch $@

clean:
	rm -rf $(VENV)
