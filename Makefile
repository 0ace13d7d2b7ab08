# Everything sets itself up: a locked environment in .venv, and uv in .tools where the machine has none.

PYTHON ?= python3
UV := $(or $(shell command -v uv),.tools/uv/bin/uv)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/toril
JMETER_HOME := $(CACHE)/jmeter-5.6.3
GATLING_HOME := $(CACHE)/gatling-3.15.1
JUNIT_HOME := $(CACHE)/junit-1.11.4

# What the tests use and no Python package brings; tools/system-packages knows the packages they come from.
PROGRAMS := mvn chromium chromedriver podman runc skopeo mmdebstrap

# One tier of the tests (tests/tiers.py), with the duration of each test in build/junit-….xml.
UNIT = .venv/bin/pytest --tier unit -n logical --junitxml build/junit-unit.xml
LIVE = .venv/bin/pytest --tier live -n 6 --dist loadgroup --junitxml build/junit-live.xml
SOLO = .venv/bin/pytest --tier solo --junitxml build/junit-solo.xml
# What failed on a busy machine runs once more, alone, unless it is much; the log shows both.
ALONE = [ $$? -eq 1 ] && .venv/bin/pytest --last-failed --last-failed-no-failures none --maxfail 3 --junitxml build/junit-alone.xml
FOR_TESTS := bytecode .tools/cloud/installed .tools/judges/installed .tools/editor/installed .tools/site/installed system jmeter gatling junit pulumi actionlint engine

export PYTHON UV JMETER_HOME
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
unexport PYTHONDONTWRITEBYTECODE # compiling the tests anew costs each process of theirs twenty seconds

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: release-rehearsal owner console-zip demo demo-cloud demo-console docs site oracle prices quick test test-all verify-aws check bench mutants soak image image-browser system jmeter gatling junit pulumi actionlint engine fuzz dist lock clean bytecode help

demo: bytecode ## load-test a small shop on this machine and judge it; SLOW=1 or ERRORS=1 to see the gate fail
	@.venv/bin/python loadtests/shop/demo.py

quick: .venv/installed ## test the pure core, in less than a minute
	@.venv/bin/pytest --tier quick --hypothesis-profile quick -n logical -q

test: $(if $(ARGS),,check) $(FOR_TESTS) ## check and test, first installing what that needs; ARGS="-k plan -x" is one plain pytest instead
	@export PULUMI="$$(tools/pulumi/build "$(CACHE)")" && set -ex && $(if $(ARGS),.venv/bin/pytest $(ARGS),$(UNIT) --without-nightly && { $(LIVE) --without-nightly || { $(ALONE) --tier live --without-nightly; }; } && { $(SOLO) --without-nightly || { $(ALONE) --tier solo --without-nightly; }; })

test-all: check $(FOR_TESTS) .tools/oracle/installed ## check and run all tests, with the examples of the night; takes up to an hour
	@export PULUMI="$$(tools/pulumi/build "$(CACHE)")" HYPOTHESIS=--hypothesis-profile=night && set -ex && $(UNIT) $$HYPOTHESIS && { $(LIVE) $$HYPOTHESIS || { $(ALONE) --tier live $$HYPOTHESIS; }; } && { $(SOLO) $$HYPOTHESIS || { $(ALONE) --tier solo $$HYPOTHESIS; }; } && $(MAKE) fuzz

demo-cloud: .venv/installed .tools/cloud/installed pulumi ## deploy a hub with the console and two regions by the real Pulumi engine into an embedded cloud; needs no account
	@tools/system-packages $(filter-out mvn chromium chromedriver,$(PROGRAMS)) || echo "Without them tasks are processes" >&2
	@PULUMI="$$(tools/pulumi/build "$(CACHE)")" .venv/bin/python -m tools.demo_cloud

demo-console: bytecode engine ## open the console over made-up runs and a real one that goes on; PORT=8080, BROWSER=none
	@.venv/bin/python -m tools.demo_console

verify-aws: bytecode ## check on your AWS account what only AWS can tell, for less than one dollar; EMAIL=you@example.com, DESTROY=1
	@.venv/bin/python -m tools.verify_aws $(if $(EMAIL),--email "$(EMAIL)") $(if $(DESTROY),--destroy)

check: .venv/installed $(UV) ## what is quick: formatting, lint, types, layers, language, workflows
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tools.texts
	.venv/bin/python -m tools.budget
	"$$(tools/build actionlint "$(CACHE)")"
	.venv/bin/zizmor --offline --quiet --persona pedantic --strict-collection .github action.yml comment/action.yml

