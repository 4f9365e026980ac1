#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Read a checkpoint directory by what doc/format.md says alone, without crmpi's code.

    read-container.py DIR

Checks every digest and checksum, and that the tables agree; prints a line for each rank's
file and exits with status 1 at the first thing that is wrong.
"""
import ctypes
import pathlib
import re
import struct
import sys

import h5py
import numpy

SEAL = struct.Struct("<8sIIQQQ")
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
    """The seal of a file, and where its memory is: {offset: bytes}."""
    data = path.read_bytes()
    magic, version, what, size, n, digest = SEAL.unpack_from(data)
    require(magic == b"crmpi\r\n\x1a", f"{path}: magic {magic}")
    require((version, what) == (3, KINDS[kind]), f"{path}: version {version}, {what}")
    require(size == len(data), f"{path}: {len(data)} bytes instead of {size}")
    pieces = list(struct.iter_unpack("<QQ", data[size - 16 * n:]))
    rest, at = data[:32], 40
    for offset, memory in pieces:
        require(at <= offset and memory > 0, f"{path}: table")
        rest += data[at:offset]
        at = offset + memory
    require(at <= size - 16 * n, f"{path}: table")
    require(xxh3(rest + data[at:]) == digest, f"{path}: digest")
    require(not any(data[SEAL.size:SEAL_BYTES]), f"{path}: user block")
    return dict(pieces), digest


def table(file, name):
    """A dataset's elements, checked."""
    dataset = file[name]
    values = dataset[()]
    require(xxh3(values.tobytes()) == dataset.attrs["xxh3_64"], f"{file.filename}{name}")
    return values


