! SPDX-License-Identifier: BSD-3-Clause
!
! Particles that fly in a box and are pushed by the mean of all: crmpi from Fortran.
! Names are given to variables and arrays as they are; those have to be targets, as crmpi
! keeps their addresses.
!
!   mpifort -O2 particles.f90 -lcrmpi -o particles
!   crmpi-run --save named mpirun -np 4 ./particles [STEPS]
module hooks
  use crmpi
  use iso_c_binding
  implicit none
  integer, target :: n_saved = 0
contains
  ! Called around checkpoints; it may not communicate.
  integer(c_int) function tell(event, extra_state) bind(C)
    integer(c_int), value :: event
    type(c_ptr), value :: extra_state
    integer, pointer :: n

    call c_f_pointer(extra_state, n)
    if (event == CRMPI_COMMITTED) n = n + 1
    tell = 0
  end function tell
end module hooks

program particles
  use crmpi
  use hooks
  use iso_fortran_env
  use mpi
  implicit none
  integer, parameter :: n = 1000
  real(real64), target :: place(3, n), speed(3, n)
  real(real64), allocatable, target :: push(:, :)
  real(real64) :: mean(3), all(3)
  integer(int32), target :: step = 0
  integer :: rank, n_ranks, steps, i, ierror
  logical :: restarted, due
  character(len=20) :: text
  type(CRMPI_statistics) :: statistics

  call MPI_Init(ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, n_ranks, ierror)
  steps = 3000
  if (command_argument_count() > 0) then
    call get_command_argument(1, text)
    read (text, *) steps
  end if
  allocate (push(3, n))

  if (CRMPI_Name('place', place) > 0 .or. CRMPI_Name('speed', speed) > 0 .or. &
      CRMPI_Name('step', step) > 0) call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
  ierror = CRMPI_Exclude(push)
  ierror = CRMPI_Hook_add(CRMPI_COMMITTED, c_funloc(tell), c_loc(n_saved))

  ierror = CRMPI_Restarted(restarted)
  if (restarted) then
    if (CRMPI_Restore() /= 0) call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
    if (rank == 0) print '(a,i0)', 'goes on behind step ', step
  else
    do i = 1, n
      place(:, i) = [0.1d0 * i, 0.2d0 * rank, 0.3d0]
      speed(:, i) = [1.0d0, 0.001d0 * i, -0.5d0]
    end do
  end if

  do while (step < steps)
    mean = sum(place, 2) / n
    call MPI_Allreduce(mean, all, 3, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, &
                       ierror)
    ierror = CRMPI_Critical_begin() ! push is not saved
    do i = 1, n
      push(:, i) = all / n_ranks - place(:, i)
    end do
    speed = 0.99d0 * speed + 0.01d0 * push
    place = place + 0.01d0 * speed
    step = step + 1
    ierror = CRMPI_Critical_end()
    if (mod(step, 100) /= 0) cycle
    if (rank == 0) print '(a,i0)', 'step ', step
    flush (output_unit)
    ierror = CRMPI_Checkpoint_due(due)
    if (due) ierror = CRMPI_Checkpoint()
  end do

  mean = sum(place, 2)
  call MPI_Reduce(mean, all, 3, MPI_DOUBLE_PRECISION, MPI_SUM, 0, MPI_COMM_WORLD, ierror)
  if (rank == 0) then
    print '(a,i0,3f20.12)', 'result: ', step, all
    if (CRMPI_Get_statistics(statistics) == 0) &
      print '(a,i0,a,i0)', 'saved: ', n_saved, ' of ', statistics%checkpoints
  end if
  ierror = CRMPI_Include(push)
  ierror = CRMPI_Unname('place')
  deallocate (push)
  call MPI_Finalize(ierror)
end program particles
