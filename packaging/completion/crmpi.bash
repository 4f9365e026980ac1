# SPDX-License-Identifier: BSD-3-Clause
#
# Completion for bash.  Options are those that --help tells; here is what their values may be.

# _crmpi_lines DIR: numbers of recovery lines
_crmpi_lines()
{
    crmpi-inspect "$1" list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
}

_crmpi()
{
    local tool=${1##*/} word=$2 before=$3 dir=${CRMPI_DIR:-crmpi.ckpt} i values=
    [ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]}
    word=${word#=}
    local commands='list show verify graph explain stats'
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --) return ;;
        -* | =) ;;
        *)
            # the launcher and what belongs to it
            if [ "$tool" = crmpi-run ] && [[ ${COMP_WORDS[i - 1]} != @(--*|=) ||
                ${COMP_WORDS[i - 1]} =~ ^--(new|discard|progress)$ ]]; then
                if declare -F _comp_command_offset >/dev/null; then
                    _comp_command_offset "$i"
                elif declare -F _command_offset >/dev/null; then
                    _command_offset "$i"
                else
                    mapfile -t COMPREPLY < <(compgen -f -- "$word")
                fi
                return
            fi
            [ ! -d "${COMP_WORDS[i]}/lines" ] || dir=${COMP_WORDS[i]}
            ;;
        esac
    done
    case $before in
    --dir | --local) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    --config | --svg | -o) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --policy) values='coordinated partial uncoordinated none' ;;
    --changes) values='auto pagemap hash' ;;
    --compress) values='none lz4 zstd auto' ;;
    --log) values='error warn info debug' ;;
    --affinity) values='keep drop' ;;
    --sync) values='none fsync' ;;
    --save) values='image named' ;;
    --levels) values='local partner erasure= global global:auto' ;;
    --interval) values='auto' ;;
    --time-limit) values='slurm' ;;
    --stop-signal) values='none TERM USR1 USR2' ;;
    --async | --truncate | --file-journal) values='0 1' ;;
    --at | show) mapfile -t COMPREPLY < <(compgen -W "$(_crmpi_lines "$dir")" -- "$word") && return ;;
    verify) values=$(_crmpi_lines "$dir") ;;
    --*)
        # an option that has a value of its own kind: nothing to offer
        ! "$1" --help 2>/dev/null | grep -Eq -e "^ +$before [A-Z]" || return
        ;;
    esac
    if [ -n "$values" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    elif [[ $word = -* ]]; then
        values=$("$1" --help 2>/dev/null | grep -Eo -e '--[a-z][a-z-]+' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    elif [ "$tool" = crmpi-run ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$word")
    else
        [ "$tool" = crmpi-inspect ] || commands=
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word"; compgen -d -- "$word")
    fi
}

complete -o filenames -F _crmpi crmpi-run crmpi-restart crmpi-checkpoint crmpi-inspect
