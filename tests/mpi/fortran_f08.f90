! SPDX-License-Identifier: BSD-3-Clause
!
! "use mpi_f08": handles are derived types, ierror may be left out, callbacks have other
! interfaces.  What is made before the loop is used in every step, so it has to come back at
! a restart.
module fortran_f08_callbacks
  use mpi_f08
  use check
  use iso_c_binding, only: c_ptr, c_f_pointer
  implicit none
  integer, parameter :: aint = MPI_ADDRESS_KIND
  integer :: copies = 0, deletes = 0, errors = 0, frees = 0
contains

  subroutine longest(in, inout, len, datatype)
    type(c_ptr), value :: in, inout
    integer :: len, i, bytes
    type(MPI_Datatype) :: datatype
    integer, pointer :: a(:), b(:)

    call MPI_Type_size(datatype, bytes)
    call check_int(bytes, 4, 'type seen by a user operation')
    call c_f_pointer(in, a, [len])
    call c_f_pointer(inout, b, [len])
    do i = 1, len
      if (abs(a(i)) > abs(b(i))) b(i) = a(i)
    end do
  end subroutine

  subroutine comm_copy(comm, keyval, extra, in, out, flag, ierr)
    type(MPI_Comm) :: comm
    integer :: keyval, ierr
    integer(aint) :: extra, in, out
    logical :: flag

    out = in + extra
    flag = .true.
    copies = copies + 1
    ierr = MPI_SUCCESS
    if (.false.) comm%mpi_val = keyval
  end subroutine

  subroutine comm_delete(comm, keyval, value, extra, ierr)
    type(MPI_Comm) :: comm
    integer :: keyval, ierr
    integer(aint) :: value, extra

    deletes = deletes + 1
    ierr = MPI_SUCCESS
    if (.false.) comm%mpi_val = keyval + int(value + extra)
  end subroutine

  subroutine on_error(comm, error)
    type(MPI_Comm) :: comm
    integer :: error, n

    call MPI_Comm_size(comm, n)
    call check_true(n > 0 .and. error /= MPI_SUCCESS, 'error handler')
    errors = errors + 1
  end subroutine

  subroutine query(extra, status, ierr)
    integer(aint) :: extra
    type(MPI_Status) :: status
    integer :: ierr

    call MPI_Status_set_elements(status, MPI_INTEGER, int(extra))
    call MPI_Status_set_cancelled(status, .false.)
    ierr = MPI_SUCCESS
  end subroutine

  subroutine free_state(extra, ierr)
    integer(aint) :: extra
    integer :: ierr

    frees = frees + 1
    extra = 0
    ierr = MPI_SUCCESS
  end subroutine

  subroutine cancel(extra, complete, ierr)
    integer(aint) :: extra
    logical :: complete
    integer :: ierr

    extra = extra + 0
    ierr = merge(MPI_SUCCESS, MPI_ERR_OTHER, .not. complete)
  end subroutine
end module

program fortran_f08
  use mpi_f08
  use check
  use fortran_f08_callbacks
  implicit none
  integer :: rank, size, ierr, step, steps, keyval, left, right, before(2)
  type(MPI_Comm) :: dup, pairwise
  type(MPI_Datatype) :: record
  type(MPI_Op) :: op
  type(MPI_Errhandler) :: handler
  type(MPI_Request) :: kept(2)
  integer, asynchronous :: out, in

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, size)
  steps = check_begin('fortran_f08', 4000)
  left = mod(rank + size - 1, size)
  right = mod(rank + 1, size)
  call MPI_Op_create(longest, .true., op)
  call MPI_Type_create_struct(2, [1, 1], [0_aint, 8_aint], [MPI_INTEGER, MPI_REAL8], record)
  call MPI_Type_commit(record)
  call MPI_Comm_dup(MPI_COMM_WORLD, dup)
  call MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, pairwise)
  call MPI_Comm_create_keyval(comm_copy, comm_delete, keyval, 2_aint**33)
  call MPI_Comm_create_errhandler(on_error, handler)
  call MPI_Comm_set_errhandler(dup, handler)
  call MPI_Send_init(out, 1, MPI_INTEGER, right, 21, dup, kept(1))
  call MPI_Recv_init(in, 1, MPI_INTEGER, left, 21, dup, kept(2))
  before = kept%mpi_val

  do step = 1, steps
    call records(step)
    call reductions(step)
    call persistent(step)
    call attributes(step)
    call handlers(step)
    call completions(step)
  end do

  call check_int(copies, steps, 'copies')
  call check_int(deletes, 2 * steps, 'deletions')
  call MPI_Request_free(kept(1))
  call MPI_Request_free(kept(2))
  call check_true(kept(2) == MPI_REQUEST_NULL, 'freed request')
  call MPI_Comm_free_keyval(keyval)
  call MPI_Errhandler_free(handler)
  call MPI_Op_free(op)
  call MPI_Type_free(record)
  call MPI_Comm_free(pairwise)
  call MPI_Comm_free(dup)
  call check_true(dup == MPI_COMM_NULL, 'freed communicator')
  call check_end(steps)
  call MPI_Finalize(ierr)
