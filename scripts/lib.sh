# What the scripts beside this file share. It is sourced, by bash under `set -euo pipefail`, with the repository as the
# working directory.
# shellcheck shell=bash

# What building needs. An entry is the name of a Debian package; `package?command` is content with the command, wherever
# it came from.
build_packages=(
    ca-certificates
    'curl?curl'
    build-essential
    'pkg-config?pkg-config'
    # OpenCV: the four modules that are used, not libopencv-dev with its 700 MB of others. Their bindings are made while
    # building, by means of libclang. imgcodecs is for the tests.
    libopencv-core-dev
    libopencv-imgproc-dev
    libopencv-imgcodecs-dev
    libopencv-videoio-dev
    'clang?clang'
    libclang1
    # FFmpeg's libraries: the very ones that OpenCV links.
    libavcodec-dev
    libavformat-dev
    libavutil-dev
    libswscale-dev
    # JPEG: libjpeg-turbo by its own API, which is in a package of its own.
    libturbojpeg0-dev
    # The bus.
    libzmq3-dev
    # What the page needs at run time: npm fetches it, the relay embeds it.
    'nodejs?node'
    'npm?npm'
)

# What the tests need beside that.
test_packages=(
    # The page's tests: in real browsers, that must have letters to draw.
    'chromium?chromium'
    'firefox-esr?firefox-esr'
    fonts-dejavu-core
    # Clips, and a reader of MJPEG.
    'ffmpeg?ffmpeg'
    # A clock set apart.
    'faketime?faketime'
    # An RTSP camera; ffmpeg cannot listen.
    python3-gi
    gir1.2-gst-rtsp-server-1.0
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good
    gstreamer1.0-plugins-ugly
    # Viewers as other people write them.
    python3-opencv
    python3-websocket
    # Slow links and who listens where: ip, tc, ss.
    iproute2
)

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

# Prints the names of those of the given packages that are not there.
missing_packages() {
    local entry
    local unknown=()
    for entry; do
        if [[ $entry == *'?'* ]] && have "${entry#*'?'}"; then
            continue
        fi
        unknown+=("${entry%'?'*}")
    done
    # One call for all; dpkg-query complains of names it never heard of, which are missing just as well.
    local installed
    installed=" $(dpkg-query --show --showformat '${db:Status-Status}:${Package} ' "${unknown[@]}" 2>/dev/null || true)"
    for entry in "${unknown[@]}"; do
        [[ $installed == *" installed:$entry "* ]] || printf '%s ' "$entry"
    done
}

# Installs those of the given packages that are not there; with nothing to do it takes some milliseconds.
ensure_packages() {
    if ! have dpkg-query || ! have apt-get; then
        say 'This is neither Debian nor Ubuntu, so packages are not looked after. scripts/lib.sh lists what is needed.'
        return
    fi
    local missing
    read -ra missing <<<"$(missing_packages "$@")"
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        have sudo || die "these packages are missing, and neither root nor sudo is here to install them. Please ask for:
    apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        die "the packages could not be installed. Please have somebody do:
    apt-get install --no-install-recommends ${missing[*]}"
}

# The oldest Rust that builds this, as Cargo.toml has it.
rust_needed() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml
}

rust_is_new_enough() {
    local have_version
    have_version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
    [[ -n $have_version ]] && printf '%s\n' "$(rust_needed)" "$have_version" | sort -C -V
}

# Makes cargo available: as it is, else rustup's, else by installing rustup.
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
        say "Rust $(rust_needed) is needed, and $(rustc --version 2>&1) is here: adding it through rustup."
        # The user's default toolchain stays as it is.
        RUSTUP_TOOLCHAIN=$(rust_needed)
        export RUSTUP_TOOLCHAIN
        rustup toolchain install "$RUSTUP_TOOLCHAIN" --profile minimal
    else
        say "cargo is not here, or older than $(rust_needed): installing Rust $(rust_needed) for this user through rustup,"
        say "into ${CARGO_HOME:-$HOME/.cargo} and ${RUSTUP_HOME:-$HOME/.rustup} (https://rustup.rs)."
        # What https://sh.rustup.rs leads to, from the host that serves the toolchain as well.
        curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh |
            sh -s -- -y -q --profile minimal --no-modify-path --default-toolchain "$(rust_needed)"
    fi
    rust_is_new_enough || die "cargo is still older than $(rust_needed): $(rustc --version 2>&1)"
}

# rustfmt and clippy, which the minimal toolchain has not.
ensure_rust_tools() {
    if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        return
    fi
    have rustup || die 'rustfmt and clippy are missing, and there is no rustup to add them.'
    say 'Adding rustfmt and clippy through rustup.'
    rustup component add rustfmt clippy
}

# Where cargo puts what it builds.
target_dir() {
    printf '%s\n' "${CARGO_TARGET_DIR:-target}"
}

# Fetches the page's packages, unless they are there: all of them, or only those it needs at run time (--omit=dev).
# Those are there too where all are.
ensure_node_modules() {
    # npm writes this file last.
    if [[ web/node_modules/.package-lock.json -nt web/package-lock.json ]] &&
        [[ $* == *--omit=dev* || -d web/node_modules/typescript ]]; then
        return
    fi
    npm --prefix web ci --no-audit --no-fund "$@" || return
    touch web/node_modules/.package-lock.json
}
