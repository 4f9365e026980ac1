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

SEAL = struct.Struct("<8sIIQQQQQ")
SEAL_BYTES = 4096
DATA = 8192
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
    """The seal of a file: where its data end, its parent's number and digest, its own."""
    data = path.read_bytes()
    magic, version, what, size, end, parent, parent_digest, digest = SEAL.unpack_from(data)
    require(magic == b"crmpi\r\n\x1a", f"{path}: magic {magic}")
    require((version, what) == (5, KINDS[kind]), f"{path}: version {version}, {what}")
    require(size == len(data), f"{path}: {len(data)} bytes instead of {size}")
    require(DATA <= end < size, f"{path}: its data end at {end}")
    require(xxh3(data[:48] + data[56:DATA] + data[end:]) == digest, f"{path}: digest")
    require(not any(data[SEAL.size:SEAL_BYTES]), f"{path}: user block")
    return end, parent, parent_digest, digest


def table(file, name):
    """A dataset's elements, checked."""
    dataset = file[name]
    values = dataset[()]
    require(xxh3(values.tobytes()) == dataset.attrs["xxh3_64"], f"{file.filename}{name}")
    return values


def unshuffle(data):
    return numpy.frombuffer(data, numpy.uint8).reshape(8, -1).T.tobytes()


def unpack_lz4(data):
    """A chunk of HDF5's filter 32004: one block."""
    size, block, packed = struct.unpack_from(">QII", data)
    require(size == block == BLOCK_BYTES and packed == len(data) - 16, "lz4 chunk")
    lz4 = ctypes.CDLL("liblz4.so.1")
    to = ctypes.create_string_buffer(size)
    require(lz4.LZ4_decompress_safe(data[16:], to, packed, size) == size, "lz4")
    return to.raw


def unpack_zstd(data):
    """A chunk of HDF5's filter 32015: a frame."""
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    to = ctypes.create_string_buffer(BLOCK_BYTES)
    size = zstd.ZSTD_decompress(to, ctypes.c_size_t(BLOCK_BYTES), data,
                                ctypes.c_size_t(len(data)))
    require(size == BLOCK_BYTES, "zstd")
    return to.raw


def read_blocks(path, what, blocks, unpack):
    """The bytes of all blocks, checked."""
    memory = bytearray()
    with path.open("rb") as file:
        for block in blocks:
            require(block["offset"] == len(memory) and
                    0 < block["stored_bytes"] <= block["bytes"] <= BLOCK_BYTES,
                    f"{path}: blocks of {what}")
            file.seek(int(block["file_offset"]))
            data = file.read(int(block["stored_bytes"]))
            if block["stored_bytes"] < block["bytes"]:
                require(unpack and block["bytes"] == BLOCK_BYTES, f"{path}: {what}")
                data = unshuffle(unpack(data))
            require(xxh3(data) == block["checksum"], f"{path}: a block of {what}")
            memory += data
    return bytes(memory)