def check_bytes(path, file, group, pieces):
    """The extents of a group; their bytes are one of the pieces, which is taken."""
    memory = file[group]["memory"]
    size = memory.size
    require(size == 0 or pieces.pop(memory.id.get_offset(), None) == size,
            f"{path}: place of {group}/memory")
    extents = table(file, f"{group}/extents")
    ends = numpy.cumsum(extents["bytes"])
    require((extents["offset"] == ends - extents["bytes"]).all(), f"{path}: offsets")
    require(extents["bytes"].sum() == size, f"{path}: extents")
    checksums = table(file, f"{group}/checksums")
    require(len(checksums) == -(-size // BLOCK_BYTES), f"{path}: number of checksums")
    for i, checksum in enumerate(checksums):
        block = memory[i * BLOCK_BYTES:(i + 1) * BLOCK_BYTES].tobytes()
        require(xxh3(block) == checksum, f"{path}: block {i} of {group}")
    return extents


def inside(extents, ranges):
    """Whether each of the extents is within one of the ranges (start, bytes)."""
    return all(sum(start <= extent["start"] and
                   extent["start"] + extent["bytes"] <= start + size
                   for start, size in ranges) == 1 for extent in extents)


def check_window(path, file, name, pieces, taken):
    """The view's range is added to those that are taken."""
    group = f"/window/{name}"
    about = dict(file[group].attrs)
    require(name == f"{int(name):06}", f"{path}: {group}")
    require(about["flavor"] in (b"create", b"allocate", b"shared", b"dynamic"),
            f"{path}: {group}: flavor")
    require(about["rank"] < about["members"], f"{path}: {group}: rank")
    if about["view_bytes"] == 0:
        require(about["view_address"] == 0 and len(file[group]) == 0, f"{path}: {group}")
        return
    start, size = int(about["view_address"]), int(about["view_bytes"])
    segment = int(about["address"]), int(about["bytes"])
    require(all(start + size <= other or start >= other + more for other, more in taken),
            f"{path}: {group}: its view overlaps")
    taken.append((start, size))
    require(segment[1] == 0 or
            start <= segment[0] and segment[0] + segment[1] <= start + size,
            f"{path}: {group}: outside of its view")
    extents = check_bytes(path, file, group, pieces)
    require(inside(extents, [segment]), f"{path}: {group}: extents")


def ascending(values, *names):
    """Whether elements are in the order of these members, none twice."""
    keys = [tuple(int(value[name]) for name in names) for value in values]
    return keys == sorted(set(keys))


def check_dependencies(path, file, job):
    """What the checkpoint depends on, if the file says it."""
    if "dependencies" not in file:
        return "no dependencies"
    about = dict(file["dependencies"].attrs)
    require(about["interval"] <= job["sn"] and about["base"] <= job["sn"] and
            about["alone"] <= 1, f"{path}: dependencies")
    of = {name: table(file, f"/dependencies/{name}")
          for name in ("streams", "collectives", "members", "accesses", "origins",
                       "windows", "cohort")}
    ranks = job["n_ranks"]
    streams = of["streams"]
    require(ascending(streams[streams["peer"] != job["world_rank"]], "comm", "peer", "tag")
            and (streams["peer"] < ranks).all() and
            (streams["unlogged"] <= streams["sent"]).all(), f"{path}: streams")
    require((of["members"] < ranks).all(), f"{path}: members")
    for one in of["collectives"]:
        require(one["members"] + one["n_members"] <= len(of["members"]) and
                one["rank"] < one["n_members"] and one["is_freed"] <= 1, f"{path}: collectives")
    for name in ("accesses", "origins"):
        require((of[name]["rank"] < ranks).all() and
                ascending(of[name], "window", "rank"), f"{path}: {name}")
    require(sorted(set(of["windows"])) == list(of["windows"]), f"{path}: windows")
    require(ascending(of["cohort"], "rank") and (of["cohort"]["rank"] < ranks).all() and
            (of["cohort"]["interval"] <= job["sn"]).all(), f"{path}: cohort")
    return "depends on " + " ".join(f"{len(rows)} {name}" for name, rows in of.items())


def check_rank(path, job, rank, entity):
    pieces, digest = check_seal(path, "rank")
    require(digest == entity["digest"], f"{path}: digest of another file")
    size = sum(pieces.values())
    require(path.stat().st_size == entity["file_bytes"], f"{path}: size")
    with h5py.File(path) as file:
        attributes = file["job"].attrs
        require(attributes["world_rank"] == rank, f"{path}: rank")
        require(attributes["sn"] == entity["sn"], f"{path}: sn")
        require(attributes["job_id"] == job["job_id"], f"{path}: job")
        require(attributes["incarnation"] == entity["incarnation"], f"{path}: incarnation")
        extents = check_bytes(path, file, "/task", pieces)
        regions = table(file, "/task/regions")
        taken = [(int(region["start"]), int(region["bytes"])) for region in regions]
        require(inside(extents, taken), f"{path}: extents outside of regions")
        windows = list(file.get("window", ()))
        for name in windows:
            check_window(path, file, name, pieces, taken)
        require(not pieces, f"{path}: memory of nobody")
        depends = check_dependencies(path, file, dict(attributes))
        records = []
        file.visititems(lambda name, item: records.append("/" + name) if
                        isinstance(item, h5py.Dataset) and item.dtype == numpy.uint8 and
                        not re.match("task/memory|window/|dependencies/", name) else None)
        for name in records:
            table(file, name)
    print(f"rank {rank}: checkpoint {entity['sn']}, {size} bytes, {len(regions)} regions, "
          f"{len(windows)} windows, {depends}, records {' '.join(records)}")


def check_line(folder, path):
    require(not check_seal(path, "line")[0], f"{path}: memory of a line")
    with h5py.File(path) as file:
        job = dict(file["job"].attrs)
        require(f"{job['sn']:06}.h5" == path.name, f"{path}: number")
        entities = table(file, "/entities")
        require(len(entities) == job["n_ranks"] and
                (entities["sn"] <= job["sn"]).all() and
                (entities["incarnation"] <= job["incarnation"]).all(), f"{path}: entities")
        require(job["in_transit"] <= 1 and (job["restored"] == 0 or job["restored"] < job["sn"]),
                f"{path}: job")
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
