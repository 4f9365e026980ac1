/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that come from a library, not from the program (mappings.c).
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

void *library_mmap(void *at, size_t bytes, int flags);
void *library_mmap_by_number(void *at, size_t bytes, int flags);
void *library_mremap(void *old, size_t bytes, void *at);
void *library_shmat(int id, void *at);
int library_sigaltstack(const stack_t *stack, stack_t *old);

void *library_mmap(void *at, size_t bytes, int flags)
{
    return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
                -1, 0);
}

void *library_mmap_by_number(void *at, size_t bytes, int flags)
{
    return (void *)syscall(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

void *library_mremap(void *old, size_t bytes, void *at)
{
    return mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at);
}

void *library_shmat(int id, void *at)
{
    return shmat(id, at, 0);
}

int library_sigaltstack(const stack_t *stack, stack_t *old)
{
    return sigaltstack(stack, old);
}
