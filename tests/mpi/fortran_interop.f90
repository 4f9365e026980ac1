! SPDX-License-Identifier: BSD-3-Clause
!
! Fortran and C in one program: the numbers of predefined handles, handles and statuses
! converted, attributes set in one language and read in the other, a Fortran operation used
! by C, MPI's own copy functions.
module fortran_interop_c
  use iso_c_binding
  implicit none
  interface
    type(c_ptr) function c_comm(f) bind(C, name='MPI_Comm_f2c')
      import :: c_ptr, c_int
      integer(c_int), value :: f
    end function
    integer(c_int) function f_comm(c) bind(C, name='MPI_Comm_c2f')
      import :: c_ptr, c_int
      type(c_ptr), value :: c
    end function
    type(c_ptr) function c_type(f) bind(C, name='MPI_Type_f2c')
      import :: c_ptr, c_int
      integer(c_int), value :: f
    end function
    integer(c_int) function f_type(c) bind(C, name='MPI_Type_c2f')
      import :: c_ptr, c_int
      type(c_ptr), value :: c
    end function
    type(c_ptr) function c_op(f) bind(C, name='MPI_Op_f2c')
      import :: c_ptr, c_int
      integer(c_int), value :: f
    end function
    integer(c_int) function f_op(c) bind(C, name='MPI_Op_c2f')
      import :: c_ptr, c_int
      type(c_ptr), value :: c
    end function
    integer(c_int) function c_set_attr(comm, keyval, value) bind(C, name='MPI_Comm_set_attr')
      import :: c_ptr, c_int
      type(c_ptr), value :: comm, value
      integer(c_int), value :: keyval
    end function
    integer(c_int) function c_get_attr(comm, keyval, value, flag) &
      bind(C, name='MPI_Comm_get_attr')
      import :: c_ptr, c_int
      type(c_ptr), value :: comm
      integer(c_int), value :: keyval
      type(c_ptr) :: value
      integer(c_int) :: flag
    end function
    integer(c_int) function c_allreduce(in, out, count, datatype, op, comm) &
      bind(C, name='MPI_Allreduce')
      import :: c_ptr, c_int
      type(c_ptr), value :: in, out, datatype, op, comm
      integer(c_int), value :: count
    end function
    integer(c_int) function c_status(f, c) bind(C, name='MPI_Status_f2c')
      import :: c_int
      integer(c_int) :: f(*), c(*)
    end function
    integer(c_int) function f_status(c, f) bind(C, name='MPI_Status_c2f')
      import :: c_int
      integer(c_int) :: f(*), c(*)
    end function
    integer(c_int) function c_get_count(status, datatype, count) bind(C, name='MPI_Get_count')
      import :: c_ptr, c_int
      integer(c_int) :: status(*), count
      type(c_ptr), value :: datatype
    end function
  end interface
contains

  subroutine larger(in, inout, len, datatype)
    integer, intent(in) :: len, datatype, in(len)
    integer, intent(inout) :: inout(len)

    inout = max(in, inout)
    if (.false.) print *, datatype
  end subroutine
end module

program fortran_interop
  use mpi
  use check
  use iso_c_binding
  use fortran_interop_c
  implicit none
  integer, parameter :: aint = MPI_ADDRESS_KIND
  integer :: rank, size, ierr, step, steps, dup, old_keyval, keyval, op
  integer, target :: target_of_c = 17

  call mpi_init(ierr)
  call mpi_comm_rank(MPI_COMM_WORLD, rank, ierr)
  call mpi_comm_size(MPI_COMM_WORLD, size, ierr)
  steps = check_begin('fortran_interop', 8000)
  call mpi_comm_dup(MPI_COMM_WORLD, dup, ierr)
  call mpi_keyval_create(MPI_DUP_FN, MPI_NULL_DELETE_FN, old_keyval, 0, ierr)
  call mpi_comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, keyval, 0_aint, ierr)
  call check_ok(ierr, 'comm_create_keyval')
  call mpi_op_create(larger, .true., op, ierr)
  do step = 1, steps
    if (mod(step, 100) == 1) call predefined()
    call values(step)
    call duplicates(step)
    call operations(step)
    call statuses(step)
  end do
  call mpi_comm_free_keyval(old_keyval, ierr)
  call mpi_comm_free_keyval(keyval, ierr)
  call mpi_comm_free(dup, ierr)
  call check_end(steps)
  call mpi_finalize(ierr)
