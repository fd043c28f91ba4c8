# The real window on a screen of its own; read with `.` by scripts/tour and scripts/screenshots.
# Needs lib.sh. What is started here ends with the script that reads this.

width=1366
height=768
# So many points may differ although nothing happened: the cursor of a text field blinks.
noise=150

scratch=$(mktemp -d)
screen=
program=

end_window() {
    for process in $program $screen; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap end_window EXIT
trap 'exit 1' HUP INT TERM

# missing_tools: the tools that are not there, by name.
missing_tools() {
    for tool in Xvfb xdotool import compare convert identify; do
        command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
    done
}

# open_screen: an X server that nothing else uses; fails when it does not start.
open_screen() {
    : >"$scratch/display"
    Xvfb -displayfd 3 -screen 0 "${width}x${height}x24" +extension GLX -nolisten tcp \
        3>"$scratch/display" >"$scratch/xvfb" 2>&1 &
    screen=$!
    for _ in $(seq 100); do
        [ -s "$scratch/display" ] && break
        kill -0 "$screen" 2>/dev/null || return 1
        sleep 0.1
    done
    [ -s "$scratch/display" ] || return 1
    DISPLAY=:$(cat "$scratch/display")
    # Nothing of the user's: no other screen, no preferences, no bus.
    XDG_RUNTIME_DIR=$scratch/run
    mkdir -m 700 "$XDG_RUNTIME_DIR"
    SIPSCOPE_HOME=$scratch/home
    mkdir "$SIPSCOPE_HOME"
    HOME=$SIPSCOPE_HOME
    export DISPLAY XDG_RUNTIME_DIR SIPSCOPE_HOME HOME
    unset WAYLAND_DISPLAY WAYLAND_SOCKET DBUS_SESSION_BUS_ADDRESS XDG_CONFIG_HOME
}

# open_window PROGRAM FILE...: starts it; fails when it ends before there is a window.
open_window() {
    "$@" >"$scratch/said" 2>&1 &
    program=$!
    window=
    for _ in $(seq 200); do
        window=$(xdotool search --onlyvisible --pid "$program" 2>/dev/null | tail -n 1) || true
        [ -z "$window" ] || break
        kill -0 "$program" 2>/dev/null || return 1
        sleep 0.1
    done
    [ -n "$window" ] || return 1
    # There is no window manager that would do this.
    xdotool windowmove "$window" 0 0 windowsize "$window" "$width" "$height" windowfocus "$window"
    # The pointer where nothing answers to it.
    xdotool mousemove $((width - 1)) $((height - 1))
}

# alive: whether the program runs and has not panicked.
alive() {
    kill -0 "$program" 2>/dev/null && ! grep -q panicked "$scratch/said"
}

# shot FILE: the whole screen; FILE.ppm is written fastest.
shot() {
    import -silent -window root "$1"
}

# differ FILE FILE: how many points differ.
differ() {
    # `compare` answers 1 when they differ; large numbers come as 1.2e+06.
    { compare -metric AE "$1" "$2" null: 2>&1 || true; } | awk '{ printf "%d", $1 }'
}

# settle FILE: waits until the picture stays as it is, and keeps it.
settle() {
    shot "$scratch/settle.ppm"
    quiet=0
    for _ in $(seq 40); do
        sleep 0.15
        shot "$1"
        if [ "$(differ "$1" "$scratch/settle.ppm")" -gt "$noise" ]; then
            quiet=0
        else
            quiet=$((quiet + 1))
            # Once may be between two answers of workers, where the machine has much to do.
            [ "$quiet" -lt 2 ] || return 0
        fi
        cp "$1" "$scratch/settle.ppm"
    done
}

# keys KEY...: presses them one after the other, in the names of xdotool.
keys() {
    xdotool key --clearmodifiers --delay 40 "$@"
}

# write TEXT: types it.
write() {
    xdotool type --clearmodifiers --delay 15 -- "$1"
}
