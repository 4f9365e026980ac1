#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Estimate pi by throwing darts, on all ranks, each with random numbers of its own.

An ordinary mpi4py program that knows nothing of checkpoints; README in this folder shows
how it gets them.  The state of the random number generators is in the checkpoint with all
the rest, so a restarted run throws the same darts as one that was never killed.

    pi.py [ROUNDS]
"""
import sys

import numpy
from mpi4py import MPI


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    world = MPI.COMM_WORLD
    random = numpy.random.default_rng(world.rank)
    darts = 200_000
    hits = 0
    for number in range(1, rounds + 1):
        x, y = random.random((2, darts))
        hits += int(numpy.count_nonzero(x * x + y * y < 1))
        if number % 50 == 0 or number == rounds:
            total = world.allreduce(hits)
            if world.rank == 0:
                pi = 4 * total / (darts * number * world.size)
                print(f"round {number:5d}  pi is about {pi:.9f}", flush=True)


main()
