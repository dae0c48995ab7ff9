# `make run` and `make test` set up everything they need: Node.js 20 and npm are enough to begin with.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.package-lock.json

.PHONY: run receiver test check bench up down logs scale-up scale-down scale-logs

run: $(INSTALLED)
	@node src/main.ts init
	@exec node --env-file=.env src/main.ts

receiver: $(INSTALLED)
	@exec node src/main.ts receiver

test: $(INSTALLED)
	npm test

check: $(INSTALLED)
	npm run check

bench: $(INSTALLED)
	npm run bench

# npm may run on a Node.js that is older than what it installs here: that it says so of every package is left out. The
# pipe hides whether npm worked; npm writes the file last.
$(INSTALLED): package.json package-lock.json
	@rm -f $@
	npm ci --no-audit --no-fund 2>&1 | sed '/EBADENGINE/d'
	@test -e $@ && touch $@

up:
	docker compose up -d --build

down:
	docker compose down -v

logs:
	docker compose logs -f api

# Many nodes on PostgreSQL: docs/scaling.md. API_NODES=4 WORKER_NODES=8 change how many.
SCALE := docker compose -p hookferry-scale -f compose.scale.yml

scale-up:
	@sh deploy/secrets
	$(SCALE) up -d --build

# With the database in it.
scale-down:
	$(SCALE) down -v

scale-logs:
	$(SCALE) logs -f api worker balancer
