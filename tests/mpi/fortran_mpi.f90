! SPDX-License-Identifier: BSD-3-Clause
!
! "use mpi": collectives with MPI_IN_PLACE and user operations, groups and communicators,
! attributes of communicators and types with callbacks, error handlers, generalized
! requests, names, info and strings, probes.  What is made before the loop is used in every
! step, so it has to come back at a restart.
module fortran_mpi_callbacks
  use mpi
  use check
  implicit none
  integer, parameter :: aint = MPI_ADDRESS_KIND
  integer :: copies = 0, deletes = 0, type_copies = 0, type_deletes = 0, errors = 0
  integer :: queries = 0, frees = 0, cancels = 0, last_error = MPI_SUCCESS
  integer(aint), parameter :: secret = 1099511627776_aint + 42_aint
contains

  ! a polynomial product modulo a prime: associative, not commutative in its second part
  subroutine affine(in, inout, len, datatype)
    integer, intent(in) :: len, datatype
    integer(int64), intent(in) :: in(2, *)
    integer(int64), intent(inout) :: inout(2, *)
    integer :: i, bytes, ierr
    integer(int64), parameter :: p = 1000003_int64

    call mpi_type_size(datatype, bytes, ierr)
    call check_int(bytes, 16, 'type seen by a user operation')
    do i = 1, len
      inout(2, i) = mod(in(2, i) * inout(1, i) + inout(2, i), p)
      inout(1, i) = mod(in(1, i) * inout(1, i), p)
    end do
  end subroutine

  subroutine comm_copy(comm, keyval, extra, in, out, flag, ierr)
    integer :: comm, keyval, ierr
    integer(aint) :: extra, in, out
    logical :: flag

    call check_true(extra == secret, 'extra state of a copy')
    out = in + 1
    flag = mod(in, 2_aint) == 0
    copies = copies + 1
    ierr = MPI_SUCCESS
    if (.false.) comm = keyval
  end subroutine

  subroutine comm_delete(comm, keyval, value, extra, ierr)
    integer :: comm, keyval, ierr
    integer(aint) :: value, extra

    call check_true(extra == secret, 'extra state of a deletion')
    deletes = deletes + 1
    ierr = MPI_SUCCESS
    if (.false.) comm = keyval + int(value)
  end subroutine

  subroutine type_copy(datatype, keyval, extra, in, out, flag, ierr)
    integer :: datatype, keyval, ierr
    integer(aint) :: extra, in, out
    logical :: flag

    out = in + extra
    flag = .true.
    type_copies = type_copies + 1
    ierr = MPI_SUCCESS
    if (.false.) datatype = keyval
  end subroutine

  subroutine type_delete(datatype, keyval, value, extra, ierr)
    integer :: datatype, keyval, ierr
    integer(aint) :: value, extra

    type_deletes = type_deletes + 1
    ierr = MPI_SUCCESS
    if (.false.) datatype = keyval + int(value + extra)
  end subroutine

  subroutine on_error(comm, error)
    integer :: comm, error, ierr, n

    call mpi_comm_size(comm, n, ierr)
    call check_ok(ierr, 'communicator given to the error handler')
    last_error = error
    errors = errors + 1
  end subroutine

  subroutine query(extra, status, ierr)
    integer(aint) :: extra
    integer :: status(MPI_STATUS_SIZE), ierr

    call mpi_status_set_elements(status, MPI_INTEGER, int(extra), ierr)
    call mpi_status_set_cancelled(status, .false., ierr)
    status(MPI_SOURCE) = 5
    status(MPI_TAG) = 6
    queries = queries + 1
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

    call check_true(.not. complete, 'not complete when cancelled')
    cancels = cancels + 1
    extra = extra + 0
    ierr = MPI_SUCCESS
  end subroutine
end module

