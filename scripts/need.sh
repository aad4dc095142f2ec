# What a verb needs on the machine: installed when it is missing, on Debian and its relatives. Sourced by ./dev.

RUST_MIN=1.92
NODE_MIN=20

BUILD_PACKAGES=(
    gcc g++ make cmake pkg-config        # libopus is built from its source
    libclang-dev                         # bindings to V4L2 are made while building
    libvpx-dev                           # VP8 and VP9
    libasound2-dev                       # sound through ALSA
    libgtk-3-dev libwebkit2gtk-4.1-dev   # the window and its page
    libayatana-appindicator3-1           # the icon in the tray; the app starts without it as well
    fonts-noto-color-emoji               # the pictures that two people compare; their names are written below
)
TEST_PACKAGES=(
    xvfb imagemagick fonts-dejavu-core   # a screen, and pictures of it
    webkit2gtk-driver                    # drives the app's page
    pulseaudio pulseaudio-utils          # a sound system with devices that go nowhere
    dbus gnome-keyring                   # a keychain
    iproute2 nftables conntrack          # two machines and a network between them
    pebble                               # a certificate authority that speaks ACME
    coturn                               # a relay that is not ours
)

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null; }

# version_at_least FOUND WANTED
version_at_least() { [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "This needs root, and there is no sudo here. Run as root: $*"
    fi
}

apt_list_is_fresh=false
apt_refresh() {
    $apt_list_is_fresh || as_root apt-get update -qq
    apt_list_is_fresh=true
}

# apt_offers PACKAGE VERSION: whether the system's own package is that new.
apt_offers() {
    apt_refresh
    local offered
    offered="$(apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p')"
    [[ -n "$offered" && "$offered" != "(none)" ]] && version_at_least "$offered" "$2"
}

# need_packages WHY PACKAGE...: installs those that are missing.
need_packages() {
    local why="$1" package missing=()
    shift
    if ! has apt-get || ! has dpkg-query; then
        $warned_without_apt || printf 'No apt-get here: README.md lists what must be installed by hand (%s).\n' "$*"
        warned_without_apt=true
        return
    fi
    for package in "$@"; do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    say "Installing ${missing[*]} ($why)"
    apt_refresh
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
warned_without_apt=false

need_rust() {
    # rustup puts cargo here, and a shell that was open before does not know it yet.
    has cargo || PATH="$HOME/.cargo/bin:$PATH"
    local found=0
    if has rustc; then found="$(rustc --version | awk '{print $2}')"; fi
    if version_at_least "$found" "$RUST_MIN"; then return; fi
    local reason="Eyeline needs Rust $RUST_MIN or newer; here is ${found/#0/none}."
    if has rustup; then
        say "$reason Updating it with rustup."
        rustup toolchain install stable --profile default
        rustup default stable
    elif has apt-get && apt_offers rustup 1; then
        need_packages "$reason" rustup
        rustup toolchain install stable --profile default
        rustup default stable
    else
        fail "$reason Get it with:  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    fi
}

need_node() {
    local found=0
    if has node && has npm; then found="$(node --version)" found="${found#v}"; fi
    if version_at_least "$found" "$NODE_MIN"; then return; fi
    local reason="The page needs Node.js $NODE_MIN or newer with npm; here is ${found/#0/none}."
    if has apt-get && apt_offers nodejs "$NODE_MIN"; then
        need_packages "$reason" nodejs npm
    else
        fail "$reason Get it with:  curl -fsSL https://deb.nodesource.com/setup_22.x | ${SUDO_HINT}bash - && ${SUDO_HINT}apt-get install -y nodejs"
    fi
}
SUDO_HINT=""
((EUID == 0)) || SUDO_HINT="sudo -E "

need_to_build() {
    need_packages "to build Eyeline" "${BUILD_PACKAGES[@]}"
    need_rust
    need_node
}

need_to_test() {
    need_packages "to test Eyeline" "${TEST_PACKAGES[@]}"
    # Ubuntu's package of this name only fetches a snap, so a Chrome that is there already will do.
    has chromium || has chromium-browser || has google-chrome || need_packages "to call a browser" chromium
}
