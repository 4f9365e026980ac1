/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timerfd: its clock goes on as the application's do.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "boundary/control.h"
#include "descriptors/kind.h"

#ifndef TFD_IOC_SET_TICKS /* of linux/timerfd.h, which does not go with sys/timerfd.h */
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/* In the data. */
struct timer {
    int32_t clock;
    int32_t flags;     /* of timerfd_settime() */
    int64_t next_ns;   /* when it expires next; 0: not at all.  On the application's
                          monotonic clock, or the time of day if it was set to that */
    int64_t period_ns; /* 0: once */
    uint64_t expired;  /* how often, since it was read */
};

/* Whether it was set to a time of day. */
static int is_by_date(const struct timer *timer)
{
    return timer->flags & TFD_TIMER_ABSTIME &&
           (timer->clock == CLOCK_REALTIME || timer->clock == CLOCK_REALTIME_ALARM);
}

/* The application's clock (boundary/control.h), or the time of day, in nanoseconds. */
static int64_t now_ns(const struct timer *timer)
{
    int by_date = is_by_date(timer);
    struct timespec now;

    clock_gettime(by_date ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000l + now.tv_nsec +
           (by_date ? 0 : crmpi_control->clock_offset_ns);
}

static int timerfd_is(const struct crmpi_seen *seen)
{
    return crmpi_descriptor_is_anonymous(seen, "timerfd");
}

static enum crmpi_status timerfd_contents(struct crmpi_saving *saving,
                                          struct crmpi_descriptor *descriptor)
{
    int fd = descriptor->fd;
    struct timer timer = {.clock = (int32_t)crmpi_descriptor_info(fd, "clockid", 10),
                          .flags = (int32_t)crmpi_descriptor_info(fd, "settime flags", 8)};
    struct itimerspec left;

    do { /* each expiry is seen once */
        timer.expired = crmpi_descriptor_info(fd, "ticks", 10);
        timer.next_ns = now_ns(&timer);
        if (timerfd_gettime(fd, &left) != 0)
            return CRMPI_ERR_SYSTEM;
    } while (crmpi_descriptor_info(fd, "ticks", 10) != timer.expired);
    int64_t left_ns = left.it_value.tv_sec * 1000000000l + left.it_value.tv_nsec;

    timer.next_ns = left_ns ? timer.next_ns + left_ns : 0;
    timer.period_ns = left.it_interval.tv_sec * 1000000000l + left.it_interval.tv_nsec;
    return crmpi_descriptor_data(saving, descriptor, &timer, sizeof timer);
}

/* On the machine's clock, in the form the kernel takes it: not 0, which is never. */
static struct timespec time_of(int64_t ns)
{
    if (ns <= 0)
        ns = 1;
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static enum crmpi_status timerfd_restore(const struct crmpi_restoring *restoring,
                                         const struct crmpi_descriptor *descriptor,
                                         const void *data)
{
    struct timer timer;
    struct itimerspec value = {0};

    (void)restoring;
    if (descriptor->data_bytes != sizeof timer)
        return crmpi_descriptor_cannot(descriptor, "the list of descriptors is damaged");
    memcpy(&timer, data, sizeof timer);
    int by_date = is_by_date(&timer);
    int64_t now = now_ns(&timer);
    int fd = timerfd_create(timer.clock, TFD_CLOEXEC | (descriptor->flags & O_NONBLOCK
                                                            ? TFD_NONBLOCK
                                                            : 0));

    if (fd < 0)
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    if (timer.period_ns && timer.next_ns && timer.next_ns <= now) {
        int64_t n = (now - timer.next_ns) / timer.period_ns + 1;

        timer.next_ns += n * timer.period_ns;
        timer.expired += (uint64_t)n;
    }
    if (timer.period_ns)
        value.it_interval = time_of(timer.period_ns);
    if (timer.next_ns)
        value.it_value = time_of(timer.next_ns - (by_date ? 0 : now));
    if (timerfd_settime(fd, by_date ? timer.flags : 0, &value, NULL) != 0) {
        close(fd);
        return crmpi_descriptor_cannot(descriptor, strerror(errno));
    }
    if (timer.expired && ioctl(fd, TFD_IOC_SET_TICKS, &timer.expired) != 0) {
        /* a kernel without CONFIG_CHECKPOINT_RESTORE: it expires once more, now */
        value.it_value = time_of(1);
        timerfd_settime(fd, 0, &value, NULL);
    }
    return crmpi_descriptor_place(descriptor, fd);
}

const struct crmpi_descriptor_kind crmpi_kind_timerfd = {
    .number = CRMPI_DESCRIPTOR_TIMERFD,
    .is = timerfd_is,
    .contents = timerfd_contents,
    .restore = timerfd_restore,
};
