/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the self-checking MPI programs share: deterministic random numbers and message
 * contents, checks that say what was found and what was expected, and the digest line.
 *
 * A program does a number of steps (first argument: a number, or "50%" of its own) and
 * compares all it sees with values computed independently.  Rank 0 ends with a line
 * "digest NAME np=N steps=S HEX" that depends on nothing else, so a run that was
 * interrupted and restarted can be compared with one that was not.  Used by the
 * application, so upper half, and unaware of crmpi.
 */
#ifndef TESTS_MPI_CHECK_H
#define TESTS_MPI_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <mpi.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CHECK_UNUSED
#define CHECK_UNUSED __attribute__((unused))
#endif

static const char *check_name = "?";
static int check_rank CHECK_UNUSED = -1;
static int check_size CHECK_UNUSED = 0;
static uint64_t check_digest CHECK_UNUSED = 0;

/** Say what is wrong and end the whole job with status 1. */
static void CHECK_UNUSED check_fail(const char *file, int line, const char *condition,
                                    const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));
static void check_fail(const char *file, int line, const char *condition,
                       const char *format, ...)
{
    char text[1024];
    va_list list;
    int initialized = 0, finalized = 0;
    const char *base = strrchr(file, '/');

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "%s: rank %d: %s:%d: CHECK(%s) failed: %s\n", check_name, check_rank,
            base ? base + 1 : file, line, condition, text);
    fflush(stderr);
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (initialized && !finalized)
        MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}

/** Check a condition; the message says with which values it failed. */
#define CHECK(condition, ...)                                                            \
    do {                                                                                 \
        if (!(condition))                                                                \
            check_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                     \
    } while (0)

/** Check that two integers are equal. */
#define CHECK_EQ(found, expected)                                                        \
    do {                                                                                 \
        long long found_ = (long long)(found), expected_ = (long long)(expected);        \
        if (found_ != expected_)                                                         \
            check_fail(__FILE__, __LINE__, #found " == " #expected,                      \
                       "found %lld, expected %lld", found_, expected_);                  \
    } while (0)

/** Check that an MPI call succeeds (with MPI_ERRORS_RETURN). */
#define CHECK_MPI(call) CHECK_EQ(call, MPI_SUCCESS)

/** Check that a system call does not return -1. */
#define CHECK_SYS(call) CHECK((call) != -1, "errno %d, %s", errno, strerror(errno))

/* Random numbers: splitmix64, the same on every machine. */
static inline uint64_t check_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t check_hash(uint64_t a, uint64_t b)
{
    return check_mix(a ^ check_mix(b));
}

static inline uint64_t check_hash4(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return check_hash(check_hash(check_hash(a, b), c), d);
}

/** The next random number of a state. */
static inline uint64_t check_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return check_mix(*state);
}

/** A random number in 0..n-1. */
static inline int check_below(uint64_t *state, int n)
{
    return (int)(check_random(state) % (uint64_t)n);
}

/** Fill a buffer with contents that depend on the seed and the offset. */
static inline void check_fill(void *buffer, size_t n_bytes, uint64_t seed)
{
    unsigned char *bytes = (unsigned char *)buffer;
    uint64_t word = check_mix(seed);
    size_t i;

    for (i = 0; i + 8 <= n_bytes; i += 8) {
        memcpy(bytes + i, &word, 8);
        word = word * 6364136223846793005u + 1442695040888963407u;
    }
    memcpy(bytes + i, &word, n_bytes - i);
}

static inline void check_same_at(const void *buffer, size_t n_bytes, uint64_t seed,
                                 const char *file, int line, const char *what)
{
    const unsigned char *bytes = (const unsigned char *)buffer;
    uint64_t word = check_mix(seed);
    size_t i;

    for (i = 0; i < n_bytes; i += 8) {
        size_t n = n_bytes - i < 8 ? n_bytes - i : 8;
        if (memcmp(bytes + i, &word, n) != 0) {
            uint64_t found = 0;
            memcpy(&found, bytes + i, n);
            check_fail(file, line, what,
                       "at byte %zu of %zu found %016" PRIx64 ", expected %016" PRIx64, i,
                       n_bytes, found, word);
        }
        word = word * 6364136223846793005u + 1442695040888963407u;
    }
}

