# Each recipe also works when its lines are pasted: nothing here needs more than cargo and what .ci/run installs.

default:
    @just --list

# What must pass before a push.
check: fmt-check clippy test doc

# Everything that CI runs, in its order.
ci:
    bash .ci/run

fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# One crate alone, with its own features only.
check-crate crate:
    cargo clippy -p {{crate}} --all-targets --locked -- -D warnings
    cargo test -p {{crate}} --locked

test *args:
    cargo test --workspace --locked {{args}}

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# A simulated fleet and the daemon on it; nothing to set up.
demo *args:
    cargo run --release --locked -- demo {{args}}

# One seeded simulation; the seed of a failure is in its output.
sim seed="1":
    SIM_SEED={{seed}} cargo test -p bmcwatch --locked --test simulation -- --nocapture

# Many seeds, optimised.
sim-many runs="1000":
    SIM_RUNS={{runs}} cargo test -p bmcwatch --locked --release --test simulation -- --nocapture

# Rewrite golden files and generated documents; then read the diff.
accept:
    UPDATE_GOLDEN=1 cargo test --workspace --locked

# Cost per endpoint and event, beside a baseline in the same run.
bench-fleet *args:
    cargo bench -p bmcwatch --locked --bench fleet -- {{args}}

# Pictures of what was measured last, of each size: docs/pictures.
bench-plot:
    cargo bench -p bmcwatch --locked --bench fleet -- plot

# A journal of 10,000,000 records beside an empty one; 15 GB of disk.
bench-journal *args:
    cargo bench -p journal --locked --bench large -- {{args}}

# What 10,000 targets of a source cost until their collectors run, step by step.
bench-sources *args:
    cargo bench -p bmcwatch --locked --bench sources -- {{args}}

# Every fuzz target for so long, or those that are named: `just fuzz 600 sse`; needs cargo-fuzz.
fuzz seconds="60" *targets:
    bash fuzz/run.sh {{seconds}} {{targets}}

# Licences, sources and advisories; needs cargo-deny.
deny:
    cargo deny check

# 200 BMCs for a minute, streams cut, the daemon killed five times: nothing lost, nothing twice.
soak-kill:
    cargo bench -p bmcwatch --locked --bench soak -- kill

# 200 BMCs that refuse connections for five minutes: lines in the log, and the way back.
soak-refuse:
    cargo bench -p bmcwatch --locked --bench soak -- refuse

# A BMC that sends 10,000 events a second, and how much later the events of twenty others are delivered.
soak-flood:
    cargo bench -p bmcwatch --locked --bench soak -- flood

# A page with 5,000 endpoints and 100 clients that follow 500 events a second: what they cost. Needs chromium.
soak-readers:
    cargo bench -p bmcwatch --locked --bench soak -- readers

# 100,000 records to every sink, whose peers are gone for a minute, the daemon killed twice. Needs root, and what .ci/run installs.
soak-outage:
    cargo bench -p bmcwatch --locked --bench soak -- outage

# A sink that is dead for ten minutes: how much later three others have what happens, and what it costs.
soak-dead-sink:
    cargo bench -p bmcwatch --locked --bench soak -- dead-sink

# 100 BMCs of every flavour behind a network that breaks connections, for ten minutes: everything once, or a gap.
faults *args:
    cargo bench -p bmcwatch --locked --bench soak -- faults {{args}}

# 300 BMCs, an hour of every fault with a kill -9 a minute, 20 minutes without; root for the full disk, libfaketime for the clock.
soak-hour *args:
    cargo bench -p bmcwatch --locked --bench soak -- hour {{args}}

# Takes each protection against a trap out, in a scratch worktree, and sees its test fail: `just mutate t25` for one.
mutate *args:
    cargo bench --profile dev -p bmcwatch --locked --bench mutate -- {{args}}
