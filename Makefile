# Every target is one line; what takes more than a line of thought stands in hack/. `make` shows this list.
PYTHON ?= python3
RUN := $(PYTHON) hack/python.py

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test nightly bench unit fuzz cluster faults outages soak scenarios fmt lint types contracts generate verify replays lock box install

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## See it heal: a cluster in a box, a bad rollout before your eyes, the story of its Incident
	@$(RUN) hack/demo/demo.py

demo-down: ## End the cluster that the demo left for you
	@$(RUN) hack/demo/demo.py --down

test: ## Run everything that can run on this machine, and say what could not
	@$(RUN) hack/test.py

nightly: ## Run what `make test` runs, the attacks of `make faults` and `make outages`, `make soak`, and the tests that are too slow for both
	@$(RUN) hack/test.py --nightly

bench: ## Measure beside a floor and a naive twin, and write docs/reference/performance.md (ARGS="--quick idle": a little of it)
	@$(RUN) hack/bench.py $(ARGS)

unit: ## Run the fast tests alone (no cluster)
	@$(RUN) hack/test.py unit

fuzz: ## Try hostile webhook bodies and files for ten minutes
	@$(RUN) -m pytest -q -s -m nightly tests/fuzz

cluster: ## Run the tests on a real control plane (CLUSTER=kubeconfig or kind: on that one)
	@$(RUN) hack/test.py cluster

faults: ## Attack the running operator: kills, lost replies, broken watches (in a box of its own)
	@$(RUN) hack/test.py faults

outages: ## Break the control plane under the running operator (in a box of its own)
	@$(RUN) hack/test.py outages

soak: ## Run it for an hour under alerts, faults and a bad way to the API server (SOAK_SECONDS=300: shorter; in a box of its own)
	@$(RUN) hack/test.py soak

scenarios: ## Run the tests on real nodes (CLUSTER=kubeconfig or kind: on those)
	@$(RUN) hack/test.py scenarios

fmt: ## Format the code
	@$(RUN) -m ruff format . && $(RUN) -m ruff check --select I --fix .

lint: ## Check format and style
	@$(RUN) hack/test.py format lint

types: ## Check the types
	@$(RUN) hack/test.py types

contracts: ## Check who may import whom
	@$(RUN) hack/test.py contracts

replays: ## Write anew what `prunella simulate` says about the recorded Incidents (read the difference)
	@$(RUN) hack/replays.py

generate: ## Write what is generated: CRDs and reference docs
	@$(RUN) hack/generate.py

verify: ## Check that what is generated is up to date
	@$(RUN) hack/generate.py --check

lock: ## Lock the dependencies anew
	@$(PYTHON) hack/lock.py

box: ## Start a cluster in a box to play with (hack/cluster/box down play ends it)
	@hack/cluster/box up play --expose

install: ## Install Prunella into the cluster of your KUBECONFIG; its context is named and asked for first
	@$(RUN) hack/ask.py && $(RUN) -m prunella.cli.main install
