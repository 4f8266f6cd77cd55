# Functions and package lists that the other scripts share. Source it from bash under `set -euo pipefail`, with the repository as
# the working directory.
# shellcheck shell=bash

# Packages for building. An entry is the name of a Debian package; `package?command` is satisfied if the command exists, wherever
# it came from.
build_packages=(
    ca-certificates
    'curl?curl'
    build-essential
    'pkg-config?pkg-config'
    # OpenCV: the four modules in use, not libopencv-dev with 700 MB of others. The build generates their bindings with libclang.
    # imgcodecs is for the tests.
    libopencv-core-dev
    libopencv-imgproc-dev
    libopencv-imgcodecs-dev
    libopencv-videoio-dev
    'clang?clang'
    libclang1
    # FFmpeg's libraries: the same ones that OpenCV links.
    libavcodec-dev
    libavformat-dev
    libavutil-dev
    libswscale-dev
    # libjpeg-turbo with its own API, which has its own package.
    libturbojpeg0-dev
    # The bus.
    libzmq3-dev
    # npm fetches the packages that the page needs at run time; the relay embeds them.
    'nodejs?node'
    'npm?npm'
)

# Further packages for the tests.
test_packages=(
    # The page's tests run in real browsers, which need fonts.
    'chromium?chromium'
    'firefox-esr?firefox-esr'
    fonts-dejavu-core
    # Makes clips and reads MJPEG.
    'ffmpeg?ffmpeg'
    # Runs programs with a shifted clock.
    'faketime?faketime'
    # An RTSP camera, because ffmpeg cannot listen.
    python3-gi
    gir1.2-gst-rtsp-server-1.0
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good
    gstreamer1.0-plugins-ugly
    # Clients of other libraries.
    python3-opencv
    python3-websocket
    python3-zeroconf
    'wget?wget'
    vlc-bin
    vlc-plugin-base
    # Slow links and listening sockets: ip, tc, ss.
    iproute2
    # Certificates: those of tests, and the store of Chromium.
    'openssl?openssl'
    'libnss3-tools?certutil'
    # Reverse proxies.
    'nginx?nginx'
    'caddy?caddy'
    # The list of files for the checks of texts and layout.
    'git?git'
)

# Packages above that bring a service of the same name. The tests start these programs by themselves, on ports of their own.
services=(nginx caddy)

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null
}

# Prints which of the given packages are missing.
missing_packages() {
    local entry
    local unknown=()
    for entry; do
        if [[ $entry == *'?'* ]] && have "${entry#*'?'}"; then
            continue
        fi
        unknown+=("${entry%'?'*}")
    done
    # One call for all packages. dpkg-query reports an error for unknown names, which are missing too.
    local installed
    installed=" $(dpkg-query --show --showformat '${db:Status-Status}:${Package} ' "${unknown[@]}" 2>/dev/null || true)"
    for entry in "${unknown[@]}"; do
        [[ $installed == *" installed:$entry "* ]] || printf '%s ' "$entry"
    done
}

# Installs the missing ones of the given packages. With nothing to do, it takes some milliseconds.
ensure_packages() {
    if ! have dpkg-query || ! have apt-get; then
        say 'This is neither Debian nor Ubuntu, so packages are not installed. scripts/lib.sh lists the required ones.'
        return
    fi
    local missing
    read -ra missing <<<"$(missing_packages "$@")"
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        have sudo || die "packages are missing, and installing them needs root or sudo; ask your administrator to run:
    apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -q &&
        install_without_services "${missing[@]}" ||
        die "the packages could not be installed; ask your administrator to run:
    apt-get install --no-install-recommends ${missing[*]}"
}

# Installs packages, as root through `as_root`. Services that they bring are neither started now nor at the next boot: they would
# occupy the ports 80 and 2019 of a developer's machine.
install_without_services() {
    # Debian's packages ask this file whether they may start a service.
    local policy=/usr/sbin/policy-rc.d is_ours= result=0 service
    if [[ ! -e $policy ]]; then
        is_ours=1
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" || result=$?
    [[ -z $is_ours ]] || "${as_root[@]}" rm -f "$policy"
    for service in "${services[@]}"; do
        if [[ " $* " == *" $service "* ]] && have systemctl; then
            # It fails where systemd does not run, and then nothing would start it.
            "${as_root[@]}" systemctl disable --quiet "$service" 2>/dev/null || true
        fi
    done
    return "$result"
}

# Prints the oldest Rust version that builds the project, from Cargo.toml.
rust_needed() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml
}

rust_is_new_enough() {
    local have_version
    have_version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
    [[ -n $have_version ]] && printf '%s\n' "$(rust_needed)" "$have_version" | sort -C -V
}

# Makes cargo available: the one in the path, else rustup's, else by installing rustup.
ensure_cargo() {
    if have cargo && rust_is_new_enough; then
        return
    fi
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    export PATH
    if have cargo && rust_is_new_enough; then
        return
    fi
    if have rustup; then
        say "Rust $(rust_needed) is required, found $(rustc --version 2>&1): adding it with rustup."
        # The user's default toolchain stays unchanged.
        RUSTUP_TOOLCHAIN=$(rust_needed)
        export RUSTUP_TOOLCHAIN
        rustup toolchain install "$RUSTUP_TOOLCHAIN" --profile minimal
    else
        say "cargo is missing or older than $(rust_needed): installing Rust $(rust_needed) for this user with rustup,"
        say "into ${CARGO_HOME:-$HOME/.cargo} and ${RUSTUP_HOME:-$HOME/.rustup} (https://rustup.rs)."
        # The target of https://sh.rustup.rs, on the host that also serves the toolchain.
        curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh |
            sh -s -- -y -q --profile minimal --no-modify-path --default-toolchain "$(rust_needed)"
    fi
    rust_is_new_enough || die "cargo is still older than $(rust_needed): $(rustc --version 2>&1)"
}

# Adds rustfmt and clippy, which the minimal toolchain lacks.
ensure_rust_tools() {
    if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        return
    fi
    have rustup || die 'rustfmt and clippy are missing, and there is no rustup to add them; install both.'
    say 'Adding rustfmt and clippy with rustup.'
    rustup component add rustfmt clippy
}

# Prints cargo's target folder.
target_dir() {
    printf '%s\n' "${CARGO_TARGET_DIR:-target}"
}

# Fetches the page's packages unless they exist: all of them, or with --omit=dev only those that it needs at run time. A full
# installation satisfies both.
ensure_node_modules() {
    # npm writes this file last.
    if [[ web/node_modules/.package-lock.json -nt web/package-lock.json ]] &&
        [[ $* == *--omit=dev* || -d web/node_modules/typescript ]]; then
        return
    fi
    npm --prefix web ci --no-audit --no-fund "$@" || return
    touch web/node_modules/.package-lock.json
}
