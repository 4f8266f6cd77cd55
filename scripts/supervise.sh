# For scripts/run: starts one capture and one relay, and keeps the capture running. Expects the arrays `capture_command`
# and `relay_command`, and a function `when_started`, which is called after each start.

# Seconds before a capture that ended unexpectedly is started again: doubled each time up to the longest, and back at the
# first after it has run for `steady_after` seconds. A protocol library or a driver that ends it at once must not fill
# the log, and a camera is missed for half a minute at most.
first_pause=1
longest_pause=30
steady_after=60

# All processes that were started here and may still run.
pids=()
capture='' relay='' timer=''

# True while the process lives.
lives() {
    [[ -n $1 ]] && kill -0 "$1" 2>/dev/null
}

# True while one of the processes lives.
any_lives() {
    local pid
    for pid in "${pids[@]}"; do
        lives "$pid" && return
    done
    return 1
}

# Ends all processes, and waits for them. They are given five seconds; the programs need two at the most.
stop() {
    trap '' INT TERM HUP
    local pid tries
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for ((tries = 0; tries < 50; tries++)); do
        any_lives || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait
}

# Starts a command in a process group of its own, so that Ctrl-C reaches this script alone, which then ends all in
# order. Its process is in `started`.
start() {
    set -m
    "$@" </dev/null &
    started=$!
    set +m
    update_pids "$started"
}

# Remembers the processes that still matter, and this one.
update_pids() {
    local pid kept=()
    for pid in "${pids[@]}"; do
        if lives "$pid"; then kept+=("$pid"); fi
    done
    pids=("${kept[@]}" "$1")
}

# Waits until one of two processes has ended: `ended` is its process id, `code` its exit code. Looks three times a second:
# `wait -n` knows nothing of a process that ended before it was called.
wait_for_either() {
    while lives "$1" && lives "$2"; do
        sleep 0.3
    done
    if lives "$1"; then ended=$2; else ended=$1; fi
    code=0
    wait "$ended" || code=$?
}

start_capture() {
    start "${capture_command[@]}"
    capture=$started timer='' capture_since=$SECONDS
    when_started
}

# Runs both until the relay ends, or the capture ends for good: well (0), or because of wrong options (2). Returns the
# exit code of the one that ended.
run_both() {
    local code ended pause=$first_pause
    trap 'stop; exit 0' INT TERM HUP
    start "${relay_command[@]}"
    relay=$started
    start_capture
    while true; do
        wait_for_either "$relay" "${timer:-$capture}"
        if [[ $ended == "$timer" ]]; then
            start_capture
            continue
        fi
        if [[ $ended != "$capture" || $code == 0 || $code == 2 ]]; then
            break
        fi
        if ((SECONDS - capture_since >= steady_after)); then
            pause=$first_pause
        fi
        say "The capture ended unexpectedly (exit code $code); it is started again in $pause s."
        start sleep "$pause"
        timer=$started
        pause=$((2 * pause < longest_pause ? 2 * pause : longest_pause))
    done
    stop
    return "$code"
}
