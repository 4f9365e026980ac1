#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The manual pages know every option that --help does, every configuration variable and its
# default.  Run in the build tree.

set -u
failures=0

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# text PAGE: its words, without the marks of the formatter
text()
{
    sed -e 's/\\-/-/g' -e 's/\\f.//g' "$srcdir/doc/$1"
}

for tool in crmpi-run crmpi-checkpoint crmpi-restart crmpi-inspect; do
    options=$(./$tool --help | grep -Eo -e '--[a-z][a-z-]+' | sort -u)
    [ -n "$options" ] || fail "$tool --help names no options"
    for option in $options; do
        text $tool.1 | grep -Eq -e "(^|[^-a-z])$option([^-a-z]|\$)" ||
            fail "$tool.1 does not know $option"
    done
done

# every call of crmpi.h has its page, or one that points to that
for call in $(grep -Eo '^int CRMPI_[A-Za-z_]+' "$srcdir/include/crmpi.h" | cut -d ' ' -f 2); do
    page=$srcdir/doc/$call.3
    [ -f "$page" ] || page=$srcdir/doc/$(sed -n 's,^\.so man3/,,p' "doc/$call.3")
    sed -n '/^.SH NAME/{n;p}' "$page" | grep -Eq "(^|, )$call(,| )" || fail "$call has no page"
done

missing=$(./crmpi-run --help | grep -Eo -e 'CRMPI_[A-Z_]+[)]|Default: .*' |
    while read -r word value; do
        case $word in
        CRMPI_*) variable=${word%)} ;;
        Default:)
            text crmpi.7 | sed -n "/^.B $variable\$/,/^.TP/p" | grep -Fqe "$value" ||
                echo "$variable with its default $value"
            ;;
        esac
    done)
[ -z "$missing" ] || fail "crmpi.7 does not know: $missing"

[ $failures = 0 ]
