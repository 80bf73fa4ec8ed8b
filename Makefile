# Lambent. `make help` lists what can be made.
GO      ?= go
BUILD   := build
VENV    := $(BUILD)/venv
VERSION ?= $(shell sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -1)
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s

.PHONY: help build demo test race check lint generated fuzz bench generate cross clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

build: ## build build/lambent
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BUILD)/lambent ./cmd/lambent

demo: build ## run the main job: a thousand events, failures found, corrected and run again
	@demo/run.sh $(abspath $(BUILD)/lambent)

$(VENV)/ready: e2e/requirements.txt e2e/venv.sh
	@e2e/venv.sh $(VENV)

test: build $(VENV)/ready ## every test, the end-to-end ones with the real clients
	LAMBENT_TEST_BINARY=$(abspath $(BUILD)/lambent) LAMBENT_TEST_PYTHON=$(abspath $(VENV)/bin/python) \
	LAMBENT_TEST_AWSLAMBDARIC="$$($(VENV)/bin/python -c 'import awslambdaric, os; print(os.path.dirname(os.path.dirname(awslambdaric.__file__)))')" \
	$(GO) test -timeout 15m ./...

race: ## the packages that run things concurrently, under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m ./internal/...

check: lint generated cross ## everything that needs no run: format, vet, staticcheck, generated files, all platforms

BOTOCORE = $$($(VENV)/bin/python -c 'import botocore, os; print(os.path.dirname(botocore.__file__))')

generated: $(VENV)/ready ## the generated wire is what the generator writes
	$(GO) run ./internal/awswire/gen -botocore "$(BOTOCORE)" -out $(BUILD)/.generated
	@for d in lambdawire stswire; do diff -r internal/awswire/$$d $(BUILD)/.generated/$$d || { echo 'run make generate'; exit 1; }; done

lint: ## format, vet and staticcheck
	@test -z "$$(gofmt -l . )" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

cross: ## the platforms that the module must build for
	GOOS=linux GOARCH=arm64 $(GO) vet ./cmd/lambent ./internal/sandbox/...
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/lambent
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/lambent

fuzz: ## fuzz every parser of outside bytes for FUZZTIME each
	@$(GO) list ./... | while read -r p; do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

bench: build ## the promised figures, as ratios to a floor measured in the same run
	$(GO) run ./bench

generate: $(VENV)/ready ## the wire from AWS's models, and the reference pages from the code
	$(GO) run ./internal/awswire/gen -botocore "$(BOTOCORE)"
	$(GO) generate ./...

clean: ## remove what was built
	rm -f $(BUILD)/lambent
	rm -rf $(VENV) $(BUILD)/.generated
