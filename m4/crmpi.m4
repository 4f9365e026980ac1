# SPDX-License-Identifier: BSD-3-Clause
#
# Checks for what crmpi is built from.  Each sets NAME_CPPFLAGS and NAME_LIBS, or ends
# configure with the name of the Debian package to install.

# CRMPI_MISSING(WHAT, PACKAGE)
AC_DEFUN([CRMPI_MISSING],
[AC_MSG_ERROR([$1 not found; on Debian: apt-get install $2
(or scripts/install-deps for all that crmpi needs)])])

# CRMPI_WARNINGS: the warnings the code is free of; --enable-werror makes them fatal.
AC_DEFUN([CRMPI_WARNINGS],
[AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])])
WARN_CFLAGS="-Wall -Wextra"
AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])])

# CRMPI_FLAGS: what the code depends on, behind the flags that are given: packagers turn on much
# for all programs.  Code of the lower half that runs on the upper half's TLS base has no stack
# protector's word there; crmpi-host defines functions of libc, which is at odds with fortified
# ones, and with optimisation over all files.
AC_DEFUN([CRMPI_FLAGS],
[CFLAGS="$CFLAGS -U_FORTIFY_SOURCE -Wp,-U_FORTIFY_SOURCE -fno-stack-protector -fno-lto"
AC_MSG_CHECKING([whether $CC leaves out stack protectors])
AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifdef _FORTIFY_SOURCE
#error fortified
#endif
int f(char *); int g(void) { char a[100]; return f(a) + a[1]; }]])],
    [AS_IF([grep __stack_chk_fail conftest.$OBJEXT >/dev/null],
           [AC_MSG_RESULT([no])
            AC_MSG_ERROR([$CC puts stack protectors into what it is to leave without])],
           [AC_MSG_RESULT([yes])])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$CC does not take CFLAGS=$CFLAGS])])])

# CRMPI_CHECK_PKG_CONFIG: asked where there is one; without it libraries are looked for by their names.
AC_DEFUN([CRMPI_CHECK_PKG_CONFIG],
[AC_PATH_TOOL([PKG_CONFIG], [pkg-config], [false])])

# CRMPI_CHECK_PYTHON: it generates the wrappers, unless they came with a release.
AC_DEFUN([CRMPI_CHECK_PYTHON],
[AC_PATH_PROG([PYTHON3], [python3])
AS_IF([test -z "$PYTHON3" && test ! -d "$srcdir/wrappers/made"],
      [CRMPI_MISSING([python3 (it generates the wrappers)], [python3])])])