class Content:
    """The memory of a group, what is stored in it, and what was kept."""

    def __init__(self, path, file, group, places):
        dataset = file[group]["memory"]
        filters = [dataset.id.get_create_plist().get_filter(i)[0]
                   for i in range(dataset.id.get_create_plist().get_nfilters())]
        unpack = None
        if filters:
            require(filters[0] == 2 and filters[1] in (32004, 32015) and len(filters) == 2,
                    f"{path}: filters of {group}")
            unpack = unpack_lz4 if filters[1] == 32004 else unpack_zstd
            require(dataset.chunks == (BLOCK_BYTES // 8,) and dataset.dtype == "<u8",
                    f"{path}: chunks of {group}")
        blocks = table(file, f"{group}/blocks")
        places += [(int(block["file_offset"]), int(block["stored_bytes"]))
                   for block in blocks]
        memory = read_blocks(path, group, blocks, unpack)
        require(len(memory) == dataset.size * dataset.dtype.itemsize, f"{path}: {group}")
        for block in blocks if filters else ():
            mask, chunk = dataset.id.read_direct_chunk((int(block["offset"]) // 8,))
            with path.open("rb") as raw:
                raw.seek(int(block["file_offset"]))
                require(raw.read(int(block["stored_bytes"])) == chunk and
                        mask == (3 if block["stored_bytes"] == block["bytes"] else 0),
                        f"{path}: HDF5 sees another block of {group}")
        if not filters:
            require(dataset.size == 0 or dataset[()].tobytes() == memory,
                    f"{path}: HDF5 sees something else in {group}")
        self.stored = {}
        for extent in table(file, f"{group}/extents"):
            start, size, offset = (int(extent[name]) for name in
                                   ("start", "bytes", "offset"))
            require(offset + size <= len(memory), f"{path}: extents of {group}")
            self.stored[start] = memory[offset:offset + size]
        self.kept = [(int(extent["start"]), int(extent["bytes"]))
                     for extent in table(file, f"{group}/kept")]

    def ranges(self):
        """Where there are data, stored or kept."""
        every = sorted([(start, len(data)) for start, data in self.stored.items()] + self.kept)
        for (start, size), (after, _) in zip(every, every[1:]):
            require(start + size <= after, "extents overlap")
        return every


def check_bytes(path, file, group, places):
    """The ranges of a group's data; the file's own blocks are read and checked."""
    return Content(path, file, group, places).ranges()


def check_places(path, places, end):
    """Blocks lie in the data area, apart."""
    at = DATA
    for offset, size in sorted(places):
        require(at <= offset, f"{path}: blocks overlap")
        at = offset + size
    require(at <= end, f"{path}: blocks lie behind the data")


def inside(extents, ranges):
    """Whether each of the extents is within one of the ranges (start, bytes)."""
    return all(sum(start <= first and first + length <= start + size
                   for start, size in ranges) == 1 for first, length in extents)


def check_window(path, file, name, places, taken):
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
    extents = check_bytes(path, file, group, places)
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


def check_named(path, file, places):
    """Named regions have types and shapes of their own; returns how many there are."""
    named = file["task"].get("named", {})
    for name, dataset in named.items():
        blocks = table(file, f"/task/named_blocks/{name}")
        places += [(int(block["file_offset"]), int(block["stored_bytes"]))
                   for block in blocks]
        require(read_blocks(path, name, blocks, None) == dataset[()].tobytes(),
                f"{path}: named region {name}")
    return len(named)


def check_parent(path, job, attributes, parent, digest):
    """The file that something was kept of; it may have a parent itself."""
    where = path.parent / f"{parent:06}.h5"
    require(parent < attributes["sn"], f"{path}: parent")
    require(check_seal(where, "rank")[3] == digest, f"{where}: not what {path} was built on")
    with h5py.File(where) as file:
        about = dict(file["job"].attrs)
        require(all(about[name] == attributes[name] for name in
                    ("job_id", "n_ranks", "world_rank", "incarnation")) and
                about["sn"] == parent, f"{where}: job")
        check_file(where, job, file)


def check_file(path, job, file):
    """All that is in a rank's file, and its parents."""
    end, parent, parent_digest, _ = check_seal(path, "rank")
    attributes = dict(file["job"].attrs)
    places = []
    ranges = check_bytes(path, file, "/task", places)
    regions = table(file, "/task/regions")
    taken = [(int(region["start"]), int(region["bytes"])) for region in regions]
    require(inside(ranges, taken), f"{path}: extents outside of regions")
    windows = list(file.get("window", ()))
    for name in windows:
        check_window(path, file, name, places, taken)
    named = check_named(path, file, places)
    check_places(path, places, end)
    if parent:
        check_parent(path, job, attributes, parent, parent_digest)
    return sum(size for _, size in places), len(regions), len(windows), named


def check_rank(path, job, rank, entity):
    require(check_seal(path, "rank")[3] == entity["digest"], f"{path}: digest of another file")
    require(path.stat().st_size == entity["file_bytes"], f"{path}: size")
    with h5py.File(path) as file:
        attributes = file["job"].attrs
        require(attributes["world_rank"] == rank, f"{path}: rank")
        require(attributes["sn"] == entity["sn"], f"{path}: sn")
        require(attributes["job_id"] == job["job_id"], f"{path}: job")
        require(attributes["incarnation"] == entity["incarnation"], f"{path}: incarnation")
        size, regions, windows, named = check_file(path, job, file)
        depends = check_dependencies(path, file, dict(attributes))
        records = []
        file.visititems(lambda name, item: records.append("/" + name) if
                        isinstance(item, h5py.Dataset) and item.dtype == numpy.uint8 and
                        not re.match("task/memory|task/named/|window/|dependencies/", name)
                        else None)
        for name in records:
            table(file, name)
    print(f"rank {rank}: checkpoint {entity['sn']}, {size} bytes, {regions} regions, "
          f"{windows} windows, {named} named, {depends}, records {' '.join(records)}")


def check_line(folder, path):
    end, parent, parent_digest, _ = check_seal(path, "line")
    require((end, parent, parent_digest) == (DATA, 0, 0), f"{path}: data of a line")
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
