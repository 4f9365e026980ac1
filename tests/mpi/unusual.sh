#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Descriptors that a checkpoint is refused for, with words, and some that come close to it.
# Run in the build tree.

test=unusual
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/unusual

refused mqueue "of a kind that cannot be restored: a POSIX message queue"
refused namespace "of a kind that cannot be restored: a namespace"
refused huge_memfd "a memfd of huge pages"
refused secret "of a kind that cannot be restored: secret memory"
refused others_proc "of another process in /proc .*/proc/1/status"
refused gone_proc "of (a|another) process (that is gone|in /proc)"
refused threads_proc "of a thread in /proc"
refused no_folder "a directory that has been removed .*unusual.folder"
refused no_path "of something that has no name any more .*unusual.path"
refused too_large "unusual.large .*makes more than 4 GiB of files without a name"
refused fifo "a named pipe, which cannot be restored: close it .*unusual.fifo"
refused ptmx "a terminal of which another process has the other end"
refused terminal "a terminal of which another process has the other end"
refused pipe "a pipe to another process"
refused socket "a socket|a local socket"
refused listening "a TCP socket at 127.0.0.1 port"
refused device "a device, which cannot be restored: close it"
refused pidfd "cannot be restored.*pidfd"
refused io_uring "an object of the kernel, which cannot be restored.*io_uring"
refused fanotify "an object of the kernel, which cannot be restored.*fanotify"
refused inotify_events "events that have not been read"
refused inotify_nameless "watches something without a name"
refused unread "a pseudo terminal with data that has not been read"
refused epoll_closed "a descriptor that was closed while it was in the set"
refused parent_owner "one that sends its signals to others"
refused group_owner "one that sends its signals to others"
refused thread_owner "one that sends its signals to a thread"
refused first_thread "the program.s first thread has ended"
refused broken_lease "has a lease that is being broken .*unusual.leased"

for kind in self_owner epoll_reused epoll_nested signalfd eventfd closed_stdin; do
    restored $kind "" "" "$program" $kind
done

[ $failures = 0 ]