bench: bytecode .tools/cloud/installed jmeter engine ## measure what bench/README.md reports; ONLY="merge lag" for some of it
	@RUNLEVEL=1 tools/system-packages $(PROGRAMS) nginx wrk # at which Debian starts no service by itself
	@.venv/bin/python bench $(ONLY)

mutants: bytecode pulumi engine ## plant the mistakes of tests/mutants.toml, which the tests must find; ONLY="ID …" for some of them
	@PULUMI="$$(tools/pulumi/build "$(CACHE)")" .venv/bin/python -m tools.mutants $(ONLY)

oracle: .tools/oracle/installed ## compute anew, by SciPy, the values that the tests of the statistics compare with
	@.tools/oracle/bin/python tests/stats/oracle.py > build/oracle.json && mv build/oracle.json tests/stats/oracle.json

soak: .venv/installed ## load with 100 labels for 10 minutes; memory has to stay flat
	.venv/bin/python bench/soak.py

image: .venv/installed system jmeter gatling ## build the worker's image, localhost/toril:full (TARGET=slim, browser); BASE=local makes the base of Debian's packages
	@image/build "$(or $(TARGET),full)" $(if $(BASE),--base "$(if $(filter local,$(BASE)),$$(image/base "$(CACHE)"),$(BASE))")

image-browser: .venv/installed system jmeter gatling ## build the browser image on a local base and start its Chromium
	@.venv/bin/pytest tests/image/browser.py

system: ## install the programs of the tests that no Python package brings (on Debian, as root); else name them
	@tools/system-packages $(PROGRAMS)

jmeter: ## assemble JMeter's home from Maven artifacts, in a cache that outlives `make clean`
	@tools/system-packages mvn
	@$(PYTHON) tools/jmeter/assemble.py "$(JMETER_HOME)"

gatling: ## assemble Gatling's home from Maven artifacts, in a cache that outlives `make clean`
	@tools/system-packages mvn
	@$(PYTHON) tools/maven.py tools/gatling "$(GATLING_HOME)"

junit: ## assemble JUnit's console from Maven artifacts, in a cache that outlives `make clean`
	@tools/system-packages mvn
	@$(PYTHON) tools/maven.py tools/junit "$(JUNIT_HOME)"

pulumi: $(UV) ## build Pulumi's engine, if the machine has none, in a cache that outlives `make clean`
	@tools/pulumi/build "$(CACHE)" >/dev/null

actionlint: $(UV) ## build actionlint, which checks the workflows, in a cache that outlives `make clean`
	@tools/build actionlint "$(CACHE)" >/dev/null

engine: $(UV) ## build the program of `executor: toril`, in a cache that outlives `make clean`
	@tools/build engine "$(CACHE)" >/dev/null

fuzz: $(UV) ## search for a minute for a response that the engine and Go's net/http read differently; FOR=10m
	@$(PYTHON) tools/golang.py tools/engine test -run '^$$' -fuzz FuzzResponse -fuzztime $(or $(FOR),1m) -fuzzminimizetime 10x .

dist: $(UV) ## build the wheel and the sources, in dist/; VERSION=1.2.3 refuses any other
	@[ -z "$(VERSION)" ] || grep -qxF '__version__ = "$(VERSION)"' src/toril/__init__.py || { echo "src/toril/__init__.py is not of version $(VERSION)" >&2; exit 1; }
	"$(UV)" build --quiet --wheel --sdist --build-constraints requirements/build.txt --out-dir dist

release-rehearsal: dist ## build the packages, print what a release publishes, and fail if something is missing
	@$(PYTHON) -m tools.release

console-zip: .venv/installed $(UV) ## build the function of the console on AWS, in dist/; ARCHITECTURE=x86-64
	@.venv/bin/python -m tools.console_zip --architecture "$(or $(ARCHITECTURE),arm64)"

docs: .venv/installed ## write the generated pages of docs/reference
	@.venv/bin/python -m tools.reference

owner: ## write the GitHub account that publishes toril into texts and settings: NAME=acme
	@$(PYTHON) -m tools.owner "$(NAME)"

site: .venv/installed .tools/site/installed ## build the site of the documentation, in build/site/html; SERVE=1 serves it at 127.0.0.1:8000
	@.venv/bin/python -m tools.site $(if $(SERVE),--serve)

