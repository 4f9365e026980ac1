# SPDX-License-Identifier: BSD-3-Clause
"""Jobs that are measured, for bench/run and bench/figures: starting them with and without
crmpi, waiting for what they say, and the histories of their checkpoints."""
import contextlib
import csv
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

# What a checkpoint is like unless a benchmark says otherwise, whatever the environment says.
PLAIN = {"CRMPI_ASYNC": 0, "CRMPI_INCREMENTAL": 0, "CRMPI_COMPRESS": "none",
         "CRMPI_POLICY": "coordinated", "CRMPI_INTERVAL": 0}


def die(message):
    sys.exit(f"bench/{pathlib.Path(sys.argv[0]).name}: {message}")


class Jobs:
    """Starts programs of a build tree, with and without crmpi."""

    def __init__(self, build, programs):
        self.build = pathlib.Path(build).resolve()
        for name in ["libcrmpi.so", "crmpi-host", "crmpi-checkpoint", "crmpi-restart",
                     "crmpi-inspect", *programs]:
            if not (self.build / name).exists():
                die(f"{self.build} has no {name}: run `make bench-programs`")
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("CRMPI_")}
        self.environment.update(OMPI_MCA_rmaps_base_oversubscribe="1",
                                PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe",
                                CRMPI_HOST=self.tool("crmpi-host"), CRMPI_LOG="info")
        if os.getuid() == 0:
            self.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1",
                                    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                                    PRTE_ALLOW_RUN_AS_ROOT="1",
                                    PRTE_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    def mpirun(self, ranks, program, *arguments, crmpi_dir=None, settings=None):
        """The command that starts a program, of the build tree if it is there; under crmpi
        if there is a folder for checkpoints."""
        command = ["mpirun", "-np", str(ranks)]
        if crmpi_dir:
            command += ["-x", f"LD_PRELOAD={self.build}/libcrmpi.so",
                        "-x", f"CRMPI_DIR={crmpi_dir}", "-x", "CRMPI_HOST",
                        "-x", "CRMPI_LOG"]
            for name, value in {**PLAIN, **(settings or {})}.items():
                command += ["-x", f"{name}={value}"]
        own = self.build / program
        return command + [str(own if own.exists() else program), *map(str, arguments)]

    def tool(self, name):
        return str(self.build / name)

    def output(self, command, cwd=None):
        """Run to the end, and return what it printed."""
        try:
            done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL,
                                  text=True, capture_output=True, timeout=1200, cwd=cwd)
        except subprocess.TimeoutExpired:
            die(f"never ended: {' '.join(command)}")
        if done.returncode != 0:
            die(f"failed: {' '.join(command)}\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
        return done.stdout

    @contextlib.contextmanager
    def session(self, command, log):
        """A job in a session of its own, of which nothing is left at the end.  mpirun is
        asked first: it removes the ranks' shared memory."""
        with open(log, "w") as out:
            job = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield job
        finally:
            job.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.wait(timeout=20)
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError):
                    if int(stat.read_text().rpartition(")")[2].split()[3]) == job.pid:
                        os.kill(int(stat.parent.name), signal.SIGKILL)
            job.wait()


def wait_for(pattern, count, log, job):
    """Wait until the log has the pattern so many times; return the matches."""
    end = time.monotonic() + 300
    while True:
        alive = job.poll() is None
        found = re.findall(pattern, log.read_text(), re.M)
        if len(found) >= count:
            return found
        if not alive or time.monotonic() > end:
            die(f"the job did not say {pattern!r}:\n{log.read_text()[-3000:]}")
        time.sleep(0.02)


class Line:
    """What the history of a directory tells of a line that was committed."""

    def __init__(self, row):
        self.end = float(row["time"])
        self.total = float(row["total_seconds"])
        self.begin = self.end - self.total
        self.quiet = float(row["quiet_seconds"])
        self.saving = self.total - self.quiet  # with the commit
        self.blocked = float(row["blocked_seconds"])
        self.n_saved = int(row["saved"])
        self.bytes = int(row["file_bytes"])
        self.is_increment = int(row["increments"]) > 0
        self.how = row["how"].split("+")


def lines(crmpi_dir):
    """The lines of a directory, oldest first."""
    path = pathlib.Path(crmpi_dir) / "history.csv"
    if not path.exists():
        die(f"{crmpi_dir} has no history: no checkpoint can be taken")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["event"] == "given-up":
            die(f"a checkpoint was given up: {row['reason']}")
    return [Line(row) for row in rows if row["event"] == "line"]
