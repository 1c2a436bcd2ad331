# Every target does its own set-up; the second time it is quick.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
LIGHT  := $(VENV)/.ready-for-demo
SITE   := $(VENV)/.ready-for-docs
PORT   ?= 6000
ONCE   ?=
SLIDE  ?=
DATA   ?= ../shared/data
OUT    ?= out/finetune
ENGINE ?= docker
TAG    ?= refine:cpu
TORCH_INDEX_URL ?=
BASE_IMAGE ?=
WEIGHTS ?= volume
QUICK  ?=
RUNS   ?= 1000
SEED   ?= 1
REPLICAS ?= 2
CONFIG ?= sam2.1_hiera_b+
BENCH_ENGINE ?=
WORKERS ?=
# Tests wait more than they compute, so more processes than cores pay; but each may need 3 GB.
workers = $(or $(WORKERS),$(shell sh scripts/workers.sh $(1)))
VIEWER := demo/viewer
PAGE   := $(VIEWER)/dist/.ready

.DEFAULT_GOAL := help
.PHONY: help install format lint test test-all bench campaign capacity serve-ray test-scale test-core test-web test-deploy \
    release-check image image-demo openapi settings docs demo \
    finetune embedded-model viewer test-browser

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

install: $(READY) ## Create .venv with the service, the demo and the developer tools

$(READY): pyproject.toml constraints.txt scripts/install.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/install.sh
	@touch $(LIGHT) $@

# Only what the demo needs. Whatever else a later target needs is added then.
$(LIGHT): pyproject.toml constraints.txt scripts/install.sh
	EXTRAS=demo,tissue PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/install.sh
	@touch $@

format: $(READY) ## Format the code
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

lint: $(READY) ## Style, types and import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: ## Lint, then run the tests, on all cores, and say what was skipped and why; not the long ones (WORKERS=)
	$(MAKE) --no-print-directory -j 2 lint viewer test-core test-web
	$(PY) -m pytest -n $(call workers,2) --dist loadfile --no-loadscope-reorder -m "not long" --mutants 60 --durations 20
	@echo "The long tests were left out; make test-all runs them, too."

test-all: ## Lint, then run every test this machine can run, say what was skipped and why, and look at the coverage
	$(MAKE) --no-print-directory -j 2 lint viewer test-core test-web
	$(PY) -m pytest -n $(call workers,1) --dist loadfile --no-loadscope-reorder --durations 20 --cov --cov-report=term --cov-report=json:out/coverage.json
	$(PY) scripts/check_coverage.py out/coverage.json

test-core: ## Compile and test the additions to Cytomine's Core (JDK 17 and Maven; skipped, saying so, without them)
	sh scripts/test_core.sh

test-web: viewer ## Test the viewer and the web UI's component with their own runners (npm; skipped, saying so, without it)
	sh scripts/test_web.sh

test-deploy: $(READY) ## Try the deployment in containers, image and all (root, podman; skipped, saying so, where they cannot run)
	VENV=$(VENV) sh scripts/test_deploy.sh

image: ## Build the image (ENGINE=docker, TAG=refine:cpu, TORCH_INDEX_URL=PyTorch's CPU wheels, WEIGHTS=baked, BASE_IMAGE=)
	$(ENGINE) build --build-arg TORCH_INDEX_URL="$(TORCH_INDEX_URL)" --build-arg WEIGHTS="$(WEIGHTS)" \
	    $(if $(BASE_IMAGE),--build-arg BASE_IMAGE="$(BASE_IMAGE)") \
	    --build-arg REVISION="$$(git rev-parse HEAD)" -t "$(TAG)" .

image-demo: $(READY) viewer ## Build the demo's image (ENGINE=docker): docker run --rm -p 127.0.0.1:6001:6001 refine:demo
	REFINE_SEGMENTER__ENGINE_FOLDER=out/engines REFINE_SEGMENTER__DEVICE=cpu REFINE_SEGMENTER__DEMO_MODEL=true \
	    $(PY) -m app engines --no-int8
	$(ENGINE) build --target demo --build-arg TORCH=none --build-arg EXTRAS=openvino,demo -t refine:demo .

release-check: $(READY) ## Whether this checkout may be released as the version that it names (BASE_IMAGE=python@sha256:...)
	$(PY) scripts/release_check.py --base "$(BASE_IMAGE)"

openapi: $(READY) ## Write the served contract to docs/api/openapi.json
	PYTHONPATH=. $(PY) scripts/write_openapi.py

settings: $(READY) ## Write the reference of settings to docs/settings.md
	PYTHONPATH=. $(PY) -m scripts.write_settings

docs: $(SITE) ## Build the documentation site in out/site/html; strict, and without the internet once it is installed
	PYTHONPATH=.:client $(PY) -m scripts.build_site

$(SITE): $(READY)
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

viewer: $(PAGE) ## Build the demo's viewer (needs Node.js 20.19 or newer)

$(PAGE): scripts/build_viewer.sh $(VIEWER)/package.json $(wildcard $(VIEWER)/*.* $(VIEWER)/public/* $(VIEWER)/src/*)
	@sh scripts/build_viewer.sh

test-browser: $(READY) viewer ## Drive the demo's viewer in Chromium, with a screenshot of each step in out/browser
	$(PY) -m pytest tests/browser

demo: $(LIGHT) viewer ## Embedded Cytomine and service; refines a sample (ONCE=1 stops then, PORT=, SLIDE=file)
	$(PY) -m demo --port $(PORT) $(if $(ONCE),--once) $(if $(SLIDE),--slide "$(SLIDE)")

bench: $(if $(GPU),,$(READY)) ## Measure the service beside the thesis' pipeline (QUICK=1 in minutes, CONFIG=, BENCH_ENGINE=); GPU=1 [ARGS=--compiling]: the model alone
	$(if $(GPU),$(if $(wildcard $(PY)),$(PY),$(PYTHON)) -m bench.gpu --config "$(CONFIG)" $(ARGS),$(PY) -m bench $(if $(QUICK),--quick) --config "$(CONFIG)" --engine "$(BENCH_ENGINE)")

campaign: $(READY) ## Refine while everything goes wrong at random, and judge what is left (RUNS=1000, SEED=1)
	$(PY) -m bench.campaign --runs $(RUNS) --seed $(SEED)

capacity: $(READY) ## How many people a deployment carries, and what 10,000 need; needs Ray, the extra "scale" (QUICK=1 in minutes)
	$(PY) -m bench.load capacity $(if $(QUICK),--quick) --docs docs

serve-ray: $(READY) ## Serve with several replicas of the model, on Ray (REPLICAS=2; settings as for python -m app serve)
	$(PY) -m scale serve --replicas $(REPLICAS)

test-scale: $(READY) ## The tests of Ray Serve, then those of contract and whole against it
	TEST_SERVER=ray $(PY) -m pytest tests/scale tests/contract tests/end_to_end

finetune: $(READY) ## Export, fine-tune, evaluate, package and serve: DATA=folder of tiles [OUT=]
	$(PY) -m training whole "$(DATA)" --out "$(OUT)"

embedded-model: $(READY) ## Train a model like the embedded one: hours on a CPU, 15 minutes on a GPU (ARGS="--data FOLDER --minutes 15")
	$(PY) -m training embedded $(ARGS)
