! SPDX-License-Identifier: BSD-3-Clause
!
! Persistent collectives from Fortran: MPI_IN_PLACE, arrays of numbers and of types, a user
! operation, started in every step, some of them renewed.  Until Open MPI 4.1 they are
! extensions: compiled with -DEXTENSION then.
#ifdef EXTENSION
#define mpi_allgatherv_init mpix_allgatherv_init
#define mpi_allreduce_init mpix_allreduce_init
#define mpi_alltoallw_init mpix_alltoallw_init
#define mpi_barrier_init mpix_barrier_init
#endif
module fortran_pcoll_op
  implicit none
contains
  subroutine largest_pair(in, inout, len, datatype)
    integer, intent(in) :: len, datatype
    integer, intent(in) :: in(2, *)
    integer, intent(inout) :: inout(2, *)
    integer :: i

    do i = 1, len
      if (in(1, i) > inout(1, i)) inout(:, i) = in(:, i)
    end do
    if (datatype == -1) stop 1
  end subroutine
end module

program fortran_pcoll
  use mpi
#ifdef EXTENSION
  use mpi_ext
#endif
  use check
  use fortran_pcoll_op
  implicit none
  integer, parameter :: n_requests = 5
  integer, asynchronous :: sums(3), pair(2), largest(2)
  integer, asynchronous, allocatable :: out(:), in(:), all(:)
  integer, allocatable :: counts(:), displs(:), types(:)
  integer :: requests(n_requests), statuses(MPI_STATUS_SIZE, n_requests)
  integer :: ierr, rank, n, step, steps, op, two, i, expected

  call mpi_init(ierr)
  steps = check_begin('fortran_pcoll', 3000)
  call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
  call mpi_comm_size(MPI_COMM_WORLD, n, ierr)
  allocate(out(n), in(n), all(n), counts(n), displs(n), types(n))
  counts = 1
  displs = [(4 * (i - 1), i = 1, n)]
  types = MPI_INTEGER
  call mpi_type_contiguous(2, MPI_INTEGER, two, ierr)
  call mpi_type_commit(two, ierr)
  call mpi_op_create(largest_pair, .true., op, ierr)
  call mpi_allreduce_init(MPI_IN_PLACE, sums, 3, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, &
                           MPI_INFO_NULL, requests(1), ierr)
  call check_ok(ierr, 'mpi_allreduce_init')
  call mpi_allreduce_init(pair, largest, 1, two, op, MPI_COMM_WORLD, MPI_INFO_NULL, &
                           requests(2), ierr)
  call mpi_alltoallw_init(out, counts, displs, types, in, counts, displs, types, &
                           MPI_COMM_WORLD, MPI_INFO_NULL, requests(3), ierr)
  call mpi_barrier_init(MPI_COMM_WORLD, MPI_INFO_NULL, requests(4), ierr)
  displs = [(i - 1, i = 1, n)]
  call mpi_allgatherv_init(rank, 1, MPI_INTEGER, all, counts, displs, MPI_INTEGER, &
                            MPI_COMM_WORLD, MPI_INFO_NULL, requests(5), ierr)
  call check_ok(ierr, 'mpi_allgatherv_init')
  do step = 1, steps
    sums = [rank, step, 1]
    pair = [mod(rank * 7 + step, n), rank]
    out = [(1000 * rank + i + step, i = 1, n)]
    in = -1
    all = -1
    if (mod(step, 2) == 0) then
      call mpi_startall(n_requests, requests, ierr)
    else
      do i = 1, n_requests
        call mpi_start(requests(i), ierr)
      end do
    end if
    call check_ok(ierr, 'start')
    call mpi_waitall(n_requests, requests, statuses, ierr)
    call check_ok(ierr, 'mpi_waitall')
    call check_int(sums(1), n * (n - 1) / 2, 'sum of ranks')
    call check_int(sums(2), n * step, 'sum of steps')
    call check_int(sums(3), n, 'number of ranks')
    expected = -1
    do i = 0, n - 1
      expected = max(expected, mod(i * 7 + step, n))
    end do
    call check_int(largest(1), expected, 'largest')
    call check_int(mod(largest(2) * 7 + step, n), expected, 'whose it is')
    do i = 1, n
      call check_int(in(i), 1000 * (i - 1) + rank + 1 + step, 'alltoallw')
      call check_int(all(i), i - 1, 'allgatherv')
    end do
    call check_note(sums(2))
    if (mod(step, 100) == 0) then
      call mpi_request_free(requests(4), ierr)
      call check_int(requests(4), MPI_REQUEST_NULL, 'freed')
      call mpi_barrier_init(MPI_COMM_WORLD, MPI_INFO_NULL, requests(4), ierr)
    end if
  end do
  do i = 1, n_requests
    call mpi_request_free(requests(i), ierr)
  end do
  call mpi_op_free(op, ierr)
  call mpi_type_free(two, ierr)
  call check_end(steps)
  call mpi_finalize(ierr)
end program
