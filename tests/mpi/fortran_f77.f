C SPDX-License-Identifier: BSD-3-Clause
C
C mpif.h in fixed form, as old programs are: point-to-point with derived
C types, persistent requests, every way to wait, the MPI-1 functions for
C attributes and error handlers with callbacks.  The objects are made
C once and used in every step, so they have to come back at a restart.
      program f77
      use check
      implicit none
      include 'mpif.h'
      integer n
      parameter (n = 64)
      integer rank, size, ierr, step, steps, left, right
      integer column, pairs, keyval, handler, dup
      integer copies, deletes, errors, seen
      common /counters/ copies, deletes, errors, seen
      external copy_fn, delete_fn, handler_fn

      call mpi_init(ierr)
      call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
      call mpi_comm_size(MPI_COMM_WORLD, size, ierr)
      steps = check_begin('fortran_f77', 8000)
      left = mod(rank + size - 1, size)
      right = mod(rank + 1, size)
      copies = 0
      deletes = 0
      errors = 0

      call mpi_type_vector(n, 1, n, MPI_DOUBLE_PRECISION, column, ierr)
      call check_ok(ierr, 'type_vector')
      call mpi_type_commit(column, ierr)
      call make_pairs(pairs)
      call mpi_keyval_create(copy_fn, delete_fn, keyval, 77, ierr)
      call check_ok(ierr, 'keyval_create')
      call mpi_comm_dup(MPI_COMM_WORLD, dup, ierr)
      call mpi_errhandler_create(handler_fn, handler, ierr)
      call check_ok(ierr, 'errhandler_create')
      call mpi_errhandler_set(dup, handler, ierr)
      call check_ok(ierr, 'errhandler_set')

      do step = 1, steps
         call columns(step, rank, left, right, column, n)
         call structs(step, left, right, pairs)
         call waits(step, rank, size)
         call persistent(step, rank, size, dup)
         call attributes(step, dup, keyval)
         call handled(step, dup, size)
      end do
      call check_int(copies, steps, 'copies of the attribute')
      call check_int(deletes, 3 * steps, 'deletions of the attribute')
      call check_int(errors, steps, 'errors handled')

      call mpi_errhandler_free(handler, ierr)
      call mpi_keyval_free(keyval, ierr)
      call check_ok(ierr, 'keyval_free')
      call check_int(keyval, MPI_KEYVAL_INVALID, 'freed keyval')
      call mpi_comm_free(dup, ierr)
      call mpi_type_free(column, ierr)
      call mpi_type_free(pairs, ierr)
      call check_int(pairs, MPI_DATATYPE_NULL, 'freed type')
      call check_end(steps)
      call mpi_finalize(ierr)
      end

C     A struct of an integer and a double, at the addresses they have.
      subroutine make_pairs(pairs)
      use check
      implicit none
      include 'mpif.h'
      integer pairs, ierr, lengths(2), types(2), i
      integer (kind=MPI_ADDRESS_KIND) places(2)
      integer key
      double precision value
      common /pair/ value, key

      call mpi_get_address(value, places(2), ierr)
      places(1) = places(2) + 8
      do i = 1, 2
         lengths(i) = 1
      end do
      types(1) = MPI_INTEGER
      types(2) = MPI_DOUBLE_PRECISION
      call mpi_type_create_struct(2, lengths, places, types, pairs,
     &     ierr)
      call check_ok(ierr, 'type_create_struct')
      call mpi_type_commit(pairs, ierr)
      end

C     A row of a matrix, strided in Fortran, to the right.
      subroutine columns(step, rank, left, right, column, n)
      use check
      implicit none
      include 'mpif.h'
      integer step, rank, left, right, column, n, ierr, i, got
      integer status(MPI_STATUS_SIZE)
      double precision a(n, n), b(n)

      do i = 1, n
         a(1 + mod(step, n), i) = 1000d0 * rank + step + i
      end do
      call mpi_sendrecv(a(1 + mod(step, n), 1), 1, column, right,
     &     mod(step, 100), b, n, MPI_DOUBLE_PRECISION, left,
     &     MPI_ANY_TAG, MPI_COMM_WORLD, status, ierr)
      call check_ok(ierr, 'sendrecv')
      call mpi_get_count(status, MPI_DOUBLE_PRECISION, got, ierr)
      call check_int(got, n, 'count')
      call check_int(status(MPI_SOURCE), left, 'source')
      call check_int(status(MPI_TAG), mod(step, 100), 'tag')
      do i = 1, n
         call check_true(b(i) .eq. 1000d0 * left + step + i, 'column')
      end do
      call check_note(int(b(n)))
      end

