! SPDX-License-Identifier: BSD-3-Clause
!
! The public interface for Fortran, see crmpi.h: "use crmpi".  All are functions that
! return what those of C do.  Memory is given as a variable or a contiguous array; its
! type and shape are taken from it.  Upper half.
module crmpi
  use iso_c_binding
  implicit none
  private :: c_char, c_double, c_funptr, c_int, c_long_long, c_ptr

  integer(c_int), parameter :: CRMPI_BEFORE = 1, CRMPI_COMMITTED = 2
  integer(c_int), parameter :: CRMPI_GIVEN_UP = 4, CRMPI_RESTART = 8

  type, bind(C) :: CRMPI_statistics
    integer(c_long_long) :: checkpoints, failures, restarts, line, bytes, last_bytes
    real(c_double) :: blocked, last_blocked, last_time
  end type CRMPI_statistics

  interface
    integer(c_int) function CRMPI_Checkpoint() bind(C, name='CRMPI_Checkpoint')
      import :: c_int
    end function CRMPI_Checkpoint

    integer(c_int) function CRMPI_Checkpoint_due(due) bind(C, name='crmpi_fortran_due')
      import :: c_int
      logical, intent(out) :: due
    end function CRMPI_Checkpoint_due

    integer(c_int) function CRMPI_Should_stop(stop) bind(C, name='crmpi_fortran_stop')
      import :: c_int
      logical, intent(out) :: stop
    end function CRMPI_Should_stop

    integer(c_int) function CRMPI_Get_statistics(statistics) &
        bind(C, name='CRMPI_Get_statistics')
      import :: c_int, CRMPI_statistics
      type(CRMPI_statistics), intent(out) :: statistics
    end function CRMPI_Get_statistics

    integer(c_int) function CRMPI_Critical_begin() bind(C, name='CRMPI_Critical_begin')
      import :: c_int
    end function CRMPI_Critical_begin

    integer(c_int) function CRMPI_Critical_end() bind(C, name='CRMPI_Critical_end')
      import :: c_int
    end function CRMPI_Critical_end

    integer(c_int) function CRMPI_Exclude(array) bind(C, name='crmpi_fortran_exclude')
      import :: c_int
      type(*), dimension(..), target, asynchronous, intent(in) :: array
    end function CRMPI_Exclude

    integer(c_int) function CRMPI_Include(array) bind(C, name='crmpi_fortran_include')
      import :: c_int
      type(*), dimension(..), target, asynchronous, intent(in) :: array
    end function CRMPI_Include

    ! refill: c_funloc() of
    !   integer(c_int) function refill(start, bytes, extra_state) bind(C)
    !     type(c_ptr), value :: start, extra_state
    !     integer(c_size_t), value :: bytes
    ! or c_null_funptr
    integer(c_int) function CRMPI_Refill(array, refill, extra_state) &
        bind(C, name='crmpi_fortran_refill')
      import :: c_int, c_funptr, c_ptr
      type(*), dimension(..), target, asynchronous, intent(in) :: array
      type(c_funptr), value :: refill
      type(c_ptr), value :: extra_state
    end function CRMPI_Refill

    ! hook: c_funloc() of
    !   integer(c_int) function hook(event, extra_state) bind(C)
    !     integer(c_int), value :: event
    !     type(c_ptr), value :: extra_state
    integer(c_int) function CRMPI_Hook_add(events, hook, extra_state) &
        bind(C, name='CRMPI_Hook_add')
      import :: c_int, c_funptr, c_ptr
      integer(c_int), value :: events
      type(c_funptr), value :: hook
      type(c_ptr), value :: extra_state
    end function CRMPI_Hook_add

    integer(c_int) function CRMPI_Hook_remove(hook, extra_state) &
        bind(C, name='CRMPI_Hook_remove')
      import :: c_int, c_funptr, c_ptr
      type(c_funptr), value :: hook
      type(c_ptr), value :: extra_state
    end function CRMPI_Hook_remove

    ! The dataset has the array's dimensions in the order of C: the last one first.
    integer(c_int) function CRMPI_Name(name, array) bind(C, name='crmpi_fortran_name')
      import :: c_char, c_int
      character(kind=c_char, len=*), intent(in) :: name
      type(*), dimension(..), target, asynchronous, intent(in) :: array
    end function CRMPI_Name

    integer(c_int) function CRMPI_Unname(name) bind(C, name='crmpi_fortran_unname')
      import :: c_char, c_int
      character(kind=c_char, len=*), intent(in) :: name
    end function CRMPI_Unname

    integer(c_int) function CRMPI_Restarted(restarted) &
        bind(C, name='crmpi_fortran_restarted')
      import :: c_int
      logical, intent(out) :: restarted
    end function CRMPI_Restarted

    integer(c_int) function CRMPI_Restore() bind(C, name='CRMPI_Restore')
      import :: c_int
    end function CRMPI_Restore
  end interface
end module crmpi
