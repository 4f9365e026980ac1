#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What `make install` installs works, also in a tree that has been moved: the tools find their parts,
# README's command links a program that runs, the shells' completions offer what there is.
# Run in the build tree.

set -u
test=install
. "${srcdir:-.}/tests/checks.sh"
. "${srcdir:-.}/tests/launcher.sh"

unset MAKEFLAGS MFLAGS MAKELEVEL
make -s install DESTDIR="$temporary/tree" >"$out" 2>&1 || {
    fail "make install"
    exit 1
}
for name in $(env | sed -n 's/^\(CRMPI_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done
found=$(find "$temporary/tree" -name crmpi-run -path '*/bin/*')
bin=${found%/*}
cd "$temporary" || exit 1
export CRMPI_DIR="$temporary/ckpt"

# the tools, and the rank that they start
timeout 60 "$bin/crmpi-run" "$MPIRUN" -np 1 grep -E 'crmpi-host|libcrmpi' /proc/self/maps \
    >"$out" 2>&1 || fail "crmpi-run of a moved tree"
for part in crmpi-host libcrmpi.so.0; do
    grep -q "$temporary/tree/.*/$part\$" "$out" || fail "another $part is used"
done

# a path that cannot be preloaded is refused, not left out in silence
mkdir "a b" && ln -s "$(find "$temporary/tree" -name libcrmpi.so.0)" "a b/libcrmpi.so.0"
for library in "$PWD/a b/libcrmpi.so.0" "$PWD"; do
    CRMPI_LIB=$library timeout 60 "$bin/crmpi-run" "$MPIRUN" -np 1 true >"$out" 2>&1 &&
        fail "the job runs without crmpi"
    grep -q "^crmpi: $library" "$out" || fail "$library is not named"
done

# UCX keeps no registrations below of memory that is given back above, whatever is said
for how in "$bin/crmpi-run" env; do
    timeout 60 $how "$MPIRUN" -np 1 -x UCX_MEM_EVENTS=y \
        -x LD_PRELOAD="$(find "$temporary/tree" -name libcrmpi.so.0)" env >"$out" 2>&1
    grep -qx UCX_MEM_EVENTS=n "$out" || fail "the environment by $how"
done

# README's command
pc=$(find "$temporary/tree" -name crmpi.pc)
mkdir pkgconfig
sed "s|^\([a-z_]*=\)/|\1$temporary/tree/|" "$pc" >pkgconfig/crmpi.pc
export PKG_CONFIG_PATH="$temporary/pkgconfig"
if pkg-config --exists crmpi 2>/dev/null; then
    cat >program.c <<'EOF'
#include <crmpi.h>
#include <mpi.h>
int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    int status = CRMPI_Checkpoint();
    MPI_Finalize();
    return status;
}
EOF
    # a folder where the dynamic linker looks has no run path, and this tree is elsewhere
    [ -n "$(sed -n 's/.*\(-rpath\).*/\1/p' "$pc")" ] ||
        export LD_LIBRARY_PATH="$(dirname "$(dirname "$pc")")"
    # shellcheck disable=SC2046
    "${MPICC:-mpicc}" program.c $(pkg-config --cflags --libs crmpi) >"$out" 2>&1 ||
        fail "README's command to link"
    timeout 60 "$MPIRUN" -np 2 ./a.out >"$out" 2>&1 || fail "the linked program: status $?"
    [ -f ckpt/lines/000001.h5 ] || fail "the linked program was not checkpointed"
    unset LD_LIBRARY_PATH
fi

# completion: what is offered behind WORDS... is, among others, EXPECTED
offered()
{
    expected=$1
    shift
    PATH="$bin:$PATH" bash -c '
        . "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _crmpi "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' "$completion" "$@" >"$out" 2>&1
    grep -qxe "$expected" "$out" || fail "'$expected' is not offered for: $*"
}
for tool in crmpi-run crmpi-checkpoint crmpi-restart crmpi-inspect; do
    completion=$(find "$temporary/tree" -path "*/bash-completion/completions/$tool")
    offered --help $tool --
done
offered --policy crmpi-run --po
offered a.out crmpi-run --keep 3 mpirun -np 2 a.o
offered 1 crmpi-restart --at ''
offered 1 crmpi-inspect ckpt show ''
offered stats crmpi-inspect s
# and every value that is offered is one
for option in policy changes compress log affinity sync save interval time-limit stop-signal \
    async truncate file-journal; do
    variable=CRMPI_$(echo $option | tr a-z- A-Z_)
    offered '..*' crmpi-run --$option ''
    for value in $(cat "$out"); do
        case $value:${BUILT_WITH-lz4 zstd} in
        lz4:*lz4* | zstd:*zstd*) ;;
        lz4:* | zstd:*) continue ;;
        esac
        env SLURM_JOB_ID=1 "$variable=$value" "$bin/crmpi-inspect" ckpt list >"$out.1" 2>&1 ||
            fail "$variable=$value, which is offered: $(cat "$out.1")"
    done
done

# for module, and man
module=$(find "$temporary/tree" -path '*/modulefiles/crmpi/*')
grep -q "^prepend-path PATH .*${bin#"$temporary/tree"}\$" "$module" || fail "the module file"
cd "$(dirname "$(dirname "$(find "$temporary/tree" -name CRMPI_Refill.3)")")" || exit 1
grep -q '^\.so man3/CRMPI_Exclude.3' man3/CRMPI_Refill.3 && [ -f man3/CRMPI_Exclude.3 ] ||
    fail "the manual's page of CRMPI_Refill"
[ "$failures" = 0 ]
