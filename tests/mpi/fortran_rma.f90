! SPDX-License-Identifier: BSD-3-Clause
!
! Windows with "use mpi": memory that MPI allocates comes as a C pointer or as an address,
! displacements have their own kind, attributes are addresses.  The windows are made before
! the loop and used in every step.
module fortran_rma_callbacks
  use mpi
  use check
  implicit none
  integer :: errors = 0
contains

  subroutine on_error(win, error)
    integer :: win, error, class, ierr

    call MPI_Error_class(error, class, ierr)
    call check_int(class, MPI_ERR_RANK, 'class of an error')
    call check_true(win /= MPI_WIN_NULL, 'window of an error')
    errors = errors + 1
  end subroutine
end module

program fortran_rma
  use mpi
  use check
  use fortran_rma_callbacks
  use iso_c_binding, only: c_ptr, c_f_pointer
  implicit none
  integer, parameter :: aint = MPI_ADDRESS_KIND, n = 300
  integer :: rank, size, ierr, step, steps, left, right, win(3), request, handler, i, unit
  integer(int64), asynchronous, save :: own(n)
  integer(int64), pointer :: given(:), shared(:), beside(:)
  integer(int64) :: value, old
  integer(int64), asynchronous :: got(n)
  integer(aint) :: bytes, found
  logical :: flag
  type(c_ptr) :: memory
  character(len=MPI_MAX_OBJECT_NAME) :: name

  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierr)
  steps = check_begin('fortran_rma', 8000)
  left = mod(rank + size - 1, size)
  right = mod(rank + 1, size)
  bytes = 8 * n
  call MPI_Win_allocate(bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, memory, win(1), ierr)
  call check_ok(ierr, 'MPI_Win_allocate')
  call c_f_pointer(memory, given, [n])
  call MPI_Win_allocate_shared(bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, memory, win(2), ierr)
  call check_ok(ierr, 'MPI_Win_allocate_shared')
  call c_f_pointer(memory, shared, [n])
  call MPI_Win_shared_query(win(2), right, bytes, unit, memory, ierr)
  call check_true(bytes == 8 * n .and. unit == 8, 'shared query')
  call c_f_pointer(memory, beside, [n])
  win(3) = MPI_WIN_NULL
  if (size > 1) then ! Open MPI 4.1 has none for one process
    call MPI_Win_create(own, bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, win(3), ierr)
    call check_ok(ierr, 'MPI_Win_create')
  end if
  own = 0
  given = 0
  shared = 0
  call MPI_Win_set_name(win(1), 'from Fortran', ierr)
  call MPI_Win_create_errhandler(on_error, handler, ierr)
  call MPI_Win_set_errhandler(win(1), handler, ierr)
  call MPI_Win_lock_all(0, win(2), ierr)
  call MPI_Barrier(MPI_COMM_WORLD, ierr)

  do step = 1, steps
    ! an epoch of fences
    call MPI_Win_fence(0, win(1), ierr)
    got = [(int(step, int64) * i + rank, i = 1, n)]
    call MPI_Put(got, n, MPI_INTEGER8, right, 0_aint, n, MPI_INTEGER8, win(1), ierr)
    call check_ok(ierr, 'MPI_Put')
    call MPI_Win_fence(0, win(1), ierr)
    call check_true(all(given == [(int(step, int64) * i + left, i = 1, n)]), 'put')
    ! plain loads and stores
    shared(mod(step, n) + 1) = step + rank
    call MPI_Win_sync(win(2), ierr)
    call MPI_Barrier(MPI_COMM_WORLD, ierr)
    call MPI_Win_sync(win(2), ierr)
    call check_int(beside(mod(step, n) + 1), int(step + right, int64), 'memory beside')
    value = rank + 1
    call MPI_Fetch_and_op(value, old, MPI_INTEGER8, 0, int(n - 1, aint), &
      MPI_MAX, win(2), ierr)
    call MPI_Win_flush(0, win(2), ierr)
    call MPI_Barrier(MPI_COMM_WORLD, ierr)
    ! locks and requests
    if (size > 1) then
      value = step
      call MPI_Win_lock(MPI_LOCK_EXCLUSIVE, right, 0, win(3), ierr)
      call MPI_Accumulate(value, 1, MPI_INTEGER8, right, 5_aint, 1, MPI_INTEGER8, MPI_SUM, &
        win(3), ierr)
      call MPI_Win_flush(right, win(3), ierr)
      call MPI_Rget(got, 1, MPI_INTEGER8, right, 5_aint, 1, MPI_INTEGER8, win(3), request, &
        ierr)
      call MPI_Wait(request, MPI_STATUS_IGNORE, ierr)
      call MPI_Win_unlock(right, win(3), ierr)
      call check_int(got(1), int(step, int64) * (step + 1) / 2, 'sum at the right')
      call check_note(got(1))
    end if
    ! what the window knows
    call MPI_Win_get_attr(win(1), MPI_WIN_SIZE, found, flag, ierr)
    call check_true(flag .and. found == bytes, 'size')
    call MPI_Win_get_attr(win(1), MPI_WIN_BASE, found, flag, ierr)
    call check_true(flag .and. found == transfer(loc(given), found), 'base')
    call MPI_Win_get_name(win(1), name, i, ierr)
    call check_true(name == 'from Fortran', 'name')
    call MPI_Put(value, 1, MPI_INTEGER8, size + 1, 0_aint, 1, MPI_INTEGER8, win(1), ierr)
    call check_int(errors, step, 'errors seen')
  end do

  call MPI_Win_unlock_all(win(2), ierr)
  do i = 1, 3
    if (win(i) /= MPI_WIN_NULL) call MPI_Win_free(win(i), ierr)
    call check_int(win(i), MPI_WIN_NULL, 'handle of a freed window')
  end do
  call check_end(steps)
  call MPI_Finalize(ierr)
end program
