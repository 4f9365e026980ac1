! SPDX-License-Identifier: BSD-3-Clause
!
! Windows with "use mpi_f08": a lock on all ranks that lasts as long as the program, a
! dynamic window, and post, start, complete, wait.
program fortran_rma08
  use mpi_f08
  use check
  use iso_c_binding, only: c_ptr, c_f_pointer
  implicit none
  integer, parameter :: aint = MPI_ADDRESS_KIND, n = 64
  integer :: rank, size, step, steps, left, right, i, unit, before
  type(MPI_Win) :: long, dynamic, pscw
  type(MPI_Group) :: group, from, to
  type(MPI_Request) :: requests(2)
  real(8), asynchronous, save :: piece(n)
  real(8), pointer :: given(:), grid(:)
  real(8), asynchronous :: got(n), put(n)
  integer(aint) :: bytes, address
  integer(aint), allocatable :: addresses(:)
  type(c_ptr) :: memory

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, size)
  steps = check_begin('fortran_rma08', 8000)
  left = mod(rank + size - 1, size)
  right = mod(rank + 1, size)
  bytes = 8 * n
  call MPI_Win_allocate(bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, memory, long)
  call c_f_pointer(memory, given, [n])
  call MPI_Win_allocate_shared(bytes, 8, MPI_INFO_NULL, MPI_COMM_WORLD, memory, pscw)
  call c_f_pointer(memory, grid, [n])
  call MPI_Win_shared_query(pscw, rank, address, unit, memory)
  call check_true(address == bytes .and. unit == 8, 'shared query')
  allocate (addresses(0:size - 1))
  if (size > 1) then ! Open MPI 4.1 has none for one process
    call MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, dynamic)
    call MPI_Win_attach(dynamic, piece, bytes)
    call MPI_Get_address(piece, address)
    call MPI_Allgather(address, 1, MPI_AINT, addresses, 1, MPI_AINT, MPI_COMM_WORLD)
  end if
  call MPI_Win_get_group(pscw, group)
  call MPI_Group_incl(group, 1, [left], from)
  call MPI_Group_incl(group, 1, [right], to)
  given = 0
  grid = 0
  piece = 0
  before = long%mpi_val
  call MPI_Win_lock_all(0, long)
  call MPI_Barrier(MPI_COMM_WORLD)

  do step = 1, steps
    put = [(step + 0.5d0 * i + rank, i = 1, n)]
    call MPI_Rput(put, n, MPI_REAL8, right, 0_aint, n, MPI_REAL8, long, requests(1))
    call MPI_Wait(requests(1), MPI_STATUS_IGNORE)
    call MPI_Win_flush(right, long)
    call MPI_Rget(got, n, MPI_REAL8, right, 0_aint, n, MPI_REAL8, long, requests(2))
    call MPI_Waitall(1, requests(2:2), MPI_STATUSES_IGNORE)
    call check_true(all(got == put), 'what was put')
    call MPI_Win_post(from, 0, pscw)
    call MPI_Win_start(to, 0, pscw)
    call MPI_Accumulate(put, n, MPI_REAL8, right, 0_aint, n, MPI_REAL8, MPI_REPLACE, pscw)
    call MPI_Win_complete(pscw)
    call MPI_Win_wait(pscw)
    call check_true(all(grid == [(step + 0.5d0 * i + left, i = 1, n)]), 'the grid')
    if (size > 1) then
      call MPI_Win_fence(0, dynamic)
      call MPI_Put(put, n, MPI_REAL8, right, addresses(right), n, MPI_REAL8, dynamic)
      call MPI_Win_fence(0, dynamic)
      call check_true(all(piece == grid), 'the attached piece')
    end if
    call check_int(long%mpi_val, before, 'the handle')
    call check_note(int(sum(grid), int64))
  end do

  call MPI_Win_unlock_all(long)
  call MPI_Group_free(group)
  call MPI_Group_free(from)
  call MPI_Group_free(to)
  call MPI_Win_free(long)
  call MPI_Win_free(pscw)
  if (size > 1) then
    call MPI_Win_detach(dynamic, piece)
    call MPI_Win_free(dynamic)
  end if
  call check_true(long == MPI_WIN_NULL, 'handle of a freed window')
  call check_end(steps)
  call MPI_Finalize()
end program
