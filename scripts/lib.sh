# SPDX-License-Identifier: BSD-3-Clause
#
# What the scripts here share; sourced with $top set to the source tree.
# shellcheck shell=bash disable=SC2034,SC2154

jobs=${JOBS:-$(nproc)}

. "$top/tests/launcher.sh"

say() {
    printf '\n==> %s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# quietly LOG COMMAND...: keep the output in LOG; show its end only if the command fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 40 "$log" >&2
    printf '%s: failed: %s (all of it: %s)\n' "${0##*/}" "$*" "$log" >&2
    return 1
}

# configure_in BUILD-DIR OPTIONS...: unless that was done with the same options before.
configure_in() {
    local dir=$1
    shift
    [ -x "$top/configure" ] || quietly "$dir.autogen.log" "$top/autogen.sh" || return
    if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "$*" ]; then
        mkdir -p "$dir"
        (cd "$dir" && quietly "$dir.configure.log" "$top/configure" "$@") || return
        echo "$*" >"$dir/options"
    fi
}

# session_pids SID: the processes of a session, which outlive a change of process group.
session_pids() {
    cat /proc/[0-9]*/stat 2>/dev/null |
        sed -n "s/^\([0-9]*\) (.*) [A-Y] [0-9-]* [0-9-]* $1 .*/\1/p"
}
