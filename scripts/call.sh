# ./dev call: a private server on loopback and two windows in a call with each other. Sourced by ./dev.

WINDOW_W=1100 WINDOW_H=700
CALL_SECONDS=15 # how long the call is watched where nobody looks at it

CALL_PIDS=()
CALL_DIR=""

call_end_everything() {
    local i pid
    trap - EXIT
    # The windows before the server and the display they use.
    for ((i = ${#CALL_PIDS[@]} - 1; i >= 0; i--)); do
        pid="${CALL_PIDS[i]}"
        kill "$pid" 2>/dev/null || continue
        timeout 5 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$CALL_DIR/profile-ada" "$CALL_DIR/profile-ben"
}

# call_start NAME COMMAND...: runs it in the background, its output in NAME.log.
call_start() {
    local name="$1"
    shift
    "$@" >"$CALL_DIR/$name.log" 2>&1 &
    CALL_PIDS+=("$!")
}

# call_await SECONDS WHAT COMMAND...: until the command succeeds, unless something that was started has ended.
call_await() {
    local until=$((SECONDS + $1)) what="$2" pid
    shift 2
    until "$@"; do
        for pid in "${CALL_PIDS[@]}"; do
            kill -0 "$pid" 2>/dev/null || call_give_up "A program ended while waiting for $what."
        done
        ((SECONDS < until)) || call_give_up "Waited in vain for $what."
        sleep 0.1
    done
}

call_give_up() {
    tail -n 15 "$CALL_DIR"/*.log >&2
    fail "$1 The logs are in $CALL_DIR."
}

call_in_two_windows() {
    CALL_DIR="out/call-$(date +%Y%m%d-%H%M%S)"
    mkdir -p "$CALL_DIR"
    trap call_end_everything EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if [[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]]; then
        call_open
        echo "Two windows are in a call; close them to end it."
        wait "${CALL_PIDS[@]:1}" || true
        node scripts/call-figures.mjs "$CALL_DIR/ada.jsonl" "$CALL_DIR/ben.jsonl" || true
    else
        call_start_display
        call_open
        call_watch
    fi
}

call_start_display() {
    say "No display here: using a virtual one"
    local number="$CALL_DIR/display"
    # Xvfb finds a free number by itself and writes it to the file descriptor it is given.
    call_start display Xvfb -displayfd 7 -screen 0 "$((2 * WINDOW_W))x${WINDOW_H}x24" -nolisten tcp 7>"$number"
    call_await 20 "the virtual display" test -s "$number"
    DISPLAY=":$(<"$number")"
    rm "$number"
    # No accessibility bus and no theme daemon there to ask.
    export DISPLAY GDK_BACKEND=x11 NO_AT_BRIDGE=1
}

# Real devices where there are any. One machine has one camera as a rule, and two programs cannot share it; and only one
# side may use the real microphone and only the same side the speaker, or the two would howl.
call_choose_devices() {
    local listed="$CALL_DIR/devices.jsonl" cameras=() microphones speakers
    "$TARGET/eyeline-peer" --list-devices >"$listed"
    mapfile -t cameras < <(node scripts/call-figures.mjs --real camera "$listed")
    microphones="$(node scripts/call-figures.mjs --real microphone "$listed")"
    speakers="$(node scripts/call-figures.mjs --real speaker "$listed")"
    rm "$listed"
    ADA_DEVICES=(--camera "${cameras[0]:-test-pattern}" --microphone "${microphones:+default}" --speaker "${speakers:+default}")
    [[ -n "$microphones" ]] || ADA_DEVICES[3]=tone
    [[ -n "$speakers" ]] || ADA_DEVICES[5]=null
    BEN_DEVICES=(--camera "${cameras[1]:-test-pattern}" --microphone tone --speaker null)
}

call_open() {
    say "Opening two windows in a call"
    call_choose_devices
    local port="$CALL_DIR/port" link="$CALL_DIR/link"
    call_start server "$TARGET/eyeline-server" --listen 127.0.0.1:0 --port-file "$port"
    call_await 20 "the server" test -s "$port"
    call_start ada "$TARGET/eyeline" --profile "$CALL_DIR/profile-ada" --name Ada --stats "$CALL_DIR/ada.jsonl" \
        --geometry "${WINDOW_W}x${WINDOW_H}+0+0" "${ADA_DEVICES[@]}" \
        --server "http://127.0.0.1:$(<"$port")" --host --link-file "$link"
    call_await 60 "the link" test -s "$link"
    call_start ben "$TARGET/eyeline" --profile "$CALL_DIR/profile-ben" --name Ben --stats "$CALL_DIR/ben.jsonl" \
        --geometry "${WINDOW_W}x${WINDOW_H}+${WINDOW_W}+0" "${BEN_DEVICES[@]}" --join "$(<"$link")"
    rm "$port" "$link"
}

call_lines() { [[ -e "$1" ]] && (($(grep -c '"phase":"in_call"' "$1") >= $2)); }

call_shots() {
    import -silent -window root -crop "${WINDOW_W}x${WINDOW_H}+0+0" +repage "$CALL_DIR/ada-$1.png"
    import -silent -window root -crop "${WINDOW_W}x${WINDOW_H}+${WINDOW_W}+0" +repage "$CALL_DIR/ben-$1.png"
}

# The middle of the window shows the other side; the self-view is in a corner.
call_picture_moves() {
    local middle="$((WINDOW_W / 2))x$((WINDOW_H / 2))+$((WINDOW_W / 4))+$((WINDOW_H / 4))" spread change
    spread="$(identify -format '%[fx:standard_deviation]' "$CALL_DIR/$1-2.png[$middle]")"
    # compare answers 1 when the pictures differ: that is what we want to see.
    change="$(compare -metric RMSE "$CALL_DIR/$1-1.png[$middle]" "$CALL_DIR/$1-2.png[$middle]" null: 2>&1 || true)"
    change="${change##*(}" change="${change%)*}"
    printf '%s: picture contrast %.3f, change within a second %.4f\n' "$1" "$spread" "$change"
    awk -v spread="$spread" -v change="$change" 'BEGIN { exit !(spread > 0.03 && change > 0.002) }'
}

call_watch() {
    local ok=true who
    for who in ada ben; do
        call_await 60 "$who to be in the call" call_lines "$CALL_DIR/$who.jsonl" 3
    done
    call_await 60 "$CALL_SECONDS seconds of call" call_lines "$CALL_DIR/ben.jsonl" "$CALL_SECONDS"
    call_shots 1
    call_await 20 "another second of call" call_lines "$CALL_DIR/ben.jsonl" $((CALL_SECONDS + 1))
    call_shots 2

    say "Figures"
    node scripts/call-figures.mjs "$CALL_DIR/ada.jsonl" "$CALL_DIR/ben.jsonl" || ok=false
    for who in ada ben; do
        call_picture_moves "$who" || ok=false
    done
    printf '\nScreenshots of both windows: %s\n' "$(realpath "$CALL_DIR")"
    $ok || fail "Not both sides saw the other's moving picture and heard the other."
    echo "Both sides saw the other's moving picture and heard the other."
}
