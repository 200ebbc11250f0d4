# Two commands do everything: `make up STACK=sofoot` and `make test`. `make` alone lists the others.
STACK ?= sofoot
# Settings for one run, e.g. SET="web_instances=6"; what lasts belongs into stacks/Pulumi.$(STACK).yaml.
SET ?=
# Secrets that one `up` rotates, e.g. ROTATE="database-pair".
ROTATE ?=
LOSE ?=
ONLY ?=
RUNS ?=
PYTHON := .venv/bin/python
# Checks wait for daemons most of the time: those of the sandbox and the rest run side by side.
ABREAST := --numprocesses=2 --dist=loadgroup

.PHONY: help up preview outputs destroy shell drill drill-deployment inventory accept sandbox sandbox-status sandbox-stop sandbox-reset \
	test test-all test-stack test-unit test-tools prepared toolchain lint lock docs bench mutants

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.venv/.complete: requirements.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "casebook: python3 3.11 or newer is needed; Debian 12 has it" >&2; exit 1; }
	@python3 -m sandbox.venv

up: .venv/.complete ## build STACK, on the account that the environment names, else in the sandbox
	@$(PYTHON) -m stacks up $(STACK) $(SET:%=--set %) $(ROTATE:%=--rotate %)

preview: .venv/.complete ## show what `up` would change
	@$(PYTHON) -m stacks preview $(STACK) $(SET:%=--set %)

outputs: .venv/.complete ## the stack's outputs, as JSON
	@$(PYTHON) -m stacks outputs $(STACK)

destroy: .venv/.complete ## take STACK away; what the account rents stays, and copies with what opens them, unless LOSE=copies
	@$(PYTHON) -m stacks destroy $(STACK) $(if $(LOSE),--ignore-protect)

drill: .venv/.complete ## break STACK, which is up, on purpose and measure; ONLY="words" of a drill's name, RUNS=3
	@$(PYTHON) -m drills $(STACK) $(if $(ONLY),--only "$(ONLY)") $(if $(RUNS),--runs $(RUNS))

drill-deployment: .venv/.complete ## build STACK again and again while that is made to fail, and measure; ONLY, RUNS
	@$(PYTHON) -m drills $(STACK) --deployment $(if $(ONLY),--only "$(ONLY)") $(if $(RUNS),--runs $(RUNS))

shell: .venv/.complete ## a shell where plain pulumi commands work
	@$(PYTHON) -m stacks shell $(STACK)

inventory: .venv/.complete ## compare what each stack declares with its committed inventory
	@$(PYTHON) -m stacks inventory

accept: .venv/.complete ## commit what STACK declares now; LOSE="name ..." gives up the data of what goes
	@$(PYTHON) -m stacks accept $(STACK) $(if $(LOSE),--lose $(LOSE))

sandbox: .venv/.complete ## start the sandbox
	@$(PYTHON) -m sandbox start

sandbox-status: .venv/.complete ## what of the sandbox runs
	@$(PYTHON) -m sandbox status

sandbox-stop: .venv/.complete ## stop the sandbox; `make sandbox` brings it back as it was
	@$(PYTHON) -m sandbox stop

sandbox-reset: .venv/.complete ## forget every machine and all data of the sandbox
	@$(PYTHON) -m sandbox reset

test: lint test-tools prepared ## every check; of the stacks, So Foot and those that the change touches are brought up
	@$(PYTHON) -m pytest $(ABREAST) --stacks=touched

test-all: lint test-tools prepared ## every check, with every stack brought up
	@$(PYTHON) -m pytest $(ABREAST) --stacks=all

test-stack: .venv/.complete test-tools prepared ## the checks of STACK in the sandbox
	@$(PYTHON) -m pytest -m sandbox --stacks=$(STACK) tests/stacks

test-unit: .venv/.complete test-tools ## the checks that need no sandbox
	@$(PYTHON) -m pytest -m "not sandbox"

test-tools: .venv/.complete
	@$(PYTHON) -m tests.debian

# What takes minutes the first time: no check waits for it.
prepared: .venv/.complete
	@$(MAKE) --no-print-directory --jobs=2 toolchain sandbox

toolchain: .venv/.complete
	@$(PYTHON) -m sandbox.toolchain prepare

lint: .venv/.complete ## format, style and types
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

docs: .venv/.complete ## write the generated pages and tables anew
	@$(PYTHON) -m docs.generate

bench: .venv/.complete ## the stack's preview against the same resources declared flat, without latency and with 0.2 s
	@$(PYTHON) -m benchmarks.preview $(STACK)
	@$(PYTHON) -m benchmarks.preview $(STACK) 7 0.2

mutants: .venv/.complete test-tools ## slips in what the last commit changed, or in FILES, that no check sees; N=30 a file
	@$(PYTHON) -m tests.mutants $(FILES) $(if $(N),--sample $(N))

lock: ## resolve the dependencies anew
	@.venv/bin/pip-compile --quiet --upgrade --allow-unsafe --generate-hashes --strip-extras --no-header \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra sandbox --extra dev \
		--output-file requirements.lock pyproject.toml
