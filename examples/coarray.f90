! SPDX-License-Identifier: BSD-3-Clause
!
! Heat in a ring of coarray images, each of which puts its edges into its neighbours, with
! an accumulated total, a counter of atomics, events and a critical section.  An ordinary
! Fortran program: the images are MPI processes of OpenCoarrays, whose every access goes
! through MPI windows.
!
!     mpifort -O2 -fcoarray=lib coarray.f90 -o coarray -lcaf_openmpi
!     crmpi-run mpirun -np 4 ./coarray [STEPS]
program coarray
  use iso_fortran_env, only: int64, real64, atomic_int_kind, event_type, lock_type
  implicit none
  integer, parameter :: n = 20000
  real(real64), allocatable :: u(:)[:], total[:]
  integer(atomic_int_kind), allocatable :: counter[:]
  integer(int64), allocatable :: tally[:]
  type(event_type), allocatable :: given(:)[:]
  type(lock_type), allocatable :: gate[:]
  real(real64) :: v(n), all_heat
  integer :: me, images, left, right, step, steps, seen

  me = this_image()
  images = num_images()
  left = merge(images, me - 1, me == 1)
  right = merge(1, me + 1, me == images)
  steps = steps_wanted(6000)
  allocate (u(0:n + 1)[*], total[*], counter[*], tally[*], given(2)[*], gate[*])
  u = 0
  u(1:n) = [(sin(0.001_real64 * ((me - 1) * n + step)), step=1, n)]
  counter = 0
  tally = 0
  sync all
  do step = 1, steps
    u(n + 1)[left] = u(1)
    u(0)[right] = u(n)
    sync all
    v = u(1:n) + 0.2_real64 * (u(0:n - 1) - 2 * u(1:n) + u(2:n + 1))
    sync all
    u(1:n) = v
    if (mod(step, 10) == 0) call atomic_add(counter[1], 1)
    if (mod(step, 25) == 0) then ! one image after the other
      lock (gate[1])
      tally[1] = tally[1] * 3 + 1
      unlock (gate[1])
      event post (given(1)[right])
      event wait (given(1))
    end if
    if (mod(step, 50) == 0) then
      total = sum(u(1:n))
      all_heat = total
      call co_sum(all_heat)
      sync all
      if (abs(all_heat - sum_of_all()) > 1e-6_real64) error stop 'the heat is not right'
    end if
  end do
  sync all
  if (me == 1) then
    call atomic_ref(seen, counter)
    if (seen /= steps / 10 * images) error stop 'the counter is not right'
    write (*, '(a,i0,a,i0,1x,i0,2es25.16)') 'digest coarray np=', images, ' steps=', steps, &
      tally, sum(u(1:n)), u(n / 3)[images]
  end if
contains

  ! The same by gets.
  real(real64) function sum_of_all() result(heat)
    integer :: i

    heat = 0
    do i = 1, images
      heat = heat + total[i]
    end do
    sync all
  end function

  ! The first argument: a number of steps, or a percentage of the usual one.
  integer function steps_wanted(usual) result(wanted)
    integer, intent(in) :: usual
    character(len=32) :: argument
    integer :: percent

    wanted = usual
    call get_command_argument(1, argument)
    percent = index(argument, '%')
    if (percent > 0) then
      read (argument(:percent - 1), *) wanted
      wanted = max(1, wanted * usual / 100)
    else if (argument /= '') then
      read (argument, *) wanted
    end if
  end function
end program
