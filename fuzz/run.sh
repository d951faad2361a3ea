#!/usr/bin/env bash
# Fuzzes every target, or those named, for so many seconds each: `fuzz/run.sh SECONDS [TARGET...]`. Ends with 1 at the
# first finding; its input is then below fuzz/artifacts/, and `cargo fuzz run -s none TARGET FILE` shows it again.
#
# FUZZ_SEED=N begins every target alike, so that a check fails for the code's sake and not by chance; without it no two runs
# are the same.
#
# FUZZ_BUILD="FLAGS" builds otherwise, with flags of `cargo fuzz build`.
#
# Without sanitizers, which want an unstable compiler: our code forbids `unsafe`, so what is looked for are panics,
# broken promises, overflows, hangs and memory without end.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?"how many seconds for each target?"}
shift
bash ./seeds.sh
cd ..
read -ra build <<<"${FUZZ_BUILD:-}"
cargo fuzz build -s none "${build[@]}"
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    mapfile -t targets < <(cargo fuzz list)
    if [[ " ${FUZZ_BUILD:-} " == *" --no-default-features "* ]]; then
        mapfile -t targets < <(printf '%s\n' "${targets[@]}" | grep -vx config)
    fi
fi

log=$(mktemp)
for target in "${targets[@]}"; do
    started=$SECONDS
    # No input of a BMC may take 10 s or 2 GiB.
    if ! cargo fuzz run -s none "${build[@]}" "$target" -- "-max_total_time=$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        "-dict=fuzz/words/$target" "-seed=${FUZZ_SEED:-0}" -print_final_stats=1 -verbosity=1 >"$log" 2>&1; then
        tail -50 "$log"
        printf '%s: FOUND SOMETHING; the input is named above\n' "$target"
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    features=$(grep -oE 'ft: [0-9]+' "$log" | tail -1)
    printf '%-12s %5d s %12s executions, %s features\n' "$target" "$((SECONDS - started))" "$executions" "${features#ft: }"
done
rm "$log"
