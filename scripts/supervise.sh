# Part of scripts/run: starts one capture and one relay, and restarts the capture. It expects the arrays `capture_command` and
# `relay_command`, and a function `when_started`, which it calls after each start.
# shellcheck shell=bash

# Seconds before a capture that exited unexpectedly is restarted. The pause doubles up to the longest, and is the first one again
# after the capture has run for `steady_after` seconds. A crash loop must not fill the log, and a camera is offline for half a
# minute at most.
first_pause=1
longest_pause=30
steady_after=60

# Processes that were started here and may still run.
pids=()
capture='' relay='' timer=''

# True while the process runs.
is_running() {
    [[ -n $1 ]] && kill -0 "$1" 2>/dev/null
}

# True while one of the processes runs.
any_is_running() {
    local pid
    for pid in "${pids[@]}"; do
        is_running "$pid" && return
    done
    return 1
}

# Ends all processes and waits for them. They have five seconds; the programs need two at most.
stop() {
    trap '' INT TERM HUP
    local pid tries
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for ((tries = 0; tries < 50; tries++)); do
        any_is_running || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait
}

# Starts a command in its own process group, so that Ctrl-C reaches only this script, which then ends all processes in order. Sets
# `started` to its process ID.
start() {
    set -m
    "$@" </dev/null &
    started=$!
    set +m
    update_pids "$started"
}

# Remembers the processes that still run, and this one.
update_pids() {
    local pid kept=()
    for pid in "${pids[@]}"; do
        if is_running "$pid"; then kept+=("$pid"); fi
    done
    pids=("${kept[@]}" "$1")
}

# Waits until one of two processes has ended. Sets `ended` to its process ID and `code` to its exit status. It polls three times
# per second, because `wait -n` does not report a process that ended before the call.
wait_for_either() {
    while is_running "$1" && is_running "$2"; do
        sleep 0.3
    done
    if is_running "$1"; then ended=$2; else ended=$1; fi
    code=0
    wait "$ended" || code=$?
}

start_capture() {
    start "${capture_command[@]}"
    capture=$started timer='' capture_since=$SECONDS
    when_started
}

# Runs both until the relay ends, or until the capture ends for good: with success (0) or invalid options (2). Returns the exit
# status of the one that ended.
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
        say "The capture exited unexpectedly (status $code); it is started again in $pause s."
        start sleep "$pause"
        timer=$started
        pause=$((2 * pause < longest_pause ? 2 * pause : longest_pause))
    done
    stop
    return "$code"
}
