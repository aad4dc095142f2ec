# Eyeline beside Chromium on emulated links. Sourced by ./dev.

BENCH_PACKAGES=(iproute2 nftables procps)

# --binaries DIR compares other builds than this checkout's.
bench() {
    local argument
    for argument in "$@"; do
        if [[ "$argument" == --binaries* ]]; then
            run_bench "$@"
            return
        fi
    done
    say "Building what is measured"
    cargo build --locked --release --package eyeline-peer --package eyeline-server
    run_bench --binaries "$(realpath "${CARGO_TARGET_DIR:-target}/release")" "$@"
}

run_bench() {
    cargo build --locked --quiet --package eyeline-bench
    as_root "$TARGET/eyeline-bench" "$@"
}