program fortran_mpi
  use mpi
  use check
  use fortran_mpi_callbacks
  implicit none
  integer :: rank, size, ierr, step, steps
  integer :: pair, op, half, cart, dup, keyval, type_keyval, handler, info, odd
  integer(aint) :: value
  logical :: flag

  call mpi_init(ierr)
  call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
  call mpi_comm_size(MPI_COMM_WORLD, size, ierr)
  steps = check_begin('fortran_mpi', 2000)
  call prepare()
  do step = 1, steps
    call in_place(step)
    call user_operation(step)
    call communicators(step)
    call attributes(step)
    call type_attributes(step)
    call error_handler(step)
    call generalized(step)
    call strings(step)
    call probes(step)
    call types_of_collectives(step)
  end do
  call clean_up()
  call check_end(steps)
  call mpi_finalize(ierr)
contains

  subroutine prepare()
    integer :: world_group, odd_group, i

    call mpi_type_contiguous(2, MPI_INTEGER8, pair, ierr)
    call mpi_type_commit(pair, ierr)
    call check_ok(ierr, 'type_commit')
    call mpi_op_create(affine, .false., op, ierr)
    call check_ok(ierr, 'op_create')
    call mpi_comm_split(MPI_COMM_WORLD, mod(rank, 2), -rank, half, ierr)
    call check_ok(ierr, 'comm_split')
    call mpi_cart_create(MPI_COMM_WORLD, 1, [size], [.true.], .false., cart, ierr)
    call check_ok(ierr, 'cart_create')
    call mpi_comm_group(MPI_COMM_WORLD, world_group, ierr)
    call mpi_group_incl(world_group, size, [(size - i, i=1, size)], odd_group, ierr)
    call check_ok(ierr, 'group_incl')
    call mpi_comm_create(MPI_COMM_WORLD, odd_group, odd, ierr)
    call mpi_group_free(odd_group, ierr)
    call mpi_group_free(world_group, ierr)
    call mpi_comm_dup(MPI_COMM_WORLD, dup, ierr)
    call mpi_comm_create_keyval(comm_copy, comm_delete, keyval, secret, ierr)
    call check_ok(ierr, 'comm_create_keyval')
    call mpi_type_create_keyval(type_copy, type_delete, type_keyval, 3_aint, ierr)
    call check_ok(ierr, 'type_create_keyval')
    call mpi_type_set_attr(pair, type_keyval, 1000_aint, ierr)
    call check_ok(ierr, 'type_set_attr')
    call mpi_comm_set_attr(cart, keyval, -secret, ierr)
    call mpi_comm_create_errhandler(on_error, handler, ierr)
    call check_ok(ierr, 'comm_create_errhandler')
    call mpi_comm_set_errhandler(dup, handler, ierr)
    call mpi_info_create(info, ierr)
    call mpi_info_set(info, 'colour', ' of the sky ', ierr)
    call mpi_comm_set_name(dup, ' a name with blanks  ', ierr)
  end subroutine

  subroutine in_place(step)
    integer, intent(in) :: step
    integer :: a(3), b(4 * size), c(2 * size), i, counts(size), places(size), requests(2)

    a = [step, rank, step * rank]
    call mpi_allreduce(MPI_IN_PLACE, a, 3, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
    call check_int(a(1), step * size, 'sum')
    call check_int(a(3), step * (size * (size - 1) / 2), 'other sum')
    a(1) = rank + step
    if (rank == 0) then
      call mpi_reduce(MPI_IN_PLACE, a, 1, MPI_INTEGER, MPI_MAX, 0, MPI_COMM_WORLD, ierr)
      call check_int(a(1), size - 1 + step, 'maximum')
    else
      call mpi_reduce(a, b, 1, MPI_INTEGER, MPI_MAX, 0, MPI_COMM_WORLD, ierr)
    end if
    b = -1
    b(4 * rank + 1:4 * rank + 4) = [(rank * 100 + step + i, i=1, 4)]
    call mpi_allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, b, 4, MPI_INTEGER, &
      MPI_COMM_WORLD, ierr)
    do i = 0, 4 * size - 1
      call check_int(b(i + 1), i / 4 * 100 + step + mod(i, 4) + 1, 'allgather')
    end do
    counts = 2
    places = [(2 * (size - i), i=1, size)]
    c = -1
    call mpi_allgatherv([rank, step], 2, MPI_INTEGER, c, counts, places, MPI_INTEGER, &
      MPI_COMM_WORLD, ierr)
    call check_int(c(1), size - 1, 'allgatherv')
    call check_int(c(2 * size), step, 'allgatherv')
    call mpi_iallreduce(MPI_IN_PLACE, a, 2, MPI_INTEGER, MPI_MIN, half, requests(1), ierr)
    call mpi_ibarrier(MPI_COMM_WORLD, requests(2), ierr)
    call mpi_waitall(2, requests, MPI_STATUSES_IGNORE, ierr)
    call check_ok(ierr, 'waitall of collectives')
    c = [(step + rank * i, i=1, 2 * size)]
    call mpi_alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, c, 2, MPI_INTEGER, &
      MPI_COMM_WORLD, ierr)
    do i = 1, 2 * size
      call check_int(c(i), step + (i - 1) / 2 * (2 * rank + mod(i - 1, 2) + 1), 'alltoall')
    end do
    call check_note(c(2 * size))
  end subroutine

  subroutine user_operation(step)
    integer, intent(in) :: step
    integer(int64) :: mine(2, 2), got(2, 2), want(2, 2)
    integer :: i, request
    integer(int64), parameter :: p = 1000003_int64

    mine = one(rank, step)
    want = one(0, step)
    do i = 1, size - 1
      got = one(i, step)
      want(2, :) = mod(want(2, :) * got(1, :) + got(2, :), p)
      want(1, :) = mod(want(1, :) * got(1, :), p)
    end do
    if (mod(step, 2) == 0) then
      call mpi_allreduce(mine, got, 2, pair, op, MPI_COMM_WORLD, ierr)
    else
      call mpi_iallreduce(mine, got, 2, pair, op, MPI_COMM_WORLD, request, ierr)
      call mpi_wait(request, MPI_STATUS_IGNORE, ierr)
    end if
    call check_ok(ierr, 'allreduce with a user operation')
    call check_true(all(got == want), 'result of a user operation')
    want = one(size, step)
    call mpi_reduce_local(mine, want, 2, pair, op, ierr)
    call check_ok(ierr, 'reduce_local')
    call check_note(want(2, 1))
    call check_note(got(2, 2))
  end subroutine

  function one(r, step) result(x)
    integer, intent(in) :: r, step
    integer(int64) :: x(2, 2)

    x = reshape([3_int64 + r, 5_int64 * step + r, 7_int64 + step, 11_int64 * r], [2, 2])
  end function

  subroutine communicators(step)
    integer, intent(in) :: step
    integer :: n, me, left, right, total, coordinates(1), group, other, result, new
    integer :: ranges(3, 1), request

    call mpi_comm_size(half, n, ierr)
    call mpi_comm_rank(half, me, ierr)
    total = rank
    call mpi_bcast(total, 1, MPI_INTEGER, n - 1, half, ierr)
    call check_int(total, mod(rank, 2), 'root of a half')
    call mpi_cart_shift(cart, 0, 1, left, right, ierr)
    call mpi_cart_coords(cart, rank, 1, coordinates, ierr)
    call check_int(coordinates(1), rank, 'coordinate')
    call check_int(right, mod(rank + 1, size), 'right neighbour')
    call mpi_comm_rank(odd, me, ierr)
    call check_int(me, size - 1 - rank, 'rank in the reverse communicator')
    if (mod(step, 50) /= 1) return
    call mpi_comm_group(odd, group, ierr)
    ranges(:, 1) = [size - 1, 0, -1]
    call mpi_group_range_incl(group, 1, ranges, other, ierr)
    call check_ok(ierr, 'group_range_incl')
    call mpi_group_union(other, group, new, ierr)
    call mpi_group_compare(new, other, result, ierr)
    call check_int(result, MPI_IDENT, 'union')
    call mpi_group_free(new, ierr)
    call mpi_group_intersection(group, other, new, ierr)
    call mpi_group_compare(new, group, result, ierr)
    call check_int(result, MPI_IDENT, 'intersection')
    call mpi_group_free(new, ierr)
    call mpi_group_difference(group, other, new, ierr)
    call check_int(new, MPI_GROUP_EMPTY, 'difference')
    call mpi_group_excl(group, 1, [0], new, ierr)
    call mpi_group_size(new, n, ierr)
    call check_int(n, size - 1, 'size without one')
    if (n > 0) call mpi_group_free(new, ierr)
    ranges(:, 1) = [0, size - 1, 1]
    call mpi_group_range_excl(group, 1, ranges, new, ierr)
    call mpi_group_size(new, n, ierr)
    call check_int(n, 0, 'size without all')
    call mpi_comm_idup(MPI_COMM_WORLD, new, request, ierr)
    call mpi_wait(request, MPI_STATUS_IGNORE, ierr)
    call mpi_comm_compare(MPI_COMM_WORLD, new, result, ierr)
    call check_int(result, MPI_CONGRUENT, 'duplicate')
    call mpi_comm_free(new, ierr)
    call check_int(new, MPI_COMM_NULL, 'freed communicator')
    call mpi_group_free(group, ierr)
    call mpi_group_free(other, ierr)
  end subroutine

  ! a copy is made of even values only; the copy is one more
  subroutine attributes(step)
    integer, intent(in) :: step
    integer :: second, copies_before, deletes_before

    copies_before = copies
    deletes_before = deletes
    call mpi_comm_set_attr(dup, keyval, secret + step, ierr)
    call check_ok(ierr, 'comm_set_attr')
    call mpi_comm_dup(dup, second, ierr)
    call check_int(copies, copies_before + 1, 'copies')
    call mpi_comm_get_attr(second, keyval, value, flag, ierr)
    call check_true(flag .eqv. mod(step, 2) == 0, 'attribute copied')
    if (flag) call check_true(value == secret + step + 1, 'copied attribute')
    call mpi_comm_free(second, ierr)
    call mpi_comm_get_attr(dup, keyval, value, flag, ierr)
    call check_true(flag .and. value == secret + step, 'attribute')
    call mpi_comm_delete_attr(dup, keyval, ierr)
    call check_int(deletes, deletes_before + merge(2, 1, mod(step, 2) == 0), 'deletions')
    call mpi_comm_get_attr(dup, keyval, value, flag, ierr)
    call check_true(.not. flag, 'attribute deleted')
    call mpi_comm_get_attr(cart, keyval, value, flag, ierr)
    call check_true(flag .and. value == -secret, 'attribute that stays')
    call mpi_comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, flag, ierr)
    call check_true(flag .and. value >= 32767 .and. value <= huge(step), 'MPI_TAG_UB')
  end subroutine

  subroutine type_attributes(step)
    integer, intent(in) :: step
    integer :: second, third

    call mpi_type_dup(pair, second, ierr)
    call mpi_type_dup(second, third, ierr)
    call mpi_type_get_attr(third, type_keyval, value, flag, ierr)
    call check_true(flag .and. value == 1006, 'attribute of a type')
    call mpi_type_set_attr(third, type_keyval, int(step, aint), ierr)
    call mpi_type_delete_attr(second, type_keyval, ierr)
    call mpi_type_get_attr(third, type_keyval, value, flag, ierr)
    call check_true(flag .and. value == step, 'new attribute of a type')
    call mpi_type_free(second, ierr)
    call mpi_type_free(third, ierr)
    call check_int(type_copies, 2 * step, 'copies of a type''s attribute')
    call check_int(type_deletes, 3 * step, 'deletions of a type''s attribute')
  end subroutine

  subroutine error_handler(step)
    integer, intent(in) :: step
    integer :: class, length, current, error
    character(len=MPI_MAX_ERROR_STRING) :: text

    call mpi_send(step, 1, MPI_INTEGER, 0, -7, dup, ierr)
    error = ierr
    call mpi_error_class(error, class, ierr)
    call check_int(class, MPI_ERR_TAG, 'class of a wrong tag')
    call mpi_error_string(last_error, text, length, ierr)
    call check_true(index(text(:length), 'MPI_ERR_TAG') > 0, 'text of a wrong tag')
    call mpi_comm_call_errhandler(dup, MPI_ERR_OTHER, ierr)
    call check_ok(ierr, 'comm_call_errhandler')
    call check_int(last_error, MPI_ERR_OTHER, 'error in the handler')
    call check_int(errors, 2 * step, 'errors')
    call mpi_comm_get_errhandler(dup, current, ierr)
    call check_int(current, handler, 'error handler of a communicator')
    if (current /= handler) call mpi_errhandler_free(current, ierr)
  end subroutine

  subroutine generalized(step)
    integer, intent(in) :: step
    integer :: request, status(MPI_STATUS_SIZE), n

    call mpi_grequest_start(query, free_state, cancel, int(mod(step, 9), aint), request, ierr)
    call check_ok(ierr, 'grequest_start')
    call mpi_test(request, flag, status, ierr)
    call check_true(.not. flag, 'generalized request not yet complete')
    call mpi_cancel(request, ierr)
    call mpi_grequest_complete(request, ierr)
    call mpi_wait(request, status, ierr)
    call check_ok(ierr, 'wait for a generalized request')
    call mpi_get_elements(status, MPI_INTEGER, n, ierr)
    call check_int(n, mod(step, 9), 'elements of a generalized request')
    call check_int(status(MPI_TAG), 6, 'tag of a generalized request')
    call check_int(frees, step, 'generalized requests freed')
    call check_int(cancels, step, 'generalized requests cancelled')
    call check_int(request, MPI_REQUEST_NULL, 'generalized request')
  end subroutine

  subroutine strings(step)
    integer, intent(in) :: step
    integer :: length, second, n
    character(len=20) :: text
    character(len=MPI_MAX_OBJECT_NAME) :: name
    character(len=MPI_MAX_PROCESSOR_NAME) :: host

    call mpi_info_get(info, 'colour', 20, text, flag, ierr)
    call check_true(flag .and. text == 'of the sky', 'info value: ' // text)
    call mpi_info_get_valuelen(info, 'colour', length, flag, ierr)
    call check_int(length, 10, 'length of an info value')
    write (text, '(i0)') step
    call mpi_info_dup(info, second, ierr)
    call mpi_info_set(second, 'step ' // text, text, ierr)
    call mpi_info_get_nkeys(second, n, ierr)
    call check_int(n, 2, 'keys')
    call mpi_info_get_nthkey(second, 1, name, ierr)
    call check_true(name == 'step ' // text, 'key: ' // name)
    call mpi_info_delete(second, 'colour', ierr)
    call mpi_info_get(second, 'colour', 20, text, flag, ierr)
    call check_true(.not. flag, 'deleted key')
    call mpi_info_free(second, ierr)
    call check_int(second, MPI_INFO_NULL, 'freed info')
    call mpi_comm_get_name(dup, name, length, ierr)
    call check_true(name(:length) == 'a name with blanks', 'name: ' // name)
    call mpi_type_get_name(MPI_DOUBLE_PRECISION, name, length, ierr)
    call check_true(name == 'MPI_DOUBLE_PRECISION', 'name of a type: ' // name)
    call mpi_get_processor_name(host, length, ierr)
    call check_true(length > 0 .and. host(length + 1:) == ' ', 'processor name')
  end subroutine

  subroutine probes(step)
    integer, intent(in) :: step
    integer :: left, right, request, message, n, status(MPI_STATUS_SIZE)
    real :: a(50), b(50)

    left = mod(rank + size - 1, size)
    right = mod(rank + 1, size)
    a = step
    call mpi_isend(a, mod(step, 50), MPI_REAL, right, 3, odd, request, ierr)
    call mpi_mprobe(MPI_ANY_SOURCE, 3, odd, message, status, ierr)
    call check_int(status(MPI_SOURCE), right, 'source probed') ! its ranks are reversed
    call mpi_get_count(status, MPI_REAL, n, ierr)
    call check_int(n, mod(step, 50), 'count probed')
    call mpi_mrecv(b, n, MPI_REAL, message, status, ierr)
    call check_int(message, MPI_MESSAGE_NULL, 'message received')
    call check_true(all(b(:n) == step), 'message probed')
    call mpi_wait(request, MPI_STATUS_IGNORE, ierr)
    call mpi_sendrecv_replace(a, 50, MPI_REAL, right, 4, left, 4, MPI_COMM_WORLD, status, ierr)
    call check_ok(ierr, 'sendrecv_replace')
    call mpi_recv(b, 1, MPI_REAL, MPI_PROC_NULL, 4, MPI_COMM_WORLD, status, ierr)
    call check_int(status(MPI_SOURCE), MPI_PROC_NULL, 'source of no message')
  end subroutine

  ! alltoallw, and types that depend on kinds and sizes
  subroutine types_of_collectives(step)
    integer, intent(in) :: step
    integer :: counts(size), places(size), types(size), i, matched, request, bytes
    real(8) :: a(size), b(size)

    counts = 1
    places = [(8 * i, i=0, size - 1)]
    call mpi_type_match_size(MPI_TYPECLASS_REAL, 8, matched, ierr)
    call check_int(matched, MPI_REAL8, 'matching type')
    types = matched
    a = [(step + rank * 0.25d0 + i, i=1, size)]
    b = 0
    if (mod(step, 2) == 0) then
      call mpi_alltoallw(a, counts, places, types, b, counts, places, types, &
        MPI_COMM_WORLD, ierr)
    else
      call mpi_ialltoallw(a, counts, places, types, b, counts, places, types, &
        MPI_COMM_WORLD, request, ierr)
      call mpi_wait(request, MPI_STATUS_IGNORE, ierr)
    end if
    call check_ok(ierr, 'alltoallw')
    call check_true(all(b == [(step + i * 0.25d0 + rank + 1, i=0, size - 1)]), 'alltoallw')
    call mpi_alltoallw(MPI_IN_PLACE, counts, places, types, b, counts, places, types, &
      MPI_COMM_WORLD, ierr)
    call check_true(all(b == [(step + rank * 0.25d0 + i, i=1, size)]), 'alltoallw back')
    call mpi_type_create_f90_real(15, MPI_UNDEFINED, matched, ierr)
    call check_ok(ierr, 'type_create_f90_real')
    call mpi_type_size(matched, bytes, ierr)
    call check_int(bytes, 8, 'size of a real type')
    call mpi_sizeof(a(1), bytes, ierr)
    call check_int(bytes, 8, 'mpi_sizeof')
  end subroutine

  subroutine clean_up()
    call mpi_comm_free(cart, ierr)
    call check_int(copies, steps, 'copies of attributes')
    call mpi_comm_free_keyval(keyval, ierr)
    call check_int(keyval, MPI_KEYVAL_INVALID, 'freed keyval')
    call mpi_type_free(pair, ierr)
    call check_int(type_deletes, 3 * steps + 1, 'deletions at the end')
    call mpi_type_free_keyval(type_keyval, ierr)
    call mpi_op_free(op, ierr)
    call check_int(op, MPI_OP_NULL, 'freed operation')
    call mpi_errhandler_free(handler, ierr)
    call mpi_comm_free(half, ierr)
    call mpi_comm_free(odd, ierr)
    call mpi_comm_free(dup, ierr)
    call mpi_info_free(info, ierr)
    call check_int(queries, steps, 'queries')
  end subroutine
end program
