! SPDX-License-Identifier: BSD-3-Clause
!
! What the self-checking Fortran programs share, as check.h is for C: checks that say what
! was found, the number of steps, and the digest line at the end.  Used by the application,
! so upper half, and unaware of crmpi.
module check
  use iso_fortran_env, only: error_unit, int64
  implicit none
  private
  include 'mpif.h'
  public :: check_begin, check_end, check_true, check_int, check_ok, check_note, int64

  character(len=32) :: program_name = '?'
  integer :: rank = -1, n_ranks = 0
  integer(int64) :: digest = 0
  integer(int64), parameter :: prime = 2147483647_int64

  interface check_int
    module procedure check_int4, check_int8
  end interface
  interface check_note
    module procedure check_note4, check_note8
  end interface
contains

  ! MPI is initialised; the number of steps is the first argument: a number, or "50%".
  integer function check_begin(name, steps_default) result(steps)
    character(len=*), intent(in) :: name
    integer, intent(in) :: steps_default
    character(len=32) :: argument
    integer :: length, ierr, percent

    program_name = name
    call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
    call mpi_comm_size(MPI_COMM_WORLD, n_ranks, ierr)
    digest = rank + 1
    steps = steps_default
    call get_command_argument(1, argument, length)
    if (length == 0) return
    percent = index(argument, '%')
    if (percent > 0) then
      read (argument(:percent - 1), *) steps
      steps = int(int(steps, int64) * steps_default / 100)
    else
      read (argument, *) steps
    end if
    steps = max(steps, 1)
  end function

  subroutine check_true(condition, what)
    logical, intent(in) :: condition
    character(len=*), intent(in) :: what
    integer :: ierr

    if (condition) return
    write (error_unit, '(3a,i0,3a)') trim(program_name), ': ', 'rank ', rank, ': ', what, &
      ': wrong'
    flush (error_unit)
    call mpi_abort(MPI_COMM_WORLD, 1, ierr)
    stop 1
  end subroutine

  subroutine check_int8(found, expected, what)
    integer(int64), intent(in) :: found, expected
    character(len=*), intent(in) :: what
    character(len=80) :: values

    if (found == expected) return
    write (values, '(a,i0,a,i0)') ': found ', found, ', expected ', expected
    call check_true(.false., what // trim(values))
  end subroutine

  subroutine check_int4(found, expected, what)
    integer, intent(in) :: found, expected
    character(len=*), intent(in) :: what

    call check_int8(int(found, int64), int(expected, int64), what)
  end subroutine

  ! An MPI call succeeded.
  subroutine check_ok(ierr, what)
    integer, intent(in) :: ierr
    character(len=*), intent(in) :: what

    call check_int4(ierr, MPI_SUCCESS, what)
  end subroutine

  subroutine check_note8(value)
    integer(int64), intent(in) :: value

    digest = mod(digest * 48271_int64 + modulo(value, prime) + 1_int64, prime)
  end subroutine

  subroutine check_note4(value)
    integer, intent(in) :: value

    call check_note8(int(value, int64))
  end subroutine

  subroutine check_end(steps)
    integer, intent(in) :: steps
    integer(int64) :: all(n_ranks)
    integer :: i, ierr

    call mpi_gather(digest, 1, MPI_INTEGER8, all, 1, MPI_INTEGER8, 0, MPI_COMM_WORLD, ierr)
    if (rank /= 0) return
    do i = 1, n_ranks
      call check_note8(all(i))
    end do
    write (*, '(3a,i0,a,i0,1x,z16.16)') 'digest ', trim(program_name), ' np=', n_ranks, &
      ' steps=', steps, digest
    flush (6)
  end subroutine
end module
