# Building the programs and the page. Sourced by ./dev.

# The page is built only when something it is made of is newer than what was built.
build_page() {
    if [[ ! -e ui/node_modules/.package-lock.json || ui/package-lock.json -nt ui/node_modules/.package-lock.json ]]; then
        say "Fetching what the page is built with"
        (cd ui && npm ci --no-audit --no-fund --loglevel=error)
    fi
    local built=ui/dist/index.html
    if [[ -e "$built" && -z "$(find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -newer "$built" -print -quit)" ]]; then
        return
    fi
    say "Building the page"
    (cd ui && npm run --silent build)
}

# The whole workspace in one go: building single packages would compile shared dependencies again with fewer features.
build_programs() {
    build_page
    say "Building the programs (the first time takes about ten minutes on two cores)"
    cargo build --locked --workspace
}
