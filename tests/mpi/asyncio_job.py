# SPDX-License-Identifier: BSD-3-Clause
"""
An event loop of asyncio that runs all the time: it, and other parts of Python, look whether
the process is still the one that they began in.  Tasks sleep, wait for each other, for a pipe
and for threads; in between there are messages.  Rank 0 ends with a digest line.
"""
import asyncio
import os
import sys
import threading
import zlib

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
digest = rank + 1
process, main_thread = os.getpid(), threading.get_native_id()


def check(found, expected, what):
    if found != expected:
        sys.stderr.write(f'asyncio_job: rank {rank}: {what}: found {found!r}, '
                         f'expected {expected!r}\n')
        world.Abort(1)


def steps_wanted(default):
    if len(sys.argv) < 2:
        return default
    text = sys.argv[1]
    value = float(text[:-1]) * default / 100 if text.endswith('%') else float(text)
    return max(1, int(value))


def in_thread(step):
    return step * 3, threading.get_native_id() != main_thread


async def echo(readable, n):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), readable)
    return [await reader.readline() for _ in range(n)]


async def step_of(step, queue, writable):
    global digest
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.01)
    value, elsewhere = await loop.run_in_executor(None, in_thread, step)
    check((value, elsewhere), (step * 3, True), 'result of a thread')
    await queue.put(step)
    check(await queue.get(), step, 'queue')
    writable.write(b'%d\n' % step)
    writable.flush()
    check(os.getpid(), process, 'process id')
    check(threading.get_native_id(), main_thread, 'thread id')
    sent = world.sendrecv((rank, step), dest=(rank + 1) % size, source=(rank - 1) % size)
    check(sent, ((rank - 1) % size, step), 'message')
    digest = zlib.crc32(repr((digest, step)).encode())


async def main(steps):
    readable, writable = (os.fdopen(fd, mode) for fd, mode in zip(os.pipe(), ('rb', 'wb')))
    lines = asyncio.create_task(echo(readable, steps))
    queue = asyncio.Queue()
    for step in range(steps):
        await step_of(step, queue, writable)
    check(await lines, [b'%d\n' % step for step in range(steps)], 'lines of the pipe')


steps = steps_wanted(250)
asyncio.run(main(steps))
digests = world.gather(digest)
if rank == 0:
    print(f'digest asyncio_job np={size} steps={steps} {zlib.crc32(repr(digests).encode()):08x}',
          flush=True)
