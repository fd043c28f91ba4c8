# Shared by scripts/run and scripts/test; read with `.`, in a POSIX shell.

# The oldest compiler that builds Sipscope.
needed_rust=1.95

# say TEXT: to the person in front of the terminal, never into a pipe.
say() {
    printf '%s\n' "$*" >&2
}

# stop TEXT: says why and ends the script.
stop() {
    say "$*"
    exit 1
}

# need_rust: stops unless rustc is there and new enough, naming what helps.
need_rust() {
    # rustup puts cargo where only a login shell looks.
    if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        export PATH
    fi
    if ! command -v rustc >/dev/null 2>&1 || ! command -v cargo >/dev/null 2>&1; then
        say "Sipscope is built with Rust $needed_rust or newer, and there is no Rust here. This installs it:"
        stop "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    fi
    found=$(rustc --version | cut -d' ' -f2)
    major=$(printf '%s' "$found" | cut -d. -f1)
    minor=$(printf '%s' "$found" | cut -d. -f2)
    if [ "$major" -lt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -lt "${needed_rust#1.}" ]; }; then
        say "Rust $found is too old, Sipscope needs $needed_rust or newer. This brings it up to date:"
        stop "    rustup update stable"
    fi
}

# installed PACKAGE: whether dpkg knows it as installed, perhaps under a newer name (Ubuntu and Debian
# 13 renamed libraries: libpcap0.8 became libpcap0.8t64).
installed() {
    for name in "$1" "$1t64"; do
        if dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed; then
            return 0
        fi
    done
    return 1
}

# need_packages PACKAGE...: installs what is missing, without questions; as root directly, else by
# sudo, else it prints the line and stops.
need_packages() {
    if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        say "This is neither Debian nor Ubuntu: please see to it that these are installed: $*"
        return 0
    fi
    missing=
    for package in "$@"; do
        installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    missing=${missing# }
    say "Installing what is missing: $missing"
    install="apt-get install -y --no-install-recommends $missing"
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || say "The package lists could not be updated."
        # shellcheck disable=SC2086 # a list of words
        DEBIAN_FRONTEND=noninteractive $install -q >&2 || stop "Could not install: $missing"
    elif command -v sudo >/dev/null 2>&1; then
        sudo apt-get update -q >&2 || say "The package lists could not be updated."
        # shellcheck disable=SC2086
        sudo DEBIAN_FRONTEND=noninteractive $install -q >&2 || stop "Could not install: $missing"
    else
        say "Please run this as root, then start again:"
        stop "    apt-get update && $install"
    fi
}

# build_packages: rustc calls a C compiler to link, any will do; libpcap for the program that captures.
build_packages() {
    command -v cc >/dev/null 2>&1 || echo gcc libc6-dev
    echo libpcap-dev pkg-config
}

# What the window loads when it opens: OpenGL (with a driver that needs no graphics card) and X11 …
window_packages="libgl1 libegl1 libgl1-mesa-dri libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2
    libxkbcommon-x11-0"
# … or Wayland.
wayland_packages="libwayland-client0 libwayland-egl1"
# A screen, keys and pictures for the tests that open the window, Python for scripts/bench and as a sender of packets.
# Live capture is tested with real programs in network namespaces: a proxy, two kinds of clients.
test_packages="xvfb xdotool imagemagick x11-utils python3 tshark iproute2 util-linux libcap2-bin
    kamailio sip-tester baresip-core"

# offer_capture PROGRAM: says how it may capture, unless it may already.
offer_capture() {
    [ "$(id -u)" -ne 0 ] || return 0
    command -v setcap >/dev/null 2>&1 || PATH="$PATH:/usr/sbin:/sbin"
    if command -v getcap >/dev/null 2>&1 && [ -n "$(getcap "$1" 2>/dev/null)" ]; then
        return 0
    fi
    say "To capture live, give the small capture program (not the window) the one right it needs:"
    say "    sudo setcap cap_net_raw=ep '$1'"
    say "Whoever may start that file can then take packets from every interface of this machine; it drops"
    say "the right before the first packet. A new build needs the line again. Nothing else changes."
}
