# SPDX-License-Identifier: BSD-3-Clause
"""
mpi4py: an interpreter that loads MPI at run time.  Objects and buffers, collectives of all
shapes, operations, attributes, error handlers and generalized requests with Python functions,
topologies, derived datatypes, persistent requests, windows, info and names.  What is made
before the loop is used in every step.  Rank 0 ends with a digest line as the C programs do.
"""
import sys
import zlib

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
left, right = (rank - 1) % size, (rank + 1) % size
digest = rank + 1
counts = {'copy': 0, 'delete': 0, 'free': 0}


def check(found, expected, what):
    if found != expected:
        sys.stderr.write(f'mpi4py_job: rank {rank}: {what}: found {found!r}, '
                         f'expected {expected!r}\n')
        world.Abort(1)


def note(value):
    global digest
    digest = zlib.crc32(repr((digest, value)).encode())


def steps_wanted(default):
    if len(sys.argv) < 2:
        return default
    text = sys.argv[1]
    value = float(text[:-1]) * default / 100 if text.endswith('%') else float(text)
    return max(1, int(value))


def larger(in_memory, inout_memory, datatype):
    check(datatype.Get_size(), 8, 'type seen by an operation')
    a, b = (np.frombuffer(m, dtype='i8') for m in (in_memory, inout_memory))
    np.maximum(a, b, out=b)


def on_copy(comm, keyval, value):
    counts['copy'] += 1
    return value + ['copied']


def on_delete(comm, keyval, value):
    counts['delete'] += 1


def on_query(status, text):
    status.source, status.tag = 3, len(text)
    status.Set_elements(MPI.BYTE, len(text))
    status.Set_cancelled(False)


def on_free(text):
    counts['free'] += 1


steps = steps_wanted(800)
ring = world.Create_cart([size], periods=[True])
graph = world.Create_dist_graph_adjacent([left], [right])
half = world.Split(rank % 2, -rank)
odd = world.Create(world.group.Incl(list(range(size - 1, -1, -1))))
operation = MPI.Op.Create(larger, commute=True)
keyval = MPI.Comm.Create_keyval(on_copy, on_delete)
column = MPI.DOUBLE.Create_vector(20, 1, 10).Commit()
record = MPI.Datatype.Create_struct([1, 2], [0, 8], [MPI.INT, MPI.DOUBLE]).Commit()
info = MPI.Info.Create()
info['colour'] = 'blue'
world_dup = world.Dup()
world_dup.name = 'a name'
world_dup.Set_errhandler(MPI.ERRORS_RETURN)
kept_out, kept_in = np.zeros(3), np.zeros(3)
kept = [world.Send_init(kept_out, right, 8), world.Recv_init(kept_in, left, 8)]


def objects(step):
    request = world.isend({'step': step, 'from': rank}, right, 1)
    status = MPI.Status()
    world.probe(left, 1, status)
    got = world.recv(source=left, tag=MPI.ANY_TAG, status=status)
    request.wait()
    check((got, status.source, status.tag), ({'step': step, 'from': left}, left, 1), 'object')
    check(world.allgather(rank * step), [r * step for r in range(size)], 'allgather')
    check(world.bcast(step if rank == 0 else None), step, 'bcast')
    check(world.scatter([[step, r] for r in range(size)] if rank == 0 else None),
          [step, rank], 'scatter')
    check(world.allreduce({rank}, op=lambda a, b: a | b), set(range(size)), 'allreduce')
    message = world.improbe(tag=777)
    check(message, None, 'no message')


def buffers(step):
    matrix = np.full((20, 10), float(rank))
    matrix[:, 3] = np.arange(20) + step
    out = np.zeros(20)
    ring.Sendrecv([matrix.ravel()[3:], 1, column], right, 2, [out, MPI.DOUBLE], left, 2)
    check(out.sum(), float(190 + 20 * step), 'column')
    packed = np.zeros(3)
    packed.view('i4')[0], packed[1], packed[2] = step, 0.5 * rank, step + 0.25
    got = np.zeros(3)
    graph.Neighbor_alltoall([packed, 1, record], [got, 1, record])
    check((got.view('i4')[0], got[1], got[2]), (step, 0.5 * left, step + 0.25), 'record')
    a = np.array([rank * step, -rank], 'i8')
    b = np.zeros(2, 'i8')
    world.Allreduce(a, b, op=operation)
    check(b.tolist(), [(size - 1) * step, 0], 'operation')
    request = half.Iallreduce(MPI.IN_PLACE, [a, MPI.INT64_T], op=MPI.SUM)
    all_of_them = np.zeros(2 * size, 'i8')
    world.Allgatherv(b, [all_of_them, [2] * size])
    request.Wait()
    check(a.tolist(), [step * sum(range(rank % 2, size, 2)), -sum(range(rank % 2, size, 2))],
          'sum of a half')
    check(odd.rank, size - 1 - rank, 'rank in the reverse communicator')
    note(a.tolist())


