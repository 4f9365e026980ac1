# SPDX-License-Identifier: BSD-3-Clause
"""Recipe for Spack: in a repository of one's own, as packages/crmpi/package.py."""

from spack.package import *


class Crmpi(AutotoolsPackage):
    """Checkpoint and restart of MPI programs, unmodified: memory, threads, open files, messages in
    flight, and windows of one-sided communication, in one consistent recovery line."""

    license("BSD-3-Clause")

    # where it comes from: a clone, by `spack develop --path`, or a release beside this file
    version("develop", branch="main")

    variant("lz4", default=True, description="Compression by lz4")
    variant("zstd", default=True, description="Compression by zstd")
    variant("isal", default=True, description="Erasure codes, of ISA-L")

    depends_on("c", type="build")
    depends_on("autoconf@2.69:", type="build")
    depends_on("automake@1.16:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("python@3:", type="build")

    depends_on("openmpi@4.1,5.0")
    depends_on("hdf5@1.10:1.14 ~mpi")
    depends_on("hwloc@2:")
    depends_on("xxhash@0.8:")
    depends_on("openssl")
    depends_on("lz4", when="+lz4")
    depends_on("zstd", when="+zstd")
    depends_on("isa-l", when="+isal")

    requires("platform=linux")
    requires("target=x86_64:")

    def autoreconf(self, spec, prefix):
        Executable("./autogen.sh")()

    def configure_args(self):
        args = ["--without-check", f"MPICC={self.spec['openmpi'].mpicc}"]
        for name in ("lz4", "zstd", "isal"):
            args += self.with_or_without(name)
        return args
