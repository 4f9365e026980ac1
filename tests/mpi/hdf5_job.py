# SPDX-License-Identifier: BSD-3-Clause
"""
HDF5 through h5py: a file that stays open, is written in every step, flushed sometimes, and
whose dataset grows, by each rank; and one that is opened, appended to and closed.
"""
import os
import sys
import time
import zlib

import h5py
import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
digest = rank + 1


def check(condition, what):
    if not condition:
        sys.stderr.write(f'hdf5_job: rank {rank}: {what}: wrong\n')
        world.Abort(1)


def steps_wanted(default):
    if len(sys.argv) < 2:
        return default
    text = sys.argv[1]
    value = float(text[:-1]) * default / 100 if text.endswith('%') else float(text)
    return max(1, int(value))


def row(step):
    return np.arange(100, dtype='f8') * (step + 1) + rank


steps = steps_wanted(400)
kept = h5py.File(f'kept.{rank}.h5', 'w')
rows = kept.create_dataset('rows', (0, 100), maxshape=(None, 100), chunks=(4, 100),
                           compression='gzip', dtype='f8')
grid = kept.create_dataset('grid', (64, 64), dtype='i8')
model = np.zeros((64, 64), 'i8')
with h5py.File(f'closed.{rank}.h5', 'w') as closed:
    closed.attrs['steps'] = 0

for step in range(steps):
    rows.resize(step + 1, axis=0)
    rows[step] = row(step)
    at = zlib.crc32(repr((rank, step)).encode())
    model[at % 64, at // 64 % 64] = grid[at % 64, at // 64 % 64] = at
    if step % 9 == 4:
        kept.flush()
    if step % 5 == 0:
        with h5py.File(f'closed.{rank}.h5', 'r+') as closed:
            check(closed.attrs['steps'] == step // 5, 'the number of steps')
            closed.attrs['steps'] = step // 5 + 1
            closed[f'step {step}'] = row(step)
    if step % 40 == 20:
        check(np.array_equal(grid[...], model), 'the grid')
        for i in range(0, step + 1, 3):
            check(np.array_equal(rows[i], row(i)), f'row {i}')
        with h5py.File(f'closed.{rank}.h5', 'r') as closed:
            for i in range(0, step + 1, 5):
                check(np.array_equal(closed[f'step {i}'], row(i)), f'step {i}')
    digest = zlib.crc32(repr((digest, int(grid[at % 64, 0]))).encode())
    if step % 10 == 0:
        world.Barrier()
    time.sleep(0.002)

kept.close()
with h5py.File(f'kept.{rank}.h5', 'r') as kept:  # what is in it, not where it lies
    check(np.array_equal(kept['grid'][...], model), 'the grid')
    check(kept['rows'].shape == (steps, 100), 'the number of rows')
    for i in range(steps):
        check(np.array_equal(kept['rows'][i], row(i)), f'row {i}')
for name in (f'kept.{rank}.h5', f'closed.{rank}.h5'):
    os.unlink(name)
digests = world.gather(digest)
if rank == 0:
    text = zlib.crc32(repr(digests).encode())
    print(f'digest hdf5_job np={size} steps={steps} {text:08x}', flush=True)