def requests(step):
    kept_out[:] = step + rank
    MPI.Prequest.Startall(kept)
    MPI.Request.Waitall(kept)
    check(kept_in.tolist(), [float(step + left)] * 3, 'persistent message')
    boxes = [np.zeros(1, 'i4') for _ in range(4)]
    pending = [world.Irecv(b, left, 20 + i) for i, b in enumerate(boxes)]
    pending += [world.Isend(np.array([step + i], 'i4'), right, 20 + i) for i in range(4)]
    while any(pending):
        index = MPI.Request.Waitany(pending)
        check(0 <= index < 8, True, 'index')
    check([int(b[0]) for b in boxes], [step + i for i in range(4)], 'messages')
    request = MPI.Grequest.Start(on_query, on_free, None, ('x' * (step % 9),))
    check(request.Test(), False, 'generalized request')
    request.Complete()
    status = MPI.Status()
    request.Wait(status)
    check((status.tag, status.Get_elements(MPI.BYTE)), (step % 9, step % 9), 'its status')
    check(counts['free'], step, 'generalized requests freed')


def attributes(step):
    world_dup.Set_attr(keyval, [step])
    second = world_dup.Dup()
    check(second.Get_attr(keyval), [step, 'copied'], 'attribute copied')
    second.Free()
    world_dup.Delete_attr(keyval)
    check((counts['copy'], counts['delete']), (step, 2 * step), 'attribute functions')
    check(info['colour'], 'blue', 'info')
    check(world_dup.name, 'a name', 'name')
    check(world.Get_attr(MPI.TAG_UB) >= 32767, True, 'MPI.TAG_UB')
    try:
        world_dup.Send(np.zeros(1), dest=size + 2)
    except MPI.Exception as error:
        check(error.Get_error_class(), MPI.ERR_RANK, 'class of an error')
    else:
        check('no error', 'an error', 'send to nobody')


# windows: one of memory that MPI gives, one of numpy's (Open MPI 4.1 has none for one process)
win = MPI.Win.Allocate(8 * size + 64, 8, comm=world)
memory = np.frombuffer(win.tomemory(), dtype='i8')
memory[:] = 0
win.name = 'a window'
shared = MPI.Win.Allocate_shared(80, 8, comm=world)
shared_memory = np.frombuffer(shared.tomemory(), dtype='i8')
shared_memory[:] = rank
beside = np.frombuffer(shared.Shared_query(right)[0], dtype='i8')
shared.Lock_all()
own = np.zeros(4)
created = MPI.Win.Create(own, 8, comm=world) if size > 1 else None
world.Barrier()


def windows(step):
    win.Fence()
    win.Put(np.array([step * 100 + rank]), right, [rank, 1, MPI.LONG])
    win.Accumulate(np.ones(8, 'i8'), right, [size, 8, MPI.LONG], op=MPI.SUM)
    win.Fence()
    check(memory[left], step * 100 + left, 'what was put')
    check(memory[size:].tolist(), [step] * 8, 'accumulated')
    note(memory.tolist())
    old = np.zeros(1, 'i8')
    shared.Fetch_and_op(np.ones(1, 'i8'), old, right, 3, op=MPI.SUM)
    shared.Flush(right)
    check(int(old[0]), right + step - 1, 'fetched')
    shared.Sync()
    world.Barrier()
    check(int(beside[3]), right + step, 'memory of the neighbour')
    check(int(shared_memory[3]), rank + step, 'own memory')
    if created:
        created.Lock(right, MPI.LOCK_EXCLUSIVE)
        request = created.Rput(np.full(4, float(step + rank)), right)
        request.Wait()
        created.Unlock(right)
        world.Barrier()
        check(own.tolist(), [float(step + left)] * 4, 'own array')
        check(created.Get_attr(MPI.WIN_SIZE), 32, 'size')
    check((win.name, win.flavor, win.model), ('a window', MPI.WIN_FLAVOR_ALLOCATE,
                                              MPI.WIN_UNIFIED), 'window')
    world.Barrier()


for step in range(1, steps + 1):
    windows(step)
    objects(step)
    buffers(step)
    requests(step)
    attributes(step)
for request in kept:
    request.Free()
shared.Unlock_all()
for window in (win, shared, created):
    if window:
        window.Free()
digests = world.gather(digest)
if rank == 0:
    for value in digests:
        note(value)
    print(f'digest mpi4py_job np={size} steps={steps} {digest:08x}', flush=True)