contains

  subroutine same_type(number, name)
    integer, intent(in) :: number
    character(len=*), intent(in) :: name
    character(len=MPI_MAX_OBJECT_NAME) :: found
    integer :: length

    call check_int(f_type(c_type(number)), number, name)
    call mpi_type_get_name(number, found, length, ierr)
    call check_true(found == name, 'name of ' // name // ': ' // found)
  end subroutine

  subroutine same_op(number, a, b, want, name)
    integer, intent(in) :: number, a, b, want
    character(len=*), intent(in) :: name
    integer :: result

    call check_int(f_op(c_op(number)), number, name)
    result = b
    call mpi_reduce_local([a], result, 1, MPI_INTEGER, number, ierr)
    call check_int(result, want, name)
  end subroutine

  subroutine predefined()
    character(len=MPI_MAX_OBJECT_NAME) :: name
    integer :: length, errhandler

    call check_int(f_comm(c_comm(MPI_COMM_WORLD)), MPI_COMM_WORLD, 'MPI_COMM_WORLD')
    call mpi_comm_get_name(MPI_COMM_SELF, name, length, ierr)
    call check_true(name == 'MPI_COMM_SELF', 'name of MPI_COMM_SELF')
    call check_int(f_comm(c_comm(MPI_COMM_NULL)), MPI_COMM_NULL, 'MPI_COMM_NULL')
    call same_type(MPI_BYTE, 'MPI_BYTE')
    call same_type(MPI_PACKED, 'MPI_PACKED')
    call same_type(MPI_CHARACTER, 'MPI_CHARACTER')
    call same_type(MPI_LOGICAL, 'MPI_LOGICAL')
    call same_type(MPI_INTEGER, 'MPI_INTEGER')
    call same_type(MPI_INTEGER1, 'MPI_INTEGER1')
    call same_type(MPI_INTEGER2, 'MPI_INTEGER2')
    call same_type(MPI_INTEGER4, 'MPI_INTEGER4')
    call same_type(MPI_INTEGER8, 'MPI_INTEGER8')
    call same_type(MPI_REAL, 'MPI_REAL')
    call same_type(MPI_REAL4, 'MPI_REAL4')
    call same_type(MPI_REAL8, 'MPI_REAL8')
    call same_type(MPI_DOUBLE_PRECISION, 'MPI_DOUBLE_PRECISION')
    call same_type(MPI_COMPLEX, 'MPI_COMPLEX')
    call same_type(MPI_COMPLEX8, 'MPI_COMPLEX8')
    call same_type(MPI_COMPLEX16, 'MPI_COMPLEX16')
    call same_type(MPI_DOUBLE_COMPLEX, 'MPI_DOUBLE_COMPLEX')
    call same_type(MPI_2INTEGER, 'MPI_2INTEGER')
    call same_type(MPI_2REAL, 'MPI_2REAL')
    call same_type(MPI_2DOUBLE_PRECISION, 'MPI_2DOUBLE_PRECISION')
    call same_type(MPI_AINT, 'MPI_AINT')
    call same_type(MPI_OFFSET, 'MPI_OFFSET')
    call same_op(MPI_SUM, 12, 10, 22, 'MPI_SUM')
    call same_op(MPI_PROD, 12, 10, 120, 'MPI_PROD')
    call same_op(MPI_MAX, 12, 10, 12, 'MPI_MAX')
    call same_op(MPI_MIN, 12, 10, 10, 'MPI_MIN')
    call same_op(MPI_BAND, 12, 10, 8, 'MPI_BAND')
    call same_op(MPI_BOR, 12, 10, 14, 'MPI_BOR')
    call same_op(MPI_BXOR, 12, 10, 6, 'MPI_BXOR')
    call mpi_comm_get_errhandler(MPI_COMM_WORLD, errhandler, ierr)
    call check_int(errhandler, MPI_ERRORS_ARE_FATAL, 'MPI_ERRORS_ARE_FATAL')
  end subroutine

  ! MPI-3.1, 17.2.7: each language reads what the other has set
  subroutine values(step)
    integer, intent(in) :: step
    type(c_ptr) :: pointer
    integer, pointer :: int_value
    integer(aint), pointer :: aint_value
    integer(aint) :: value
    integer :: flag, old_value
    logical :: is_set
    integer(aint), parameter :: large = 2_aint**40

    call mpi_attr_put(dup, old_keyval, -step, ierr)
    call check_int(c_get_attr(c_comm(dup), old_keyval, pointer, flag), 0, 'get in C')
    call check_true(flag /= 0, 'integer attribute')
    call c_f_pointer(pointer, int_value)
    call check_int(int_value, -step, 'integer attribute in C')
    call mpi_comm_get_attr(dup, old_keyval, value, is_set, ierr)
    call check_int(value, int(-step, aint), 'integer attribute, extended')

    call mpi_comm_set_attr(dup, keyval, large + step, ierr)
    call check_int(c_get_attr(c_comm(dup), keyval, pointer, flag), 0, 'get in C')
    call c_f_pointer(pointer, aint_value)
    call check_int(aint_value, large + step, 'address-sized attribute in C')
    call mpi_attr_get(dup, keyval, old_value, is_set, ierr)
    call check_int(old_value, step, 'address-sized attribute, truncated')

    call check_int(c_set_attr(c_comm(dup), keyval, c_loc(target_of_c)), 0, 'set in C')
    call mpi_comm_get_attr(dup, keyval, value, is_set, ierr)
    call check_true(value == transfer(c_loc(target_of_c), value), 'pointer in Fortran')
    call check_int(c_get_attr(c_comm(dup), keyval, pointer, flag), 0, 'get in C')
    call c_f_pointer(pointer, int_value)
    call check_int(int_value, 17, 'pointer in C')

    call check_int(c_get_attr(c_comm(MPI_COMM_WORLD), MPI_TAG_UB, pointer, flag), 0, 'get')
    call c_f_pointer(pointer, int_value)
    call mpi_comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, is_set, ierr)
    call check_int(int(value), int_value, 'MPI_TAG_UB in both')
  end subroutine

  ! MPI's own copy functions, by value and as a pointer
  subroutine duplicates(step)
    integer, intent(in) :: step
    integer :: second, old_value
    integer(aint) :: value
    logical :: is_set

    if (mod(step, 10) /= 0) return
    call mpi_comm_dup(dup, second, ierr)
    call mpi_attr_get(second, old_keyval, old_value, is_set, ierr)
    call check_true(is_set .and. old_value == -step, 'integer attribute copied')
    call mpi_comm_get_attr(second, keyval, value, is_set, ierr)
    call check_true(is_set .and. value == transfer(c_loc(target_of_c), value), &
      'pointer copied')
    call mpi_comm_free(second, ierr)
    call check_note(old_value)
  end subroutine

  subroutine operations(step)
    integer, intent(in) :: step
    integer, target :: in(2), out(2)

    in = [rank * step, -rank]
    out = 0
    call check_int(c_allreduce(c_loc(in), c_loc(out), 2, c_type(MPI_INTEGER), c_op(op), &
      c_comm(dup)), 0, 'Fortran operation used in C')
    call check_int(out(1), (size - 1) * step, 'maximum')
    call check_int(out(2), 0, 'other maximum')
    call check_note(out(1))
  end subroutine

  subroutine statuses(step)
    integer, intent(in) :: step
    integer :: fortran(MPI_STATUS_SIZE), again(MPI_STATUS_SIZE), count
    integer, allocatable :: c(:)
    integer(1) :: buffer(40)

    allocate (c(MPI_STATUS_SIZE))
    buffer = 3
    call mpi_sendrecv_replace(buffer, mod(step, 40), MPI_INTEGER1, mod(rank + 1, size), 9, &
      MPI_ANY_SOURCE, 9, dup, fortran, ierr)
    call check_int(c_status(fortran, c), 0, 'MPI_Status_f2c')
    call check_int(c_get_count(c, c_type(MPI_BYTE), count), 0, 'MPI_Get_count')
    call check_int(count, mod(step, 40), 'count in C')
    call check_int(f_status(c, again), 0, 'MPI_Status_c2f')
    call check_true(all(again == fortran), 'status there and back')
  end subroutine
end program
