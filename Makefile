# Needs nothing but make and Python 3.11 or later. Uses uv where it is there; `make UV= …` does without.

VENV   := .venv
BIN    := $(VENV)/bin
UV     ?= $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
    command -v $$p >/dev/null 2>&1 \
    && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
    && { command -v $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check bench clean chromium

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile

demo: $(VENV)/.installed-demo ## See it at work on the real flights of 2013 (make demo ARGS=--once: no dashboard)
	@$(BIN)/monitor demo $(ARGS)

test: check chromium ## Run the checks, then every test, on a real PostgreSQL and a real browser
	$(BIN)/python -m pytest $(ARGS)

# Hours. Goes on where it was stopped; ARGS="--only soak --fresh" for one of them, anew.
test-long: $(VENV)/.installed-dev ## Run every proof of docs/promises.md in full, and append its figures
	$(BIN)/python -m tests.faults $(ARGS)

check: $(VENV)/.installed-dev ## Check style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is measured: SIZE=small, ONLY=J1,J3, other SEED, ROWS, LOG_ROWS, DAYS or RUNS; ARGS=--fresh.
BENCH = --size $(or $(SIZE),full) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) \
    $(if $(ROWS),--rows $(ROWS)) $(if $(LOG_ROWS),--log-rows $(LOG_ROWS)) \
    $(if $(DAYS),--days $(DAYS)) $(if $(RUNS),--runs $(RUNS)) $(ARGS)

bench: $(VENV)/.installed-dev ## Measure our speed beside the peers' (make bench SIZE=small ONLY=J1,J3)
	$(BIN)/python -m benchmarks $(BENCH)

clean: ## Remove the environment, the demo's data and all caches
	rm -rf $(VENV) demo build dist *.egg-info benchmarks/.data benchmarks/.environments
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Driftline needs Python 3.11 or later; none is on the PATH." >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON)"
	@if [ -n "$(UV)" ]; then "$(UV)" venv -q --seed --allow-existing --python "$(PYTHON)" $(VENV); \
	 else "$(PYTHON)" -m venv $(VENV); fi

# A dot for each package keeps the terminal alive; pip's own words are shown when it fails.
define install
	@echo "Installing Driftline [$(1)] into $(VENV)"
	@start=$$(date +%s); log=$(VENV)/install-$(1).log; \
	if [ -n "$(UV)" ]; then VIRTUAL_ENV="$(CURDIR)/$(VENV)" "$(UV)" pip install -e ".[$(1)]" || exit 1; \
	else \
	  { $(BIN)/python -m pip install --progress-bar off -e ".[$(1)]" 2>&1; echo "exit $$?"; } \
	  | tee $$log | awk '/^(Collecting|Installing)/ { printf "."; fflush() } END { print "" }'; \
	  [ "$$(tail -n 1 $$log)" = "exit 0" ] || { cat $$log >&2; exit 1; }; \
	fi; \
	echo "Installed in $$(( $$(date +%s) - start )) s"
endef

$(VENV)/.installed-demo: pyproject.toml | $(BIN)/pip
	$(call install,demo)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	$(call install,dev)
	@touch $@ $(VENV)/.installed-demo

# The system's Chromium, else apt's where we are root, else Playwright's own.
chromium: $(VENV)/.installed-dev
	@$(BIN)/python tests/support/chromium.py >/dev/null 2>&1 || { \
	  echo "Installing Chromium"; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && DEBIAN_FRONTEND=noninteractive apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null \
	  && $(BIN)/python tests/support/chromium.py >/dev/null 2>&1; \
	} || { [ "$$(id -u)" = 0 ] && deps=--with-deps; $(BIN)/playwright install $$deps chromium; }
	@$(BIN)/python tests/support/chromium.py