C     MPI_BOTTOM with absolute addresses, and a probe before.
      subroutine structs(step, left, right, pairs)
      use check
      implicit none
      include 'mpif.h'
      integer step, left, right, pairs, ierr, request
      integer status(MPI_STATUS_SIZE)
      logical flag
      integer key
      double precision value
      common /pair/ value, key

      key = 3 * step + right
      value = 0.5d0 * step
      call mpi_isend(MPI_BOTTOM, 1, pairs, right, 7, MPI_COMM_WORLD,
     &     request, ierr)
      call check_ok(ierr, 'isend of a struct')
      if (mod(step, 2) .eq. 0) then
         call mpi_probe(left, 7, MPI_COMM_WORLD, status, ierr)
      else
         flag = .false.
         do while (.not. flag)
            call mpi_iprobe(left, 7, MPI_COMM_WORLD, flag, status,
     &           ierr)
         end do
      end if
      call check_int(status(MPI_TAG), 7, 'tag of the probe')
      call mpi_wait(request, MPI_STATUS_IGNORE, ierr)
      call check_int(request, MPI_REQUEST_NULL, 'request waited for')
      key = 0
      value = 0
      call mpi_recv(MPI_BOTTOM, 1, pairs, left, 7, MPI_COMM_WORLD,
     &     MPI_STATUS_IGNORE, ierr)
      call mpi_comm_rank(MPI_COMM_WORLD, left, ierr)
      call check_int(key, 3 * step + left, 'integer of a struct')
      call check_true(value .eq. 0.5d0 * step, 'double of a struct')
      call mpi_comm_size(MPI_COMM_WORLD, key, ierr)
      left = mod(left + key - 1, key)
      end

C     Each way to complete the same four messages.
      subroutine waits(step, rank, size)
      use check
      implicit none
      include 'mpif.h'
      integer m
      parameter (m = 4)
      integer step, rank, size, ierr, i, k, count, done, index
      integer requests(2 * m), indices(2 * m), in(m), out(m)
      integer statuses(MPI_STATUS_SIZE, 2 * m)
      integer status(MPI_STATUS_SIZE)
      logical flag

      do i = 1, m
         in(i) = -1
         out(i) = step * 10 + i
         call mpi_irecv(in(i), 1, MPI_INTEGER, mod(rank + i, size), i,
     &        MPI_COMM_WORLD, requests(i), ierr)
         call mpi_isend(out(i), 1, MPI_INTEGER,
     &        mod(rank + m * size - i, size), i, MPI_COMM_WORLD,
     &        requests(m + i), ierr)
      end do
      done = 0
      k = mod(step, 7)
      if (k .eq. 0) then
         call mpi_waitall(2 * m, requests, statuses, ierr)
         do i = 1, m
            call check_int(statuses(MPI_TAG, i), i, 'tag of waitall')
         end do
      else if (k .eq. 1) then
         call mpi_waitall(2 * m, requests, MPI_STATUSES_IGNORE, ierr)
      else if (k .eq. 2) then
         flag = .false.
         do while (.not. flag)
            call mpi_testall(2 * m, requests, flag, statuses, ierr)
         end do
      else if (k .eq. 3) then
         do i = 1, 2 * m
            call mpi_waitany(2 * m, requests, index, status, ierr)
            call check_true(index .ge. 1 .and. index .le. 2 * m,
     &           'index of waitany')
            if (index .le. m) call check_int(status(MPI_SOURCE),
     &           mod(rank + index, size), 'source of waitany')
         end do
         call mpi_waitany(2 * m, requests, index, status, ierr)
         call check_int(index, MPI_UNDEFINED, 'index of no request')
      else if (k .eq. 4) then
         do while (done .lt. 2 * m)
            call mpi_testany(2 * m, requests, index, flag, status,
     &           ierr)
            if (flag) done = done + 1
         end do
      else if (k .eq. 5) then
         do while (done .lt. 2 * m)
            call mpi_waitsome(2 * m, requests, count, indices,
     &           statuses, ierr)
            do i = 1, count
               if (indices(i) .le. m) call check_int(
     &              statuses(MPI_TAG, i), indices(i), 'waitsome')
            end do
            done = done + count
         end do
         call mpi_waitsome(2 * m, requests, count, indices,
     &        MPI_STATUSES_IGNORE, ierr)
         call check_int(count, MPI_UNDEFINED, 'waitsome of none')
      else
         do while (done .lt. 2 * m)
            call mpi_testsome(2 * m, requests, count, indices,
     &           MPI_STATUSES_IGNORE, ierr)
            done = done + count
         end do
      end if
      do i = 1, m
         call check_int(in(i), step * 10 + i, 'message of waits')
         call check_int(requests(i), MPI_REQUEST_NULL, 'receive')
         call check_int(requests(m + i), MPI_REQUEST_NULL, 'send')
         call check_note(in(i))
      end do
      end

