# make demo | test | install: on a fresh Debian or Ubuntu machine with Rust, git and make nothing else is needed.
.PHONY: demo test install soak bench agents-matrix setup
CARGO ?= cargo

demo: setup
	$(CARGO) run --quiet -- demo $(if $(AGENT),--agent $(AGENT))

# Most tests wait for an agent or a clock, not for a core.
test: setup
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} $(CARGO) test --no-fail-fast

install: setup
	$(CARGO) install --path . --locked

bench: setup
	$(CARGO) bench

# New worlds of the simulator for as long as told: SOAK=60 make soak runs them for an hour. It prints how many, and what went wrong in them.
soak: setup
	SOAK=$${SOAK:-10} $(CARGO) test --profile sim --test sim -- --ignored --nocapture --exact it::simulation::soak

# Every real agent in every state: was the verdict true? Five minutes; MATRIX=full make agents-matrix: an hour. Installs 2 GB below target/.
agents-matrix: setup
	tests/agentlab/run.sh --matrix $(AGENT)

setup:
	@sh tests/setup.sh
