! SPDX-License-Identifier: BSD-3-Clause
!
! A Fortran library that a program in C ("later") loads when MPI runs already: requests of
! all kinds, groups, attributes.  Generalized requests are given a variable of the program's
! as extra_state, which their procedures change; a keyval keeps what its procedures make of
! its own.
module later_procedures
  use mpi
  implicit none
contains
  subroutine query(state, status, ierr)
    integer(MPI_ADDRESS_KIND) :: state
    integer :: status(MPI_STATUS_SIZE), ierr
    state = state + 10
    call MPI_Status_set_elements(status, MPI_BYTE, 0, ierr)
    call MPI_Status_set_cancelled(status, .false., ierr)
  end subroutine
  subroutine gone(state, ierr)
    integer(MPI_ADDRESS_KIND) :: state
    integer :: ierr
    state = state + 100
    ierr = MPI_SUCCESS
  end subroutine
  subroutine cancelled(state, complete, ierr)
    integer(MPI_ADDRESS_KIND) :: state
    logical :: complete
    integer :: ierr
    state = state + 1000
    ierr = MPI_SUCCESS
  end subroutine
  ! The copy is how often the keyval's procedures have been called.
  subroutine copied(comm, keyval, state, in, out, flag, ierr)
    integer :: comm, keyval, ierr
    integer(MPI_ADDRESS_KIND) :: state, in, out
    logical :: flag
    state = state + 1
    out = state
    flag = .true.
    ierr = MPI_SUCCESS
  end subroutine
  subroutine deleted(comm, keyval, value, state, ierr)
    integer :: comm, keyval, ierr
    integer(MPI_ADDRESS_KIND) :: value, state
    state = state + 1
    ierr = MPI_SUCCESS
  end subroutine
end module

! The ring of all ranks once around, by several calls; what the library sees in result(1:4).
subroutine later_work(fcomm, step, results) bind(C, name='later_work')
  use mpi
  use iso_c_binding
  use later_procedures
  implicit none
  integer(c_int), value :: fcomm, step
  integer(c_int) :: results(6)
  integer :: rank, n, left, right, ierr, requests(2), in(2), out(2), world, small, keyval, copy, &
    pending, status(MPI_STATUS_SIZE), statuses(MPI_STATUS_SIZE, 2)
  integer(MPI_ADDRESS_KIND) :: value, zero
  integer(MPI_ADDRESS_KIND), volatile :: state
  logical :: flag

  call MPI_Comm_rank(fcomm, rank, ierr)
  call MPI_Comm_size(fcomm, n, ierr)
  right = mod(rank + 1, n)
  left = mod(rank + n - 1, n)
  out = [rank + step, 2 * rank]
  call MPI_Irecv(in(1), 1, MPI_INTEGER, left, 1, fcomm, requests(1), ierr)
  call MPI_Isend(out(1), 1, MPI_INTEGER, right, 1, fcomm, requests(2), ierr)
  call MPI_Wait(requests(1), status, ierr)
  call MPI_Wait(requests(2), MPI_STATUS_IGNORE, ierr)
  results(1) = in(1) - step - status(MPI_SOURCE)
  call MPI_Irecv(in(2), 1, MPI_INTEGER, left, 2, fcomm, requests(1), ierr)
  call MPI_Isend(out(2), 1, MPI_INTEGER, right, 2, fcomm, requests(2), ierr)
  call MPI_Waitall(2, requests, statuses, ierr)
  results(2) = in(2) - 2 * statuses(MPI_SOURCE, 1)
  if (any(requests /= MPI_REQUEST_NULL)) results(2) = -1

  call MPI_Comm_group(fcomm, world, ierr)
  call MPI_Group_incl(world, 1, [rank], small, ierr)
  call MPI_Group_size(small, results(3), ierr)
  call MPI_Group_free(small, ierr)
  call MPI_Group_free(world, ierr)

  state = 1
  call MPI_Grequest_start(query, gone, cancelled, state, pending, ierr)
  if (mod(step, 2) == 1) call MPI_Cancel(pending, ierr)
  call MPI_Test(pending, flag, status, ierr)
  call MPI_Grequest_complete(pending, ierr)
  call MPI_Wait(pending, status, ierr)
  results(4) = int(state)

  zero = 40
  call MPI_Comm_create_keyval(copied, deleted, keyval, zero, ierr)
  call MPI_Comm_set_attr(MPI_COMM_SELF, keyval, zero, ierr)
  call MPI_Comm_dup(MPI_COMM_SELF, copy, ierr)
  call MPI_Comm_get_attr(copy, keyval, value, flag, ierr)
  results(5) = int(value)
  call MPI_Comm_free(copy, ierr)
  call MPI_Comm_dup(MPI_COMM_SELF, copy, ierr)
  call MPI_Comm_get_attr(copy, keyval, value, flag, ierr)
  results(6) = int(value)
  call MPI_Comm_free(copy, ierr)
  call MPI_Comm_delete_attr(MPI_COMM_SELF, keyval, ierr)
  call MPI_Comm_free_keyval(keyval, ierr)
end subroutine
