# Every target works on a fresh machine with Python 3.11 or newer and make, and writes only inside this folder.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin/python
INSTALLED := .venv/installed

export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export IPYTHONDIR := $(CURDIR)/.jupyter/ipython
export JUPYTER_CONFIG_DIR := $(CURDIR)/.jupyter/config
export JUPYTER_DATA_DIR := $(CURDIR)/.jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/.jupyter/runtime
export JUPYTERLAB_SETTINGS_DIR := $(CURDIR)/.jupyter/settings
export JUPYTERLAB_WORKSPACES_DIR := $(CURDIR)/.jupyter/workspaces

# JupyterLab asks npm, where there is one, about language servers, and npm keeps a log of that.
export npm_config_cache := $(CURDIR)/.cache/npm

# The environment is compiled when it is first imported: all of it at once would double the time to install.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab test soak bench lint format clean

help:
	@echo "make lab     open JupyterLab on the start notebook"
	@echo "make test    check style and types and run all tests, those in a real browser page included"
	@echo "make soak    run the long forms of the hardening tests: thousands of events, hundreds of widgets"
	@echo "make bench   time the core and a slider in a real page, weigh a kernel"
	@echo "make lint    check style and types alone"
	@echo "make format  put the style right"
	@echo "make clean   remove what the tools left here, except the environment"
	@echo "ARGS=... goes on to JupyterLab, pytest or the benchmarks: make test ARGS='-k sgd'"

lab: $(INSTALLED)
	@mkdir -p $(IPYTHONDIR)
	$(BIN) -m jupyterlab --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
		--ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/00_start.ipynb $(ARGS)

# Chromium keeps things under these, whatever its profile folder.
test soak bench: export XDG_CACHE_HOME := $(CURDIR)/.cache
test soak bench: export XDG_CONFIG_HOME := $(CURDIR)/.cache/config

# What needs no page of its own runs in as many processes as there are processors, each with one thread of torch's;
# pages three at a time, as they wait a good deal; and what measures alone.
APART := tests/core tests/figures tests/widgets tests/classroom tests/hardening $(wildcard tests/test_*.py)

test: $(INSTALLED) lint
	@mkdir -p $(IPYTHONDIR)
	@CHROMIUM="$$($(BIN) tests/browser/find_chromium.py --install)" && export CHROMIUM && \
		$(if $(ARGS),$(BIN) -m pytest $(ARGS), \
		{ failed=0; \
		OMP_NUM_THREADS=1 $(BIN) -m pytest -n auto --maxprocesses 4 --dist worksteal $(APART) || failed=1; \
		$(BIN) -m pytest -n 3 --dist loadfile tests/browser || failed=1; \
		$(BIN) -m pytest $(addprefix --ignore=,$(APART) tests/browser) || failed=1; \
		exit $$failed; })

# What tests/hardening does in short among all tests, at full length, and cells that are run again in a real page.
soak: export GRADWIDGETS_SOAK := 1
soak: $(INSTALLED)
	@mkdir -p $(IPYTHONDIR)
	@CHROMIUM="$$($(BIN) tests/browser/find_chromium.py --install)" && export CHROMIUM && \
		$(BIN) -m pytest -s tests/hardening tests/browser/test_leaving.py $(ARGS)

bench: $(INSTALLED)
	@mkdir -p $(IPYTHONDIR)
	@CHROMIUM="$$($(BIN) tests/browser/find_chromium.py --install)" && export CHROMIUM && \
		$(BIN) -m pytest tests/benchmarks --benchmark-enable --benchmark-only $(ARGS) && \
		$(BIN) tests/benchmarks/slider_latency.py && \
		$(BIN) tests/benchmarks/slider_latency.py --only ready_picture ours --link-delay-ms 75 --link-mbit 8 && \
		$(BIN) tests/benchmarks/big_data.py && \
		$(BIN) tests/benchmarks/slow_loss.py && \
		$(BIN) tests/benchmarks/memory.py

lint: $(INSTALLED)
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy

format: $(INSTALLED)
	$(BIN) -m ruff check --fix .
	$(BIN) -m ruff format .

clean:
	rm -rf .cache .jupyter .benchmarks .hypothesis .pytest_cache .ruff_cache build dist
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +

# The stamp holds the folder's path, because an editable install does not survive a move.
ifneq ("$(CURDIR)","$(shell cat $(INSTALLED) 2>/dev/null)")
.PHONY: $(INSTALLED)
endif

# One try per index, because an unreachable one is asked for every package. The last step is offline on purpose:
# it fails if the list of pins lacks anything that the package, JupyterLab or the tests need.
$(INSTALLED): binder/requirements.txt tests/judges.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "gradwidgets needs Python 3.11 or newer; there is no $(PYTHON)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"gradwidgets needs Python 3.11 or newer, $(PYTHON) is %d.%d: try make PYTHON=python3.11" % sys.version_info[:2])'
	@$(BIN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN) -m pip install --disable-pip-version-check --no-cache-dir --no-compile \
		--retries 1 --no-deps -r binder/requirements.txt -r tests/judges.txt
	$(BIN) -m pip install --disable-pip-version-check --quiet --no-index \
		--no-build-isolation -e '.[lab,app,test]'
	@# Neither news nor a question about news over the notebook.
	$(BIN) -m jupyterlab.labextensions disable @jupyterlab/apputils-extension:announcements
	@echo "$(CURDIR)" >$(INSTALLED)
