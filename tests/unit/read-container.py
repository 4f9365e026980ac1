#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Read a checkpoint directory by what doc/format.md says alone, without crmpi's code.

    read-container.py DIR

Checks every digest and checksum, and that the tables agree; prints a line for each rank's
file and exits with status 1 at the first thing that is wrong.
"""
import ctypes
import pathlib
import struct
import sys

import h5py
import numpy

SEAL = struct.Struct("<8sIIQQQQ")
SEAL_BYTES = 4096
BLOCK_BYTES = 1 << 20
KINDS = {"rank": 1, "line": 2}

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def xxh3(data):
    return xxhash.XXH3_64bits(data, len(data))


def require(condition, what):
    if not condition:
        sys.exit(f"read-container: {what}")


def check_seal(path, kind):
    """The seal of a file: where its memory is."""
    data = path.read_bytes()
    magic, version, what, size, offset, memory, digest = SEAL.unpack_from(data)
    require(magic == b"crmpi\r\n\x1a", f"{path}: magic {magic}")
    require((version, what) == (1, KINDS[kind]), f"{path}: version {version}, kind {what}")
    require(size == len(data), f"{path}: {len(data)} bytes instead of {size}")
    rest = data[:40] + data[48:offset] + data[offset + memory:]
    require(xxh3(rest) == digest, f"{path}: digest")
    require(not any(data[SEAL.size:SEAL_BYTES]), f"{path}: user block")
    return offset, memory


def table(file, name):
    """A dataset's elements, checked."""
    dataset = file[name]
    values = dataset[()]
    require(xxh3(values.tobytes()) == dataset.attrs["xxh3_64"], f"{file.filename}{name}")
    return values


def check_rank(path, job, rank, entity):
    offset, size = check_seal(path, "rank")
    require(path.stat().st_size == entity["file_bytes"], f"{path}: size")
    with h5py.File(path) as file:
        attributes = file["job"].attrs
        require(attributes["world_rank"] == rank, f"{path}: rank")
        require(attributes["sn"] == entity["sn"], f"{path}: sn")
        require(attributes["job_id"] == job["job_id"], f"{path}: job")
        memory = file["task/memory"]
        require(memory.size == size, f"{path}: size of memory")
        require(size == 0 or memory.id.get_offset() == offset, f"{path}: offset of memory")
        extents, regions = table(file, "/task/extents"), table(file, "/task/regions")
        ends = numpy.cumsum(extents["bytes"])
        require((extents["offset"] == ends - extents["bytes"]).all(), f"{path}: offsets")
        require(extents["bytes"].sum() == size, f"{path}: extents")
        inside = [((regions["start"] <= extent["start"]) &
                   (extent["start"] + extent["bytes"] <= regions["start"] + regions["bytes"]))
                  .sum() == 1 for extent in extents]
        require(all(inside), f"{path}: extents outside of regions")
        checksums = table(file, "/task/checksums")
        require(len(checksums) == -(-size // BLOCK_BYTES), f"{path}: number of checksums")
        for i, checksum in enumerate(checksums):
            block = memory[i * BLOCK_BYTES:(i + 1) * BLOCK_BYTES].tobytes()
            require(xxh3(block) == checksum, f"{path}: block {i}")
        records = []
        file.visititems(lambda name, item: records.append("/" + name) if
                        isinstance(item, h5py.Dataset) and item.dtype == numpy.uint8 and
                        name != "task/memory" else None)
        for name in records:
            table(file, name)
    print(f"rank {rank}: checkpoint {entity['sn']}, {size} bytes, {len(regions)} regions, "
          f"records {' '.join(records)}")


def check_line(folder, path):
    check_seal(path, "line")
    with h5py.File(path) as file:
        job = dict(file["job"].attrs)
        require(f"{job['sn']:06}.h5" == path.name, f"{path}: number")
        entities = table(file, "/entities")
        require(len(entities) == job["n_ranks"], f"{path}: entities")
        launcher = table(file, "/launcher").tobytes()
        require(launcher == b"" or launcher.endswith(b"\0"), f"{path}: launcher")
        print(f"line {job['sn']}: {job['n_ranks']} ranks, {job['save_seconds']} s")
        for rank, entity in enumerate(entities):
            name = f"{rank:06}"
            link = file["ranks"].get(name, getlink=True)
            require(link.filename == f"../ranks/{name}/{entity['sn']:06}.h5" and
                    link.path == "/", f"{path}: link {name}")
            check_rank(folder / "ranks" / name / f"{entity['sn']:06}.h5", job, rank, entity)
            require("task" in file[f"ranks/{name}"], f"{path}: link {name} leads nowhere")


def main():
    folder = pathlib.Path(sys.argv[1])
    lines = sorted((folder / "lines").glob("*.h5"))
    require(lines, f"{folder} has no lines")
    for path in lines:
        check_line(folder, path)


if __name__ == "__main__":
    main()
