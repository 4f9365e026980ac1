# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of pictures share; they read it, with the directory of the tests in "here".
# Samples lie in "temporary", each as NAME.KIND; "failures" counts what was wrong.

temporary=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-pictures-XXXXXX") || exit 1
trap 'rm -rf "$temporary"' EXIT
failures=0
TZ=UTC
export TZ

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# written NAME KIND PROGRAM: have the program write a sample of this kind
written()
{
    "$3" "$1" "$2" >"$temporary/$1.$2" || fail "$1 as $2"
}

# picture NAME BYTES: it is XML, and smaller than that
picture()
{
    command -v xmllint >/dev/null && { xmllint --noout "$temporary/$1.svg" ||
        fail "$1.svg is no XML"; }
    [ "$(wc -c <"$temporary/$1.svg")" -lt "$2" ] || fail "$1.svg is too large"
}

# looked_at: what can be seen in the pictures is legible
looked_at()
{
    python=
    for try in "${PYTHON3:-python3}" /usr/bin/python3; do
        [ -z "$python" ] && "$try" -c 'import xml.etree' 2>/dev/null && python=$try
    done
    if [ -n "$python" ]; then
        "$python" "$here/look-at-svg.py" "$temporary"/*.svg || fail "look-at-svg.py"
    else
        echo "no python3: the pictures were not looked at"
    fi
}

# has NAME KIND PATTERN...: what a sample of this kind holds
has()
{
    file=$temporary/$1.$2
    name=$1.$2
    shift 2
    for pattern; do
        grep -Eq -e "$pattern" "$file" || fail "$name has no '$pattern'"
    done
}

# count NAME KIND PATTERN NUMBER: how often it does so
count()
{
    found=$(grep -Eo -e "$3" "$temporary/$1.$2" | wc -l)
    [ "$found" -eq "$4" ] || fail "$1.$2 has $found times '$3', not $4"
}
