! SPDX-License-Identifier: BSD-3-Clause
!
! Files as Fortran programs have them: direct access, rewritten at random records; a text
! file that is opened for appending and closed again in every step; one that stays open and
! is gone back in; a stream; and a scratch file without a name.
program fortran_files
  use mpi
  use check
  implicit none
  integer, parameter :: n_records = 200, n_values = 16
  integer :: rank, step, steps, ierr, record, i, lines, found_step, length
  integer :: direct, text, kept, stream, scratch
  integer(int64) :: values(n_values), found(n_values), model(n_records), state
  character(len=40) :: name
  character(len=80) :: line

  call mpi_init(ierr)
  call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
  steps = check_begin('fortran_files', 800)
  model = 0
  values = 0
  write (name, '(a,i0)') 'direct.', rank
  open (newunit=direct, file=name, access='direct', form='unformatted', &
        recl=8 * n_values, status='replace', action='readwrite')
  do record = 1, n_records
    write (direct, rec=record) values
  end do
  write (name, '(a,i0)') 'stream.', rank
  open (newunit=stream, file=name, access='stream', form='unformatted', status='replace')
  write (name, '(a,i0)') 'kept.', rank
  open (newunit=kept, file=name, status='replace', action='readwrite')
  open (newunit=scratch, status='scratch', form='unformatted')
  write (name, '(a,i0)') 'text.', rank
  open (newunit=text, file=name, status='replace')
  close (text)
  state = 17 + rank

  do step = 1, steps
    state = mod(state * 48271_int64, 2147483647_int64)
    record = int(mod(state, int(n_records, int64))) + 1
    values = [(state + i, i=1, n_values)]
    write (direct, rec=record) values
    model(record) = state
    state = mod(state * 48271_int64, 2147483647_int64)
    record = int(mod(state, int(n_records, int64))) + 1
    read (direct, rec=record) found
    values = [(merge(model(record) + i, 0_int64, model(record) /= 0), i=1, n_values)]
    call check_true(all(found == values), 'a record')

    open (newunit=text, file=name, position='append', status='old', action='write')
    write (text, '(a,i0,a,i0)') 'step ', step, ' of rank ', rank
    close (text)
    if (mod(step, 25) == 0) then
      open (newunit=text, file=name, status='old', action='read')
      lines = 0
      do
        read (text, '(a)', iostat=ierr) line
        if (ierr /= 0) exit
        lines = lines + 1
        read (line(6:), *) found_step
        call check_int(found_step, lines, 'a line of the text')
      end do
      call check_int(lines, step, 'lines of the text')
      close (text)
    end if

    write (kept, '(a,i0)') 'line ', step
    if (mod(step, 10) == 0) then ! the last line is written again
      backspace (kept)
      read (kept, '(a)') line
      read (line(6:), *) found_step
      call check_int(found_step, step, 'the line that was gone back to')
      backspace (kept)
      write (kept, '(a,i0)') 'LINE ', step
    end if
    if (mod(step, 7) == 0) flush (kept)

    write (stream, pos=8 * mod(step, 300) + 1) int(step, int64)
    if (step > 3) then
      read (stream, pos=8 * mod(step - 3, 300) + 1) found(1)
      call check_true(found(1) == step - 3, 'the stream')
    end if

    write (scratch) step, values
    if (mod(step, 20) == 0) then
      rewind (scratch)
      do i = 1, 20
        read (scratch) found_step, found
        call check_int(found_step, step - 20 + i, 'a record without a name')
      end do
      rewind (scratch)
    end if
    call check_note(state)
    if (mod(step, 10) == 0) call mpi_barrier(MPI_COMM_WORLD, ierr)
    if (mod(step, 5) == mod(rank, 5)) call sleep_ms(4)
  end do
  inquire (unit=stream, size=length)
  call check_int(length, 8 * min(steps + 1, 300), 'bytes of the stream')
  call check_end(steps)
  call mpi_finalize(ierr)
contains
  subroutine sleep_ms(ms)
    use iso_c_binding, only: c_int
    integer, intent(in) :: ms
    interface
      integer(c_int) function usleep(us) bind(c)
        import c_int
        integer(c_int), value :: us
      end function
    end interface

    if (usleep(int(1000 * ms, c_int)) /= 0) continue
  end subroutine
end program
