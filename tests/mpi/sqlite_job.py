# SPDX-License-Identifier: BSD-3-Clause
"""
SQLite: each rank writes a database of its own in every step, in the journal mode that the
second argument says (delete, truncate, persist, wal), some transactions over several steps, so
that rollback journals and the write-ahead log are open, locked, mapped, cut and removed when
the job is killed.  A model in memory says what has to be there.
"""
import os
import sqlite3
import sys
import time
import zlib

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
digest = rank + 1


def check(found, expected, what):
    if found != expected:
        sys.stderr.write(f'sqlite_job: rank {rank}: {what}: found {found!r:.300}, '
                         f'expected {expected!r:.300}\n')
        world.Abort(1)


def steps_wanted(default):
    if len(sys.argv) < 2:
        return default
    text = sys.argv[1]
    value = float(text[:-1]) * default / 100 if text.endswith('%') else float(text)
    return max(1, int(value))


def number(step, what):
    return zlib.crc32(repr((rank, step, what)).encode())


steps = steps_wanted(500)
mode = sys.argv[2] if len(sys.argv) > 2 else 'wal'
name = f'database.{rank}'
model = {}
base = sqlite3.connect(name, isolation_level=None)
check(base.execute(f'pragma journal_mode={mode}').fetchone()[0], mode, 'journal mode')
base.execute('pragma synchronous=off')
base.execute('pragma cache_size=20')  # pages: so transactions spill into the file
base.execute('pragma wal_autocheckpoint=40')
base.execute('create table slots (id integer primary key, step integer, text blob)')
base.execute('create index by_step on slots (step)')


def change(step):
    for i in range(8):
        slot = number(step, i) % 400
        text = repr(number(step, -i)).encode() * (number(step, 'length') % 60)
        base.execute('insert or replace into slots values (?, ?, ?)', (slot, step, text))
        model[slot] = (step, text)
    slot = number(step, 'gone') % 400
    base.execute('delete from slots where id = ?', (slot,))
    model.pop(slot, None)


def compare(connection):
    found = {i: (step, text) for i, step, text in
             connection.execute('select id, step, text from slots')}
    check(found, model, 'slots')
    check(connection.execute('pragma integrity_check').fetchall(), [('ok',)], 'integrity')


for step in range(1, steps + 1):
    if not base.in_transaction:
        base.execute('begin immediate')
        before = dict(model)
    change(step)
    if step % 50 == 49:
        base.execute('rollback')
        model.clear()
        model.update(before)
    elif step % 7 not in (0, 1, 2):  # else it goes on
        base.execute('commit')
    slot = number(step, 'look') % 400
    found = base.execute('select step, text from slots where id = ?', (slot,)).fetchone()
    check(found, model.get(slot), f'slot {slot}')
    if step % 20 == 10:
        compare(base)
    if step % 30 == 5 and not base.in_transaction:
        second = sqlite3.connect(name)
        compare(second)
        second.close()
    digest = zlib.crc32(repr((digest, found)).encode())
    if step % 10 == 0:
        world.Barrier()
    time.sleep(0.002)

if base.in_transaction:
    base.execute('commit')
compare(base)
with open(f'dump.{rank}', 'w') as out:
    out.writelines(line + '\n' for line in base.iterdump())
base.close()
for left in (name, f'{name}-journal'):  # a journal that stays has random numbers in it
    if os.path.exists(left):
        os.unlink(left)
digests = world.gather(digest)
if rank == 0:
    text = zlib.crc32(repr(digests).encode())
    print(f'digest sqlite_job np={size} steps={steps} {text:08x}', flush=True)
