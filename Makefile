# Everything is made under build/, and `make clean` removes it.
.DEFAULT_GOAL := help
# The Python that runs everything: the first of these that is 3.11 or newer and can make a virtual environment, or the one named by PYTHON=...
# The system's own comes first: distributions build theirs optimised, and the smallest play took 0.65 s with Debian's, 1.1 s with one that pyenv built.
PYTHON := $(or $(PYTHON),$(shell for python in /usr/bin/python3 python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	found=$${found:-$$python}; \
	if [ "$$(id -u)" -eq 0 ] || $$python -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break; fi; \
	done; echo $$found))
CORE ?= ansible-core>=2.19,<2.22
ARGS ?=
# Tests that run side by side: each waits for hosts now and then, and four keep two cores busy.
JOBS ?= 4
VENV := build/venv
COLLECTION := build/collections/ansible_collections/fleetcast/core
LINKED := CHANGELOG.rst LICENSE LICENSES README.md changelogs docs extensions galaxy.yml inventories meta playbooks plugins requirements-postgresql.txt requirements.txt roles tests
PACKAGES := $(wildcard tests/packages.txt tests/lab/packages.txt)
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: help
help: ## say what there is to make
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: setup
setup: packages $(VENV)/.done links ## make the virtual environment and the collection's place in it

.PHONY: packages
packages: python ## install missing Debian packages (root; without it: say what is missing, go on)
	@tests/tools/debian_packages.sh $(PYTHON) $(PACKAGES)

.PHONY: python
python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, and '$(or $(PYTHON),python3)' is not: install one, or name it with 'make PYTHON=/path/to/python3'" >&2; exit 1; }

$(VENV)/.done: requirements.txt requirements-postgresql.txt tests/requirements.txt | packages
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt "$(CORE)" -r tests/requirements.txt
	@touch $@

# The place where Ansible and Python look for a collection, made of links, so that what is edited is what runs.
.PHONY: links
links:
	@mkdir -p $(COLLECTION)
	@cd $(COLLECTION) && for entry in $(LINKED); do ln -sfn "../../../../../$$entry" "$$entry"; done

.PHONY: test test-all
test: setup ## run the tests; ARGS go to pytest, for example ARGS='-m push'
test-all: setup ## run also those that show again what others show (marker `further`), the molecule scenarios among them
test test-all:
	$(VENV)/bin/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(if $(filter test,$@),-m 'not further') $(ARGS)

.PHONY: scale
scale: setup ## simulate sessions of ten to ten thousand receivers, and draw docs/benchmarks/scale.svg (ARGS=--help)
	@$(VENV)/bin/python tests/bench/scale.py $(ARGS)

.PHONY: fuzz
fuzz: setup ## look for inputs that break what reads packets and files: SECONDS=60 for each of TARGETS (all)
	@$(PIP) -r tests/fuzz/requirements.txt
	@$(VENV)/bin/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

.PHONY: demo
demo: setup ## see a push, the status table, a catch-up (root: 8 hosts with ssh and troubles; else 4 on loopback)
	@$(VENV)/bin/python -m tests.demo

.PHONY: bench bench-packages
bench: setup bench-packages ## compare the engine with its peers (root; QUICK=1: five minutes; ARGS=--help)
	@$(VENV)/bin/python -m tests.bench $(if $(QUICK),--quick) $(ARGS)

bench-packages: python
	@tests/tools/debian_packages.sh $(PYTHON) tests/bench/packages.txt

.PHONY: molecule
molecule: setup ## the same in small, as molecule scenarios: converge, idempotence, verify (root)
	set -e; for scenario in default two_tier; do \
	  MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/build/molecule/$$scenario" PATH="$(CURDIR)/$(VENV)/bin:$$PATH" molecule test --scenario-name $$scenario; \
	done

.PHONY: lint lint-python lint-yaml lint-changelog lint-sanity
lint: lint-python lint-yaml lint-changelog lint-sanity ## run every check of the code's form

lint-python: setup ## ruff, mypy --strict, and what targets with Python 3.8 can run
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/vermin --quiet --no-tips --no-parse-comments --target=3.8- --violations plugins/module_utils plugins/modules

lint-yaml: setup ## yamllint, and ansible-lint with the production profile
	$(VENV)/bin/yamllint --strict .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" ansible-lint --offline

lint-changelog: setup
	$(VENV)/bin/antsibull-changelog lint

lint-sanity: setup ## ansible-test sanity with every supported ansible-core
	$(VENV)/bin/python tests/tools/sanity.py

.PHONY: lab-up lab-down
lab-up: python ## build HOSTS hosts for tests and plays (root; LAB=name, SYSTEMD=1, TIERS=3x4: see docs/lab.md)
	@$(PYTHON) -m tests.lab up $(if $(TIERS),--tiers $(TIERS),$(or $(HOSTS),8)) --name $(or $(LAB),lab) $(if $(SYSTEMD),--systemd)

lab-down: python ## remove them (root; LAB=name)
	@$(PYTHON) -m tests.lab down --name $(or $(LAB),lab)

.PHONY: build
build: setup ## make the artifact for ansible-galaxy, in build/
	$(VENV)/bin/ansible-galaxy collection build --force --output-path build

.PHONY: clean
clean: ## remove build/
	@! grep -F " $(CURDIR)/build/" /proc/self/mountinfo || { echo "These are still mounted: 'make lab-down' first." >&2; exit 1; }
	rm -rf --one-file-system build