contains

  subroutine records(step)
    integer, intent(in) :: step
    type :: pair
      sequence
      integer :: key, filler
      real(8) :: value
    end type
    type(pair) :: mine, theirs
    type(MPI_Request) :: request
    type(MPI_Status) :: status
    type(MPI_Message) :: message
    integer :: n

    mine = pair(step + rank, 0, 0.125d0 * step)
    theirs = pair(0, 0, 0d0)
    call MPI_Isend(mine, 1, record, right, 5, MPI_COMM_WORLD, request)
    if (mod(step, 2) == 0) then
      call MPI_Mprobe(left, MPI_ANY_TAG, MPI_COMM_WORLD, message, status, ierr)
      call check_ok(ierr, 'mprobe')
      call MPI_Mrecv(theirs, 1, record, message, status)
      call check_true(message == MPI_MESSAGE_NULL, 'message received')
    else
      call MPI_Recv(theirs, 1, record, left, 5, MPI_COMM_WORLD, status)
    end if
    call check_int(status%MPI_SOURCE, left, 'source')
    call check_int(status%MPI_TAG, 5, 'tag')
    call MPI_Get_count(status, record, n)
    call check_int(n, 1, 'count')
    call check_int(theirs%key, step + left, 'key')
    call check_true(theirs%value == 0.125d0 * step, 'value')
    call MPI_Wait(request, MPI_STATUS_IGNORE)
    call check_true(request == MPI_REQUEST_NULL, 'request')
  end subroutine

  subroutine reductions(step)
    integer, intent(in) :: step
    integer :: i
    integer, asynchronous :: a(5), n, mine(size)
    type(MPI_Request) :: request

    a = [(merge(-1, 1, mod(rank, 2) == 0) * (10 * rank + step + i), i=1, 5)]
    call MPI_Allreduce(MPI_IN_PLACE, a, 5, MPI_INTEGER, op, MPI_COMM_WORLD, ierr)
    call check_ok(ierr, 'allreduce')
    do i = 1, 5
      n = size - 1
      call check_int(a(i), merge(-1, 1, mod(n, 2) == 0) * (10 * n + step + i), 'longest')
    end do
    mine = [(i + rank, i=1, size)]
    call MPI_Ireduce_scatter_block(mine, n, 1, MPI_INTEGER, MPI_SUM, &
      MPI_COMM_WORLD, request)
    call MPI_Wait(request, MPI_STATUS_IGNORE)
    call check_int(n, size * (rank + 1) + size * (size - 1) / 2, 'reduce_scatter_block')
    n = rank
    call MPI_Bcast(n, 1, MPI_INTEGER, 0, pairwise)
    call check_int(n, rank / 2 * 2, 'bcast in a pair')
    call check_note(a(5))
  end subroutine

  subroutine persistent(step)
    integer, intent(in) :: step
    logical :: done

    out = step * 2
    in = 0
    call MPI_Startall(2, kept)
    done = .false.
    do while (.not. done)
      call MPI_Testall(2, kept, done, MPI_STATUSES_IGNORE)
    end do
    call check_int(in, 2 * step, 'persistent message')
    call check_int(kept(1)%mpi_val, before(1), 'persistent send')
    call check_int(kept(2)%mpi_val, before(2), 'persistent receive')
  end subroutine

  subroutine attributes(step)
    integer, intent(in) :: step
    type(MPI_Comm) :: second
    integer(aint) :: value
    logical :: flag

    call MPI_Comm_set_attr(dup, keyval, int(step, aint))
    call MPI_Comm_dup(dup, second)
    call MPI_Comm_get_attr(second, keyval, value, flag)
    call check_true(flag, 'attribute copied')
    call check_int(value, 2_aint**33 + step, 'copied attribute')
    call MPI_Comm_free(second)
    call MPI_Comm_delete_attr(dup, keyval)
    call MPI_Comm_get_attr(dup, keyval, value, flag)
    call check_true(.not. flag, 'attribute deleted')
  end subroutine

  subroutine handlers(step)
    integer, intent(in) :: step
    type(MPI_Request) :: request
    type(MPI_Status) :: status
    integer :: n

    call MPI_Send(step, 1, MPI_INTEGER, size, 1, dup, ierr)
    call check_true(ierr /= MPI_SUCCESS, 'error returned')
    call check_int(errors, step, 'errors')
    call MPI_Grequest_start(query, free_state, cancel, int(mod(step, 5), aint), request)
    call MPI_Grequest_complete(request)
    call MPI_Wait(request, status)
    call MPI_Get_elements(status, MPI_INTEGER, n)
    call check_int(n, mod(step, 5), 'elements of a generalized request')
    call check_int(frees, step, 'generalized requests freed')
  end subroutine

  subroutine completions(step)
    integer, intent(in) :: step
    integer, parameter :: m = 6
    integer, asynchronous :: a(m), b(m)
    type(MPI_Request) :: requests(2 * m)
    type(MPI_Status) :: statuses(2 * m)
    integer :: i, n, done, indices(2 * m)

    a = [(step + i, i=1, m)]
    b = 0
    do i = 1, m
      call MPI_Irecv(b(i), 1, MPI_INTEGER, left, i, MPI_COMM_WORLD, requests(i))
      call MPI_Isend(a(i), 1, MPI_INTEGER, right, i, MPI_COMM_WORLD, requests(m + i))
    end do
    done = 0
    do while (done < 2 * m)
      if (mod(step, 3) == 0) then
        call MPI_Waitsome(2 * m, requests, n, indices, statuses)
        do i = 1, n
          if (indices(i) <= m) call check_int(statuses(i)%MPI_TAG, indices(i), 'waitsome')
        end do
        done = done + n
      else if (mod(step, 3) == 1) then
        call MPI_Waitany(2 * m, requests, n, statuses(1))
        if (n <= m) call check_int(statuses(1)%MPI_TAG, n, 'waitany')
        done = done + 1
      else
        call MPI_Waitall(2 * m, requests, statuses)
        call check_int(statuses(m)%MPI_TAG, m, 'waitall')
        done = 2 * m
      end if
    end do
    call check_true(all(b == a), 'messages')
    call check_true(all(requests%mpi_val == MPI_REQUEST_NULL%mpi_val), 'requests')
    call check_note(b(m))
  end subroutine
end program
