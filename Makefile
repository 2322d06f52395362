# make demo   sets up .venv, installs, trains on handwritten digits and prints a table
# make test   the tests, in the same environment
# make bench  speed and memory against yardsticks, in the same environment
# make test-transfer  detection and segmentation, in an environment of their own; compiles mmcv
#                     unless WHEELS=folder holds it
# make proof  MoCo v2, PCL v2, SwAV and HCSC on real images, goes on where it was stopped:
#             docs/results.md; DATA=folder of published files, ARGS="--minutes 60",
#             "--scale neighbours", "--scale ablations", "--scale gpu"
# make lint   formatting and lint
# make faults kills, full disks, slow ranks, a long run; prints what came of it
.PHONY: demo test test-transfer bench proof faults lint format install install-transfer clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

CHECK_PYTHON = $(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	fix = "error: Python 3.10 to 3.13 is needed, this is %d.%d; run: make PYTHON=python3.11 ..."; \
	sys.exit(None if (3, 10) <= v <= (3, 13) else fix % v)'

TRANSFER_VENV := .venv-transfer
TRANSFER_BIN := $(TRANSFER_VENV)/bin
MMCV := $(shell grep '^onedl-mmcv==' requirements/base.txt)

# faiss-gpu where an NVIDIA GPU answers, faiss-cpu elsewhere
REQUIREMENTS := $(shell if nvidia-smi -L >/dev/null 2>&1; then echo requirements.txt; \
	else echo requirements/cpu.txt; fi)

WHAT_TO_INSTALL := requirements.txt $(wildcard requirements/*.txt) pyproject.toml setup.py
# Where pip had a torch for CPUs and only a torchvision for CUDA, plain `import torchvision` fails;
# this lets it work.
FIT_TORCHVISION := hcsc_mm/utils/torchvision_compat.py

demo: install
	$(BIN)/python tools/quick_start.py $(ARGS)

# One more test at once than there are cores, as many wait for processes, at most eight; WORKERS=0:
# one after another.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n + 1 : 8)))
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-transfer: install-transfer
	OMP_NUM_THREADS=1 $(TRANSFER_BIN)/python -m pytest tests/transfer $(ARGS)

bench: install
	$(BIN)/python benchmarks/run.py $(ARGS)

DATA ?= data/published
proof: install
	OMP_WAIT_POLICY=passive $(BIN)/python benchmarks/proof.py --data $(DATA) $(ARGS)

faults: install
	OMP_NUM_THREADS=1 $(BIN)/python -m faults $(ARGS)

SHELL_SCRIPTS := $(wildcard tools/*.sh tools/*/*.sh)
lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/shellcheck $(SHELL_SCRIPTS)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(VENV)/installed

# Renewed when the requirements change. The stamp is written last: an installation that broke off is
# taken up again.
$(VENV)/installed: $(WHAT_TO_INSTALL)
	$(CHECK_PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on -r $(REQUIREMENTS) -r requirements/dev.txt -e .
	$(BIN)/python $(FIT_TORCHVISION)
	touch $@

install-transfer: $(TRANSFER_VENV)/installed

# mmcv comes last, in the version that is there already and with its operators: pip takes one build
# for the other, also in its cache. Compiling needs the torch of this environment (no build
# isolation), and little memory and time without optimisation and debug symbols.
$(TRANSFER_VENV)/installed: $(WHAT_TO_INSTALL)
	$(CHECK_PYTHON)
	test -x $(TRANSFER_BIN)/python || $(PYTHON) -m venv $(TRANSFER_VENV)
	$(TRANSFER_BIN)/python -m pip install --quiet --upgrade pip
	$(TRANSFER_BIN)/python -m pip install --progress-bar on -r $(REQUIREMENTS) \
		-r requirements/dev.txt -r requirements/transfer.txt -e .
	$(TRANSFER_BIN)/python -m pip install setuptools ninja wheel
	CFLAGS="-O1 -g0 -w" MAX_JOBS=$${MAX_JOBS:-2} $(TRANSFER_BIN)/python -m pip install \
		--force-reinstall --no-deps --no-cache-dir \
		$(if $(WHEELS),--no-index --find-links $(WHEELS),--no-build-isolation) $(MMCV)
	$(TRANSFER_BIN)/python -m pip check
	$(TRANSFER_BIN)/python $(FIT_TORCHVISION)
	touch $@

clean:
	rm -rf $(VENV) $(TRANSFER_VENV)