/** Check that a buffer holds what check_fill() put there. */
#define CHECK_FILLED(buffer, n_bytes, seed)                                              \
    check_same_at(buffer, n_bytes, seed, __FILE__, __LINE__, #buffer)

/** Check that all bytes of a buffer have one value. */
#define CHECK_BYTES(buffer, n_bytes, value)                                              \
    do {                                                                                 \
        const unsigned char *bytes_ = (const unsigned char *)(buffer);                   \
        size_t n_ = (n_bytes), i_;                                                       \
        for (i_ = 0; i_ < n_; i_++)                                                      \
            if (bytes_[i_] != (unsigned char)(value))                                    \
                check_fail(__FILE__, __LINE__, #buffer,                                  \
                           "at byte %zu of %zu found %d, expected %d", i_, n_,           \
                           bytes_[i_], (int)(unsigned char)(value));                     \
    } while (0)

/** Put a value into this rank's digest. */
static inline void check_note(uint64_t value)
{
    check_digest = check_hash(check_digest, value);
}

/** Memory that must be there. */
static inline void *check_alloc(size_t n_bytes)
{
    void *block = malloc(n_bytes ? n_bytes : 1);
    CHECK(block != NULL, "no memory for %zu bytes", n_bytes);
    return block;
}

/** Seconds of a clock that only goes forward. */
static inline double check_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/** Sleep, also when signals come. */
static inline void check_sleep_ms(int ms)
{
    struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) == -1 && errno == EINTR)
        ;
}

/**
 * Compute without a call for about @p work million multiplications, and check the result
 * against the closed form: a register lost on the way shows.
 */
static inline void check_compute(unsigned work, uint64_t seed)
{
    const uint64_t a = 6364136223846793005u, c = 1442695040888963407u;
    uint64_t n = (uint64_t)work * 1000000, x = seed, mul = 1, add = 0, m = a, k = c, i;

    for (i = 0; i < n; i++)
        x = x * a + c;
    for (i = n; i > 0; i >>= 1) { /* n steps at once, by squaring */
        if (i & 1) {
            mul *= m;
            add = add * m + k;
        }
        k = (m + 1) * k;
        m *= m;
    }
    CHECK(x == seed * mul + add, "found %016" PRIx64 ", expected %016" PRIx64, x,
          seed * mul + add);
}

/** The number of steps asked for on the command line. */
static inline long check_steps(int argc, char **argv, long steps_default)
{
    char *end = NULL;
    double value;

    if (argc < 2)
        return steps_default;
    value = strtod(argv[1], &end);
    if (*end == '%')
        value = value * (double)steps_default / 100;
    CHECK(end != argv[1] && value >= 0, "a number of steps, or a percentage, not '%s'",
          argv[1]);
    return value < 1 ? 1 : (long)value;
}

/** Begin: name, rank and size on a communicator of all ranks. */
static inline long check_begin_on(MPI_Comm comm, const char *name, int argc, char **argv,
                                  long steps_default)
{
    check_name = name;
    MPI_Comm_rank(comm, &check_rank);
    MPI_Comm_size(comm, &check_size);
    check_digest = check_hash((uint64_t)check_rank, (uint64_t)check_size);
    return check_steps(argc, argv, steps_default);
}

/** Likewise; MPI is initialised. */
static inline long check_begin(const char *name, int argc, char **argv,
                               long steps_default)
{
    return check_begin_on(MPI_COMM_WORLD, name, argc, argv, steps_default);
}

/** Print the digest of all ranks on rank 0. */
static inline void check_end_on(MPI_Comm comm, long steps)
{
    uint64_t *all = (uint64_t *)check_alloc(8 * (size_t)check_size), digest = 0;
    int i;

    MPI_Gather(&check_digest, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, comm);
    for (i = 0; check_rank == 0 && i < check_size; i++)
        digest = check_hash(digest, all[i]);
    if (check_rank == 0) {
        printf("digest %s np=%d steps=%ld %016" PRIx64 "\n", check_name, check_size,
               steps, digest);
        fflush(stdout);
    }
    free(all);
}

static inline void check_end(long steps)
{
    check_end_on(MPI_COMM_WORLD, steps);
}

#ifdef __cplusplus
}
#endif
#endif