prices: .venv/installed ## complete the list prices of Fargate from AWS' public price list; LIST=ADDRESS reads another copy
	@.venv/bin/python -m tools.prices $(LIST)

lock: $(UV) ## pin all dependencies anew, in requirements/, tools/web/, tools/editor/ and the Java tools
	tools/lock
	for pins in web editor; do (cd tools/$$pins && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund); done
	$(PYTHON) tools/jmeter/assemble.py --lock "$(JMETER_HOME)"
	$(PYTHON) tools/maven.py tools/gatling --lock "$(GATLING_HOME)"
	$(PYTHON) tools/maven.py tools/junit --lock "$(JUNIT_HOME)"

clean: ## remove what make made; JMeter's home, Pulumi's engine and the runs in .toril stay
	rm -rf .venv .venv-run .tools build dist src/toril/reports/assets src/toril/console/vendor .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '%-11s %s\n' "$$name" "$$text"; done

.venv/installed: $(UV) pyproject.toml hatch_build.py tools/web/package-lock.json requirements/dev.txt requirements/build.txt | python
	@echo "Installing the locked environment in .venv" >&2
	@[ -x .venv/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .venv
	@"$(UV)" pip sync --quiet --compile-bytecode --python .venv --require-hashes --build-constraints requirements/build.txt requirements/dev.txt
	@"$(UV)" pip install --quiet --python .venv --no-deps --build-constraints requirements/build.txt --editable .
	@touch $@

# Python compiles an editable install at each start where PYTHONDONTWRITEBYTECODE is set.
bytecode: .venv/installed ## compile the source here, so that commands start faster
	@.venv/bin/python -m compileall -q src infra

# What a run takes and nothing else: for action.yml.
.venv-run/installed: $(UV) pyproject.toml hatch_build.py requirements/worker.txt requirements/build.txt | python
	@echo "Installing toril and its engines in .venv-run" >&2
	@[ -x .venv-run/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .venv-run
	@"$(UV)" pip sync --quiet --python .venv-run --require-hashes --build-constraints requirements/build.txt requirements/worker.txt
	@"$(UV)" pip install --quiet --python .venv-run --no-deps --build-constraints requirements/build.txt .
	@touch $@

.tools/cloud/installed: $(UV) requirements/cloud.txt requirements/build.txt | python
	@echo "Installing the embedded cloud of the tests in .tools/cloud" >&2
	@[ -x .tools/cloud/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .tools/cloud
	@"$(UV)" pip sync --quiet --compile-bytecode --python .tools/cloud --require-hashes --build-constraints requirements/build.txt requirements/cloud.txt
	@touch $@

.tools/judges/installed: $(UV) requirements/judges.txt requirements/build.txt | python
	@echo "Installing the judges of the stacks in .tools/judges" >&2
	@[ -x .tools/judges/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .tools/judges
	@"$(UV)" pip sync --quiet --compile-bytecode --python .tools/judges --require-hashes --build-constraints requirements/build.txt requirements/judges.txt
	@touch $@

.tools/editor/installed: tools/editor/package-lock.json
	@tools/system-packages npm
	@echo "Installing the YAML language server of the tests in .tools/editor" >&2
	@mkdir -p .tools/editor && cp tools/editor/package.json tools/editor/package-lock.json .tools/editor
	@cd .tools/editor && npm ci --silent --ignore-scripts --no-audit --no-fund --prefer-offline
	@touch $@

.tools/oracle/installed: $(UV) requirements/oracle.txt | python
	@echo "Installing the oracle of the statistics in .tools/oracle" >&2
	@[ -x .tools/oracle/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .tools/oracle
	@"$(UV)" pip sync --quiet --compile-bytecode --python .tools/oracle --require-hashes requirements/oracle.txt
	@touch $@

.tools/site/installed: $(UV) requirements/site.txt | python
	@echo "Installing the generator of the site in .tools/site" >&2
	@[ -x .tools/site/bin/python ] || "$(UV)" venv --quiet --python "$(PYTHON)" .tools/site
	@"$(UV)" pip sync --quiet --compile-bytecode --python .tools/site --require-hashes requirements/site.txt
	@touch $@

.tools/uv/bin/uv: requirements/uv.txt | python
	@tools/system-packages venv
	@"$(PYTHON)" -m venv --clear .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

.PHONY: python
python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"toril needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}: name another one, as in: make PYTHON=python3.12")'
