/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of greetings: who has the key comes in, whoever else is there; and nobody who has
 * not is taken for one who has, at either end.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "job/contact.h"
#include "net/greeting.h"
#include "../main.h"

static const unsigned char key[CRMPI_KEY_BYTES] = "a key of a job";
static const unsigned char other_key[CRMPI_KEY_BYTES] = "a key of others";
static int listener;
static uint16_t port;
static struct crmpi_door door;

static void make_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, bytes), 0);
    ck_assert_int_eq(listen(listener, SOMAXCONN), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
    port = ntohs(address.sin_port);
    door.n = 0;
}

static void remove_listener(void)
{
    crmpi_door_close(&door);
    close(listener);
}

static int stranger(void)
{
    int fd = crmpi_address_connect(htonl(INADDR_LOOPBACK), port, 1000);

    ck_assert_int_ge(fd, 0);
    return fd;
}

struct caller {
    pthread_t thread;
    const unsigned char *key;
    uint32_t from, to;
    int is_known, error;
};

static void *call(void *data)
{
    struct caller *caller = data;
    int fd = crmpi_address_connect(htonl(INADDR_LOOPBACK), port, 1000);

    caller->is_known = crmpi_greet(fd, caller->key, caller->from, caller->to, 2000);
    caller->error = errno;
    close(fd);
    return NULL;
}

static void call_begin(struct caller *caller)
{
    ck_assert_int_eq(pthread_create(&caller->thread, NULL, call, caller), 0);
}

/* Let visitors come in for a while; who has the key, or -1. */
static int open_for(int ms, uint32_t *from)
{
    for (; ms > 0; ms--) {
        int fd;

        crmpi_door_accept(&door, listener);
        ck_assert_uint_le(door.n, CRMPI_DOOR_MAX);
        fd = crmpi_door_open(&door, key, 3, from);
        if (fd >= 0)
            return fd;
        usleep(1000);
    }
    return -1;
}

START_TEST(test_who_has_the_key)
{
    struct caller caller = {.key = key, .from = 7, .to = 3};
    uint32_t from = 0;
    int fd;

    call_begin(&caller);
    fd = open_for(2000, &from);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(from, 7);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    pthread_join(caller.thread, NULL);
    ck_assert_int_eq(caller.is_known, 1);
    ck_assert_uint_eq(door.n, 0);
    close(fd);
}
END_TEST

START_TEST(test_who_has_not)
{
    struct caller wrong_key = {.key = other_key, .from = 7, .to = 3};
    struct caller wrong_rank = {.key = key, .from = 7, .to = 4};
    uint32_t from;

    call_begin(&wrong_key);
    call_begin(&wrong_rank);
    ck_assert_int_eq(open_for(300, &from), -1);
    pthread_join(wrong_key.thread, NULL);
    pthread_join(wrong_rank.thread, NULL);
    ck_assert_int_eq(wrong_key.is_known, 0);
    ck_assert_int_eq(wrong_key.error, EPERM);
    ck_assert_int_eq(wrong_rank.is_known, 0);
}
END_TEST

/* Many who say nothing, or nonsense, or only a part; and one who has the key. */
START_TEST(test_a_crowd)
{
    struct caller caller = {.key = key, .from = 1, .to = 3};
    int crowd[3 * CRMPI_DOOR_MAX];
    uint32_t from;
    int fd;

    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++) {
        crowd[i] = stranger();
        if (i % 3)
            ck_assert_int_gt(send(crowd[i], "GET / HTTP/1.0\r\n\r\n0123456789abcdef",
                                  i % 3 == 1 ? 34 : 5, MSG_NOSIGNAL),
                             0);
        crmpi_door_accept(&door, listener);
    }
    call_begin(&caller);
    fd = open_for(2000, &from);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(from, 1);
    pthread_join(caller.thread, NULL);
    ck_assert_int_eq(caller.is_known, 1);
    close(fd);
    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++)
        close(crowd[i]);
}
END_TEST

/* Who calls is told something by somebody else: as it comes, the caller's own words, or words
 * from another greeting. */
static struct crmpi_answer heard;
static int reply;

static void *pretend(void *unused)
{
    struct crmpi_hello hello;
    int fd = -1;

    while (fd < 0)
        fd = accept4(listener, NULL, NULL, 0);
    ck_assert_int_eq(recv(fd, &hello, sizeof hello, MSG_WAITALL), sizeof hello);
    if (reply == 0)
        send(fd, "accepted\ncommitted line 99\n", 27, MSG_NOSIGNAL);
    else if (reply == 1)
        send(fd, &hello, sizeof hello, MSG_NOSIGNAL);
    else if (reply == 2)
        send(fd, &heard, sizeof heard, MSG_NOSIGNAL);
    if (reply < 3)
        shutdown(fd, SHUT_WR);
    else
        usleep(2500000); /* it says nothing */
    close(fd);
    return unused;
}

START_TEST(test_somebody_else_answers)
{
    struct caller caller = {.key = key, .from = CRMPI_GREETING_TOOL, .to = 0};
    pthread_t thread;

    reply = _i;
    ck_assert_int_eq(pthread_create(&thread, NULL, pretend, NULL), 0);
    call(&caller);
    ck_assert_int_eq(caller.is_known, 0);
    ck_assert_int_eq(caller.error, _i == 3 ? ETIMEDOUT : EPERM);
    pthread_join(thread, NULL);
}
END_TEST

/* A proof that was heard once is of no use for another greeting: not to the caller, nor to the
 * called. */
START_TEST(test_heard_before)
{
    struct crmpi_hello hello;
    unsigned char proof[CRMPI_PROOF_BYTES];
    struct crmpi_answer again;
    int between[2], fd;
    uint32_t from;

    /* somebody between the two passes on what they say, and keeps it */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, between), 0);
    fd = stranger();
    if (fork() == 0) {
        close(fd);
        _exit(crmpi_greet(between[1], key, 1, 3, 200));
    }
    ck_assert_int_eq(recv(between[0], &hello, sizeof hello, MSG_WAITALL), sizeof hello);
    ck_assert_int_eq(send(fd, &hello, sizeof hello, 0), sizeof hello);
    ck_assert_int_eq(open_for(50, &from), -1);
    ck_assert_int_eq(recv(fd, &heard, sizeof heard, MSG_WAITALL), sizeof heard);
    ck_assert_int_eq(send(between[0], &heard, sizeof heard, 0), sizeof heard);
    ck_assert_int_eq(recv(between[0], proof, sizeof proof, MSG_WAITALL), sizeof proof);
    close(fd);
    fd = stranger();
    ck_assert_int_eq(send(fd, &hello, sizeof hello, 0), sizeof hello);
    ck_assert_int_eq(open_for(50, &from), -1);
    ck_assert_int_eq(recv(fd, &again, sizeof again, MSG_WAITALL), sizeof again);
    ck_assert(memcmp(&again, &heard, sizeof heard) != 0);
    ck_assert_int_eq(send(fd, proof, sizeof proof, 0), sizeof proof);
    ck_assert_int_eq(open_for(100, &from), -1);
    ck_assert_uint_eq(door.n, 0);
    close(fd);
}
END_TEST

UNIT_TESTS("greeting")
{
    CASE("greeting", .seconds = 30, .setup = make_listener, .teardown = remove_listener);
    TEST(test_who_has_the_key);
    TEST(test_who_has_not);
    TEST(test_a_crowd);
    LOOP(test_somebody_else_answers, 0, 4);
    TEST(test_heard_before);
}
