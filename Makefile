# `make run` and `make test` set up everything they need: Node.js 20 and npm are enough to begin with.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.package-lock.json

.PHONY: run test check bench up down logs

run: $(INSTALLED)
	@node src/main.ts init
	@exec node --env-file=.env src/main.ts

test: $(INSTALLED)
	npm test

check: $(INSTALLED)
	npm run check

bench: $(INSTALLED)
	npm run bench

$(INSTALLED): package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

up:
	docker compose up -d --build

down:
	docker compose down -v

logs:
	docker compose logs -f api
