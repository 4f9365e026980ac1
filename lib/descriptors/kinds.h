/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of kinds of descriptors, the first that applies comes first.  The number is that in
 * records: none is used for another kind.  Lower half.
 */
#ifndef CRMPI_DESCRIPTORS_KINDS_H
#define CRMPI_DESCRIPTORS_KINDS_H

#define CRMPI_DESCRIPTOR_KINDS(X)                                                        \
    X(standard, STANDARD, 4)   /* stdin, stdout, stderr of the launcher */               \
    X(inherited, INHERITED, 8) /* a pipe or socket the process was started with */       \
    X(path, PATH, 13)          /* O_PATH */                                              \
    X(pty, PTY, 15)            /* both ends in this process */                           \
    X(device, DEVICE, 3)                                                                 \
    X(system, SYSTEM, 12)  /* a file of /proc or /sys */                                 \
    X(regular, REGULAR, 1) /* any regular file, and a memfd */                           \
    X(directory, DIRECTORY, 2)                                                           \
    X(pipe, PIPE, 5) /* both ends in this process, or the other closed */                \
    X(socket, SOCKET, 9)                                                                 \
    X(epoll, EPOLL, 7)                                                                   \
    X(timerfd, TIMERFD, 10)                                                              \
    X(eventfd, EVENTFD, 6)                                                               \
    X(signalfd, SIGNALFD, 11)                                                            \
    X(inotify, INOTIFY, 14)                                                              \
    X(duplicate, DUPLICATE, 16) /* shares the open file of another descriptor */

enum crmpi_descriptor_number {
#define CRMPI_DESCRIPTOR_NUMBER(name, NAME, number) CRMPI_DESCRIPTOR_##NAME = number,
    CRMPI_DESCRIPTOR_KINDS(CRMPI_DESCRIPTOR_NUMBER)
#undef CRMPI_DESCRIPTOR_NUMBER
};

#endif
