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

# Longer runs of the simulator: SIM_WORLDS=100000 make soak; SEED=n replays one world with its transcript.
soak: setup
	SIM_WORLDS=$${SIM_WORLDS:-20000} $(CARGO) test --release --test it simulation -- --nocapture

# Every real agent in every state: was the verdict true? Five minutes; MATRIX=full make agents-matrix: an hour. Installs 2 GB below target/.
agents-matrix: setup
	tests/agentlab/run.sh --matrix $(AGENT)

setup:
	@sh tests/setup.sh
