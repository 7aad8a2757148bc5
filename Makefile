# Everything a newcomer needs; `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LAUNCHERS := $(VENV)/.launchers
NAME ?=
# Test processes: three for two cores, because some tests wait for other processes.
TESTERS = $(shell $(BIN)/python -c 'import os; print(-(-os.cpu_count() * 3 // 2))')
PAPER := paper paper_sgd cloud2025

.DEFAULT_GOAL := help
.PHONY: help install data demo train sweep paper related language theory attribution pages options docs judge defences attacker runs dashboard sync test test-slow faults launchers mutants lint bench bench-scale bench-report bench-tracking performance clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

install: $(INSTALLED) ## make the virtual environment and install everything into it

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: Python 3.11 or newer is needed; name one with PYTHON=…' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip uninstall -qq --yes subliminal  # our name of before, and another project's
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

data: $(INSTALLED) ## fetch MNIST into the user's cache folder, checked by MD5
	@$(BIN)/python -c 'from subliminal.data.mnist import MNIST; print(MNIST(root=None, download=True).fetch())'

demo: $(INSTALLED) ## a first look: teacher, two students and chance, and a figure of them
	$(BIN)/python -m subliminal.train sweep=demo

train: $(INSTALLED) ## train one seed in the reference setting (about half a minute)
	$(BIN)/python -m subliminal.train seed=0

sweep: $(INSTALLED) ## train 20 seeds with liminal training, or the sweep NAME=… of sweeps/
	$(BIN)/python -m subliminal.train $(if $(NAME),sweep=$(NAME),-m seed=0-19 mitigation=liminal)

paper: $(INSTALLED) ## test the papers' claims on 20 paired seeds; write docs/results.md, README
	for sweep in $(PAPER); do $(BIN)/python -m subliminal.train sweep=$$sweep || exit; done
	$(BIN)/python docs/generate/results.py outputs

related: $(INSTALLED) ## write docs/related.md, with the finished sweeps of other papers' systems
	$(BIN)/python docs/generate/related.py outputs

language: $(INSTALLED) ## write the results of docs/language.md, with the finished sweeps of sweeps/language
	$(BIN)/python docs/generate/language_page.py outputs

theory: $(INSTALLED) ## write the results of docs/theory.md, with the finished sweeps of sweeps/theory
	$(BIN)/python docs/generate/theory_page.py outputs

attribution: $(INSTALLED) ## write the results of docs/attribution.md, with the sweeps of sweeps/attribution
	$(BIN)/python docs/generate/attribution_page.py outputs

pages: $(INSTALLED) ## write the pages of results, and the README's, again from docs/data, untrained
	for page in results related language_page theory_page attribution_page; do $(BIN)/python docs/generate/$$page.py || exit; done

options: $(INSTALLED) ## write docs/reference/ from conf/ and the docstrings of what implements it
	$(BIN)/python docs/generate/all_options.py

docs: $(INSTALLED) ## build the documentation as a site, into site/index.html
	$(BIN)/zensical build --strict --clean

judge: $(INSTALLED) ## judge a defence: DEFENCE=liminal, or OVERRIDES='distill/loss=mse …'
	$(BIN)/python -m subliminal.judge $(if $(DEFENCE),mitigation=$(DEFENCE)) $(OVERRIDES)

defences: $(INSTALLED) ## judge the entries of defences/ that are not yet; write docs/defences.md
	$(BIN)/python -m subliminal.judge --all --yes
	$(BIN)/python docs/generate/defences.py outputs

attacker: $(INSTALLED) ## train teachers through defended students; write the table in docs/judging.md
	$(BIN)/python benchmarks/attacker.py

runs: $(INSTALLED) ## list what lies under outputs/, and how far it is
	$(BIN)/python -m subliminal runs

report: $(INSTALLED) ## make tables, figures and the page of outputs/NAME (default: of every sweep)
	$(BIN)/python -m subliminal.report outputs$(if $(NAME),/$(NAME))

dashboard: $(INSTALLED) ## publish W&B's workspace and report
	$(BIN)/python -m subliminal dashboard

sync: $(INSTALLED) ## upload what W&B does not have of the runs of NAME=…
	@test -n '$(NAME)' || { echo 'error: name an experiment of outputs/ with NAME=…' >&2; exit 2; }
	$(BIN)/python -m subliminal sync outputs/$(NAME)

test: $(INSTALLED) ## run the tests (minutes)
	$(BIN)/pytest -m 'not slow' -n $(TESTERS) --dist worksteal

# Three processes, because many of these tests wait; those of a file share trainings, and stay together.
test-slow: $(LAUNCHERS) ## run the end-to-end tests: full MNIST, Slurm, Ray, …
	$(BIN)/pytest -m slow -n 3 --dist loadfile

faults: $(INSTALLED) ## do to sweeps what can go wrong; write the table in docs/reliability.md
	$(BIN)/pytest tests/faults --reliability docs/reliability.md

launchers: $(LAUNCHERS) ## try every launcher on one sweep; write the table in docs/launchers.md
	PYTHONPATH=tests/support $(BIN)/python benchmarks/launchers.py docs/launchers.md

mutants: $(INSTALLED) ## try small changes to the code: share that tests catch (PARTS='store …')
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,mutants]'
	$(BIN)/python benchmarks/mutants.py $(PARTS)

# All launchers; and, as root on Debian, a Slurm for its test, which is skipped where there is none.
$(LAUNCHERS): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,launchers]'
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v slurmctld >/dev/null; \
		then apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge \
		|| echo 'no Slurm: its test will be skipped' >&2; fi
	@touch $@

lint: $(INSTALLED) ## check format, lint, types and which wing imports which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(INSTALLED) ## measure sweeps against the machine's matrix rate and the field's usual loop
	$(BIN)/python benchmarks/bench.py

bench-scale: $(INSTALLED) ## measure time and memory against seeds, width, m, epochs, probes; cells
	$(BIN)/python benchmarks/scale.py

performance: bench bench-scale ## measure all of it; write docs/performance.md
	$(BIN)/python -m subliminal.train sweep=precision
	$(BIN)/python benchmarks/parts.py
	$(BIN)/python benchmarks/parts.py all
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/alignment_error.py
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/performance.py

bench-tracking: $(INSTALLED) ## measure what W&B online costs 20 seeds; write the table in docs/wandb.md
	PYTHONPATH=tests/support $(BIN)/python benchmarks/tracking.py docs/wandb.md

bench-report: $(INSTALLED) ## measure time and memory of reports on stores of 160 and 10,000 runs
	$(BIN)/python benchmarks/report_store.py

clean: ## remove the virtual environment and caches; results in outputs/ stay
	rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