# CRMPI_PKG_CONFIG_FILE: PC_REQUIRES, PC_RPATH for crmpi.pc.  Programs find libcrmpi.so.0 by their
# run path, unless it is where the dynamic linker looks anyhow.
AC_DEFUN([CRMPI_PKG_CONFIG_FILE],
[AS_IF([$PKG_CONFIG --exists ompi-c 2>/dev/null], [PC_REQUIRES=ompi-c])
crmpi_libdir=`test "x$exec_prefix" != xNONE || exec_prefix=$prefix
    test "x$exec_prefix" != xNONE || exec_prefix=$ac_default_prefix
    eval echo "$libdir"`
PC_RPATH='-Wl,-rpath,${libdir}'
AS_CASE([$crmpi_libdir], [/lib|/lib64|/lib/*|/usr/lib|/usr/lib64|/usr/lib/*-linux-gnu], [PC_RPATH=])
AC_SUBST([PC_REQUIRES])
AC_SUBST([PC_RPATH])])

# _CRMPI_TRY(NAME, HEADER, FUNCTION, IF-YES): try to link with NAME_CPPFLAGS, NAME_LIBS.
AC_DEFUN([_CRMPI_TRY],
[crmpi_cppflags=$CPPFLAGS crmpi_libs=$LIBS
CPPFLAGS="$CPPFLAGS $[]$1_CPPFLAGS" LIBS="$[]$1_LIBS $LIBS"
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <$2>]], [[return (long)$3 == 1;]])], [$4])
CPPFLAGS=$crmpi_cppflags LIBS=$crmpi_libs])

# _CRMPI_LOOK_FOR(NAME, MODULE, HEADER, FUNCTION): sets crmpi_found
AC_DEFUN([_CRMPI_LOOK_FOR],
[AC_ARG_VAR([$1_CPPFLAGS], [preprocessor flags for $2])
AC_ARG_VAR([$1_LIBS], [linker flags for $2])
AC_MSG_CHECKING([for $2])
AS_IF([test -z "$[]$1_LIBS"],
      [$1_CPPFLAGS=`$PKG_CONFIG --cflags $2 2>/dev/null`
       $1_LIBS=`$PKG_CONFIG --libs $2 2>/dev/null || echo -l[]m4_bpatsubst([$2], [^lib])`])
crmpi_found=no
_CRMPI_TRY([$1], [$3], [$4], [crmpi_found=yes])
AC_MSG_RESULT([$crmpi_found])])

# CRMPI_CHECK_LIBRARY(NAME, MODULE, HEADER, FUNCTION, PACKAGE)
AC_DEFUN([CRMPI_CHECK_LIBRARY],
[_CRMPI_LOOK_FOR([$1], [$2], [$3], [$4])
AS_IF([test $crmpi_found = no], [CRMPI_MISSING([$2 ($3)], [$5])])])

# CRMPI_OPTIONAL_LIBRARY(NAME, MODULE, HEADER, FUNCTION, PACKAGE, OPTION, WITHOUT): sets HAVE_NAME
# to 1 or 0; BUILT_WITH has OPTION, or the summary says what is missing WITHOUT it.
AC_DEFUN([CRMPI_OPTIONAL_LIBRARY],
[AC_ARG_WITH([$6],
    [AS_HELP_STRING([--without-$6], [$7 (default: with it if it is there)])])
AC_SUBST([BUILT_WITH])
AS_CASE([$with_$6], [''|yes|no], [],
    [AC_MSG_ERROR([--with-$6 takes no path: set $1_CPPFLAGS and $1_LIBS])])
HAVE_$1=0
AS_IF([test "x$with_$6" != xno],
      [_CRMPI_LOOK_FOR([$1], [$2], [$3], [$4])
       AS_IF([test $crmpi_found = yes], [HAVE_$1=1],
             [test "x$with_$6" = xyes], [CRMPI_MISSING([$2 ($3)], [$5])])])
AC_SUBST([HAVE_$1])
AM_CONDITIONAL([WITH_$1], [test $HAVE_$1 = 1])
AS_IF([test $HAVE_$1 = 1],
      [BUILT_WITH="$BUILT_WITH $6"],
      [$1_CPPFLAGS= $1_LIBS=
       crmpi_without="$crmpi_without
    $6: $7"])])

# CRMPI_CHECK_MPI: Open MPI by its compiler wrapper, or else by pkg-config.
AC_DEFUN([CRMPI_CHECK_MPI],
[AC_ARG_VAR([MPI_CPPFLAGS], [preprocessor flags for Open MPI])
AC_ARG_VAR([MPI_LIBS], [linker flags for Open MPI])
AC_ARG_VAR([MPICC], [Open MPI's compiler wrapper, for the test programs])
AC_ARG_VAR([MPICXX], [the same for C++; without it the C++ tests are left out])
AC_ARG_VAR([MPIFORT], [the same for Fortran; without it the Fortran tests are left out])
AC_ARG_VAR([MPIRUN], [Open MPI's launcher])
AC_PATH_PROGS([MPICC], [mpicc.openmpi mpicc])
AC_PATH_PROGS([MPICXX], [mpicxx.openmpi mpicxx])
AC_PATH_PROGS([MPIFORT], [mpifort.openmpi mpifort])
AC_PATH_PROGS([MPIRUN], [mpirun.openmpi mpirun])
AC_MSG_CHECKING([for Open MPI])
AS_IF([test -z "$MPI_LIBS" && test -n "$MPICC"],
      [MPI_CPPFLAGS=`$MPICC --showme:compile 2>/dev/null`
       MPI_LIBS=`$MPICC --showme:link 2>/dev/null`])
AS_IF([test -z "$MPI_LIBS"],
      [MPI_CPPFLAGS=`$PKG_CONFIG --cflags ompi-c 2>/dev/null`
       MPI_LIBS=`$PKG_CONFIG --libs ompi-c 2>/dev/null`])
crmpi_found=no
_CRMPI_TRY([MPI], [mpi.h], [PMPI_Init_thread], [crmpi_found=yes])
AC_MSG_RESULT([$crmpi_found])
AS_IF([test $crmpi_found = no], [CRMPI_MISSING([Open MPI (mpi.h)], [libopenmpi-dev])])
AS_IF([test -z "$MPIRUN"], [CRMPI_MISSING([mpirun], [openmpi-bin])])
CRMPI_MPI_HAS
AM_CONDITIONAL([HAVE_MPICXX], [test -n "$MPICXX" && $MPICXX --version >/dev/null 2>&1])
AC_MSG_CHECKING([for MPI's bindings for C++])
crmpi_found=no
echo '#include <mpi.h>
int main() { MPI::Init(); }' >conftest.cc
AS_IF([test -n "$MPICXX" && $MPICXX conftest.cc -o conftest$EXEEXT >&AS_MESSAGE_LOG_FD 2>&1],
      [crmpi_found=yes])
rm -f conftest*
AC_MSG_RESULT([$crmpi_found])
AM_CONDITIONAL([HAVE_MPI_CXX_BINDINGS], [test $crmpi_found = yes])
AM_CONDITIONAL([HAVE_MPIFORT], [test -n "$MPIFORT" && $MPIFORT --version >/dev/null 2>&1])
# what the Fortran compiler has for C lies in a folder of its own: other compilers do not look there
crmpi_binding=`test -n "$MPIFORT" && $MPIFORT -print-file-name=include/ISO_Fortran_binding.h 2>/dev/null`
AS_IF([test -f "$crmpi_binding"],
      [BINDING_CPPFLAGS="-idirafter `AS_DIRNAME(["$crmpi_binding"])`"])
AC_SUBST([BINDING_CPPFLAGS])])

# _CRMPI_MPI_EXPORTS(FUNCTION, WORD): add WORD to MPI_HAS if the library has the function.
AC_DEFUN([_CRMPI_MPI_EXPORTS],
[AC_LINK_IFELSE([AC_LANG_CALL([], [$1])], [MPI_HAS="$MPI_HAS $2"])])

# CRMPI_MPI_HAS: which Open MPI it is, in the words of wrappers/mpi-calls.txt.
AC_DEFUN([CRMPI_MPI_HAS],
[AC_MSG_CHECKING([which Open MPI it is])
crmpi_cppflags=$CPPFLAGS crmpi_libs=$LIBS MPI_HAS=
CPPFLAGS="$CPPFLAGS $MPI_CPPFLAGS" LIBS="$MPI_LIBS $LIBS"
for crmpi_try in 4.1 5.0; do
    crmpi_major=${crmpi_try%.*} crmpi_minor=${crmpi_try#*.}
    AC_PREPROC_IFELSE([AC_LANG_SOURCE([[#include <mpi.h>
#if !defined OMPI_MAJOR_VERSION || OMPI_MAJOR_VERSION != $crmpi_major || \
    OMPI_MINOR_VERSION != $crmpi_minor
#error another MPI
#endif]])], [MPI_HAS=$crmpi_try])
done
AS_IF([test -z "$MPI_HAS"],
    [AC_MSG_RESULT([another])
     AC_MSG_ERROR([crmpi needs Open MPI 4.1 or 5.0; set MPICC, or MPI_CPPFLAGS and MPI_LIBS, to one])])
crmpi_has=$MPI_HAS
_CRMPI_MPI_EXPORTS([PMPI_Type_extent], [mpi1])
_CRMPI_MPI_EXPORTS([PMPIX_Comm_revoke], [ft])
CPPFLAGS=$crmpi_cppflags LIBS=$crmpi_libs
AC_MSG_RESULT([$MPI_HAS])
AC_SUBST([MPI_HAS])
AC_SUBST([MPI_MAJOR], [${crmpi_has%%.*}])
AM_CONDITIONAL([HAVE_MPI_4], [test $MPI_MAJOR -ge 5])])

# CRMPI_CHECK_HDF5: the serial library, which Debian has beside the parallel ones.
AC_DEFUN([CRMPI_CHECK_HDF5],
[AC_ARG_VAR([HDF5_CPPFLAGS], [preprocessor flags for serial HDF5])
AC_ARG_VAR([HDF5_LIBS], [linker flags for serial HDF5])
AC_MSG_CHECKING([for serial HDF5])
crmpi_found=no crmpi_cppflags=$CPPFLAGS
for crmpi_try in given hdf5-serial hdf5 plain; do
    AS_IF([test $crmpi_found = yes], [continue])
    AS_CASE([$crmpi_try],
        [given], [AS_IF([test -z "$HDF5_LIBS"], [continue])],
        [plain], [HDF5_CPPFLAGS= HDF5_LIBS=-lhdf5],
        [HDF5_CPPFLAGS=`$PKG_CONFIG --cflags $crmpi_try 2>/dev/null`
         HDF5_LIBS=`$PKG_CONFIG --libs $crmpi_try 2>/dev/null`])
    CPPFLAGS="$crmpi_cppflags $HDF5_CPPFLAGS"
    AC_PREPROC_IFELSE([AC_LANG_SOURCE([[#include <hdf5.h>
#ifdef H5_HAVE_PARALLEL
#error not the serial library
#endif]])], [_CRMPI_TRY([HDF5], [hdf5.h], [H5open], [crmpi_found=yes])])
    CPPFLAGS=$crmpi_cppflags
done
AC_MSG_RESULT([$crmpi_found])
AS_IF([test $crmpi_found = no], [CRMPI_MISSING([serial HDF5 (hdf5.h)], [libhdf5-dev])])])

# CRMPI_CHECK_UNIT: Check, for the unit tests; --without-check leaves them out.
AC_DEFUN([CRMPI_CHECK_UNIT],
[AC_ARG_WITH([check],
    [AS_HELP_STRING([--without-check], [leave out the unit tests (default: with them if Check is there)])])
crmpi_unit=no
AS_IF([test "x$with_check" != xno],
    [_CRMPI_LOOK_FOR([CHECK], [check], [check.h], [srunner_create])
     AS_IF([test $crmpi_found = yes], [crmpi_unit=yes],
           [test "x$with_check" = xyes], [CRMPI_MISSING([check (check.h)], [check])])])
AM_CONDITIONAL([HAVE_CHECK], [test $crmpi_unit = yes])])

# CRMPI_CHECK_LAYERS: libraries made of MPI windows, for examples that the tests run, too:
# OpenCoarrays, and ARMCI.  Without them those are left out.
AC_DEFUN([CRMPI_CHECK_LAYERS],
[AC_MSG_CHECKING([for OpenCoarrays])
crmpi_found=no
cat >conftest.f90 <<'EOF'
integer, save :: i[*]
i[1] = this_image()
end
EOF
AS_IF([test -n "$MPIFORT" && $MPIFORT -fcoarray=lib conftest.f90 -o conftest$EXEEXT \
       -lcaf_openmpi >&AS_MESSAGE_LOG_FD 2>&1], [crmpi_found=yes])
rm -f conftest*
AC_MSG_RESULT([$crmpi_found])
AM_CONDITIONAL([HAVE_COARRAYS], [test $crmpi_found = yes])
AC_MSG_CHECKING([for ARMCI])
crmpi_found=no
cat >conftest.c <<'EOF'
#include <armci.h>
int main(void) { return ARMCI_Init(); }
EOF
AS_IF([test -n "$MPICC" && $MPICC conftest.c -o conftest$EXEEXT -larmci -lm \
       >&AS_MESSAGE_LOG_FD 2>&1], [crmpi_found=yes])
rm -f conftest*
AC_MSG_RESULT([$crmpi_found])
AM_CONDITIONAL([HAVE_ARMCI], [test $crmpi_found = yes])])

# CRMPI_SUMMARY: what has come of it.
AC_DEFUN([CRMPI_SUMMARY],
[AS_ECHO(["
$PACKAGE_STRING
    Open MPI ${MPI_HAS%% *}, $MPIRUN
    built with:$BUILT_WITH
    unit tests: $crmpi_unit
    to be installed into $prefix"])
AS_IF([test -n "$crmpi_without"], [AS_ECHO(["
Built without what is optional:$crmpi_without"])])
AS_ECHO([""])])
