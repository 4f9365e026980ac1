! SPDX-License-Identifier: BSD-3-Clause
!
! What Open MPI's Fortran functions since 5.0 do with objects of MPI: nonblocking and persistent
! collectives with arrays, and info objects; through the mpi_f08 module and through mpi.
program fortran_mpi4
  use mpi_f08
  use check
  implicit none
  integer, asynchronous, allocatable :: in(:), out(:), mine(:)
  integer, allocatable :: counts(:), displs(:)
  integer(MPI_ADDRESS_KIND), allocatable :: bytes(:)
  integer(MPI_ADDRESS_KIND) :: two_bytes(2)
  type(MPI_Datatype) :: two_types(2)
  type(MPI_Request) :: requests(9), persistent(5)
  type(MPI_Status) :: statuses(9)
  type(MPI_Comm) :: ring
  integer :: rank, n, step, steps, i, left, right, sum_mine
  integer, asynchronous :: two(2), from(2), one(1), root_mine(1), around(2), around_v(2), again(2)
  integer, asynchronous, allocatable :: gathered(:), everywhere(:), kept(:)
  integer :: two_counts(2), two_displs(2)

  call MPI_Init()
  steps = check_begin('fortran_mpi4', 2000)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, n)
  allocate(in(n), out(n), mine(n), counts(n), displs(n), bytes(n), gathered(n), everywhere(n), kept(n))
  counts = 1
  displs = [(i, i = 0, n - 1)]
  two_counts = 1
  two_displs = [0, 1]
  two_bytes = [0_MPI_ADDRESS_KIND, 4_MPI_ADDRESS_KIND]
  two_types = MPI_INTEGER
  call MPI_Cart_create(MPI_COMM_WORLD, 1, [n], [.true.], .false., ring)
  left = modulo(rank - 1, n)
  right = modulo(rank + 1, n)
  call MPI_Allgatherv_init(root_mine, 1, MPI_INTEGER, kept, counts, displs, MPI_INTEGER, &
                           MPI_COMM_WORLD, MPI_INFO_NULL, persistent(1))
  call MPI_Alltoallv_init(out, counts, displs, MPI_INTEGER, mine, counts, displs, MPI_INTEGER, &
                          MPI_COMM_WORLD, MPI_INFO_NULL, persistent(2))
  call MPI_Neighbor_alltoallv_init(two, two_counts, two_displs, MPI_INTEGER, again, two_counts, &
                                   two_displs, MPI_INTEGER, ring, MPI_INFO_NULL, persistent(3))
  do step = 1, steps
    out = [(step + 100 * rank + i, i = 1, n)]
    two = [step + 10 * rank, step + 10 * rank + 1]
    root_mine = step + rank
    in = -1
    gathered = -1
    everywhere = -1
    from = -1
    call MPI_Iallgatherv(root_mine, 1, MPI_INTEGER, everywhere, counts, displs, MPI_INTEGER, &
                         MPI_COMM_WORLD, requests(1))
    call MPI_Ialltoallv(out, counts, displs, MPI_INTEGER, in, counts, displs, MPI_INTEGER, &
                        MPI_COMM_WORLD, requests(2))
    call MPI_Igatherv(root_mine, 1, MPI_INTEGER, gathered, counts, displs, MPI_INTEGER, 0, &
                      MPI_COMM_WORLD, requests(3))
    call MPI_Iscatterv(out, counts, displs, MPI_INTEGER, one, 1, MPI_INTEGER, 0, &
                       MPI_COMM_WORLD, requests(4))
    call MPI_Ireduce_scatter(out, sum_mine, counts, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, &
                             requests(5))
    call MPI_Ineighbor_allgatherv(root_mine, 1, MPI_INTEGER, around, two_counts, two_displs, &
                                  MPI_INTEGER, ring, requests(6))
    call MPI_Ineighbor_alltoallv(two, two_counts, two_displs, MPI_INTEGER, around_v, two_counts, &
                                 two_displs, MPI_INTEGER, ring, requests(7))
    call MPI_Ineighbor_alltoallw(two, two_counts, two_bytes, two_types, from, two_counts, &
                                 two_bytes, two_types, ring, requests(8))
    call MPI_Ibarrier(MPI_COMM_WORLD, requests(9))
    call MPI_Startall(3, persistent)
    if (modulo(step, 5) == 0) call infos(step)
    call MPI_Waitall(9, requests, statuses)
    call MPI_Waitall(3, persistent, statuses)
    call same(everywhere, [(step + i, i = 0, n - 1)], 'iallgatherv')
    call same(kept, [(step + i, i = 0, n - 1)], 'allgatherv_init')
    call same(in, [(step + 100 * i + rank + 1, i = 0, n - 1)], 'ialltoallv')
    call same(mine, [(step + 100 * i + rank + 1, i = 0, n - 1)], 'alltoallv_init')
    if (rank == 0) call same(gathered, [(step + i, i = 0, n - 1)], 'igatherv')
    call same(one, [step + rank + 1], 'iscatterv')
    call same([sum_mine], [n * (step + rank + 1) + 50 * n * (n - 1)], 'ireduce_scatter')
    call same(around, [step + left, step + right], 'ineighbor_allgatherv')
    if (n > 2) then
      call same(around_v, [step + 10 * left + 1, step + 10 * right], 'ineighbor_alltoallv')
      call same(from, [step + 10 * left + 1, step + 10 * right], 'ineighbor_alltoallw')
      call same(again, [step + 10 * left + 1, step + 10 * right], 'neighbor_alltoallv_init')
    end if
    call check_note(sum_mine)
  end do
  do i = 1, 3
    call MPI_Request_free(persistent(i))
  end do
  call MPI_Comm_free(ring)
  call check_end(steps)
  call MPI_Finalize()

contains

  subroutine same(found, expected, what)
    integer, intent(in) :: found(:), expected(:)
    character(*), intent(in) :: what

    if (any(found /= expected)) then
      print *, 'fortran_mpi4: rank', rank, 'step', step, ' ', what, found, 'expected', expected
      call MPI_Abort(MPI_COMM_WORLD, 1)
    end if
  end subroutine

  subroutine infos(step)
    integer, intent(in) :: step
    type(MPI_Info) :: info
    character(20) :: expected, value
    character(12) :: key
    integer :: length, keys
    logical :: found

    write(expected, '(A, I0)') 'of step ', step
    call MPI_Info_create(info)
    call MPI_Info_set(info, '  crmpi_test ', trim(expected))
    call MPI_Info_get_nkeys(info, keys)
    call MPI_Info_get_nthkey(info, 0, key)
    length = 20
    call MPI_Info_get_string(info, 'crmpi_test', length, value, found)
    if (keys /= 1 .or. key /= 'crmpi_test' .or. .not. found .or. value /= expected .or. &
        length /= len_trim(expected)) then
      print *, 'fortran_mpi4: info: ', keys, key, found, value, length
      call MPI_Abort(MPI_COMM_WORLD, 1)
    end if
    value = 'nothing'
    call MPI_Info_get(info, 'crmpi_test', 20, value, found)
    if (.not. found .or. value /= expected) call MPI_Abort(MPI_COMM_WORLD, 1)
    call MPI_Info_get(info, 'crmpi_other', 20, value, found)
    if (found) call MPI_Abort(MPI_COMM_WORLD, 1)
    call MPI_Info_free(info)
  end subroutine
end program