C     Persistent requests, kept through all steps.
      subroutine persistent(step, rank, size, comm)
      use check
      implicit none
      include 'mpif.h'
      integer step, rank, size, comm, ierr, requests(2), again(2)
      integer out, in
      logical flag
      save requests, out, in

      if (step .eq. 1) then
         call mpi_send_init(out, 1, MPI_INTEGER, mod(rank + 1, size),
     &        11, comm, requests(1), ierr)
         call check_ok(ierr, 'send_init')
         call mpi_recv_init(in, 1, MPI_INTEGER,
     &        mod(rank + size - 1, size), 11, comm, requests(2), ierr)
      end if
      again(1) = requests(1)
      again(2) = requests(2)
      out = step + 5
      in = -1
      if (mod(step, 2) .eq. 0) then
         call mpi_startall(2, requests, ierr)
      else
         call mpi_start(requests(1), ierr)
         call mpi_start(requests(2), ierr)
      end if
      call check_ok(ierr, 'start')
      if (mod(step, 3) .eq. 0) then
         call mpi_waitall(2, requests, MPI_STATUSES_IGNORE, ierr)
      else
         flag = .false.
         do while (.not. flag)
            call mpi_test(requests(2), flag, MPI_STATUS_IGNORE, ierr)
         end do
         call mpi_wait(requests(1), MPI_STATUS_IGNORE, ierr)
      end if
      call check_int(in, step + 5, 'persistent message')
      call check_int(requests(1), again(1), 'persistent send')
      call check_int(requests(2), again(2), 'persistent receive')
      end

C     MPI-1 attributes are integers.
      subroutine attributes(step, comm, keyval)
      use check
      implicit none
      include 'mpif.h'
      integer step, comm, keyval, ierr, value, second
      logical flag

      call mpi_attr_put(comm, keyval, 5 - step, ierr)
      call check_ok(ierr, 'attr_put')
      call mpi_attr_put(comm, keyval, -step, ierr)
      call mpi_attr_get(comm, keyval, value, flag, ierr)
      call check_true(flag, 'attribute set')
      call check_int(value, -step, 'attribute')
      call mpi_comm_dup(comm, second, ierr)
      call mpi_attr_get(second, keyval, value, flag, ierr)
      call check_true(flag, 'attribute copied')
      call check_int(value, -step - 1, 'copied attribute')
      call mpi_comm_free(second, ierr)
      call mpi_attr_delete(comm, keyval, ierr)
      call check_ok(ierr, 'attr_delete')
      call mpi_attr_get(comm, keyval, value, flag, ierr)
      call check_true(.not. flag, 'attribute deleted')
      call mpi_attr_get(MPI_COMM_WORLD, MPI_TAG_UB, value, flag, ierr)
      call check_true(flag .and. value .ge. 32767, 'MPI_TAG_UB')
      end

      subroutine copy_fn(comm, keyval, extra, in, out, flag, ierr)
      implicit none
      include 'mpif.h'
      integer comm, keyval, extra, in, out, ierr
      logical flag
      integer copies, deletes, errors, seen
      common /counters/ copies, deletes, errors, seen

      ierr = MPI_SUCCESS
      if (extra .ne. 77) ierr = MPI_ERR_OTHER
      out = in - 1
      flag = .true.
      copies = copies + 1
      end

      subroutine delete_fn(comm, keyval, value, extra, ierr)
      implicit none
      include 'mpif.h'
      integer comm, keyval, value, extra, ierr
      integer copies, deletes, errors, seen
      common /counters/ copies, deletes, errors, seen

      ierr = MPI_SUCCESS
      if (extra .ne. 77) ierr = MPI_ERR_OTHER
      deletes = deletes + 1
      end

C     A rank that does not exist is an error of the communicator.
      subroutine handled(step, comm, size)
      use check
      implicit none
      include 'mpif.h'
      integer step, comm, size, ierr, class, error
      integer copies, deletes, errors, seen
      common /counters/ copies, deletes, errors, seen

      seen = comm
      call mpi_send(step, 1, MPI_INTEGER, size + 5, 1, comm, error)
      call check_true(error .ne. MPI_SUCCESS, 'error returned')
      call mpi_error_class(error, class, ierr)
      call check_int(class, MPI_ERR_RANK, 'error class')
      call check_int(seen, MPI_ERR_RANK, 'error class in the handler')
      end

      subroutine handler_fn(comm, error)
      implicit none
      include 'mpif.h'
      integer comm, error, ierr
      integer copies, deletes, errors, seen
      common /counters/ copies, deletes, errors, seen

      if (comm .eq. seen) call mpi_error_class(error, seen, ierr)
      errors = errors + 1
      end
