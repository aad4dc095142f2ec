# What CI runs. Sourced by ./dev.

TYPES=ui/src/backend/generated

check_rust() {
    say "Format"
    cargo fmt --all --check
    say "Lints"
    cargo clippy --locked --workspace --all-targets -- -D warnings
    say "Documentation"
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
}

check_page() {
    say "The page: format, lints, types, tests"
    (
        cd ui
        for step in format lint check test; do npm run --silent "$step"; done
    )
}

check_everything() {
    build_page # its built form is part of the desktop app, which the lints read too
    check_rust
    check_page
}

# The types are written by tests that ts-rs makes, to TS_RS_EXPORT_DIR of .cargo/config.toml.
types_export() {
    rm -rf target/ts-types
    cargo test --locked --workspace --lib --bins --quiet export_bindings
}

types_write() {
    say "Writing $TYPES"
    types_export
    mkdir -p "$TYPES"
    find "$TYPES" -name '*.ts' -delete
    cp -R target/ts-types/. "$TYPES/"
    git status --short "$TYPES"
}

types_check() {
    say "Types of the page against the Rust ones"
    types_export
    diff -ru "$TYPES" target/ts-types || fail "The page's types are stale: run ./dev types and commit what it changes."
}

# Only the end-to-end tests and integration tests carry such names; --test leaves out unit tests.
test_by_name() {
    EYELINE_BINARIES="$(realpath "$TARGET")" cargo test --locked --workspace --test '*' -- --test-threads=1 "$@"
}

test_everything() {
    check_everything
    build_programs
    types_check
    say "Tests"
    local log
    log="$(mktemp)"
    local failed=0
    # One at a time: calls that share two cores with other calls are no measure of anything.
    RUST_TEST_THREADS=1 EYELINE_BINARIES="$(realpath "$TARGET")" cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log" || failed=1
    say "A call in two windows"
    if env -u DISPLAY -u WAYLAND_DISPLAY ./dev call; then
        echo "test result: ok. 1 passed; 0 failed; two windows in a call" >>"$log"
    else
        echo "test result: FAILED. 0 passed; 1 failed; two windows in a call" >>"$log"
        failed=1
    fi
    test_summary "$log"
    rm -f "$log"
    return "$failed"
}

# The last line says how many tests ran, over all of cargo's summaries.
test_summary() {
    awk '/^test result:/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
                if ($i ~ /^ignored/) ignored += $(i - 1)
            }
        }
        /^test .* \.\.\. FAILED$/ { print "failed: " $2 }
        END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, ignored }' "$1"
}
