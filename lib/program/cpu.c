/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may have found out about the processor, and must find again after a
 * restart: libc and others choose code by these features once, at their start.  Lower half.
 */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "program/host.h"

/* A feature: a bit of a cpuid register (0..3: eax..edx). */
static const struct {
    const char *name;
    unsigned leaf, subleaf, reg, bit;
} features[] = {
    {"sse3", 1, 0, 2, 0},           {"pclmul", 1, 0, 2, 1},
    {"ssse3", 1, 0, 2, 9},          {"fma", 1, 0, 2, 12},
    {"cx16", 1, 0, 2, 13},          {"sse4.1", 1, 0, 2, 19},
    {"sse4.2", 1, 0, 2, 20},        {"movbe", 1, 0, 2, 22},
    {"popcnt", 1, 0, 2, 23},        {"aes", 1, 0, 2, 25},
    {"xsave", 1, 0, 2, 26},         {"avx", 1, 0, 2, 28},
    {"f16c", 1, 0, 2, 29},          {"rdrand", 1, 0, 2, 30},
    {"bmi1", 7, 0, 1, 3},           {"hle", 7, 0, 1, 4},
    {"avx2", 7, 0, 1, 5},           {"bmi2", 7, 0, 1, 8},
    {"erms", 7, 0, 1, 9},           {"rtm", 7, 0, 1, 11},
    {"avx512f", 7, 0, 1, 16},       {"avx512dq", 7, 0, 1, 17},
    {"rdseed", 7, 0, 1, 18},        {"adx", 7, 0, 1, 19},
    {"avx512ifma", 7, 0, 1, 21},    {"clflushopt", 7, 0, 1, 23},
    {"clwb", 7, 0, 1, 24},          {"avx512cd", 7, 0, 1, 28},
    {"sha", 7, 0, 1, 29},           {"avx512bw", 7, 0, 1, 30},
    {"avx512vl", 7, 0, 1, 31},      {"avx512vbmi", 7, 0, 2, 1},
    {"avx512vbmi2", 7, 0, 2, 6},    {"gfni", 7, 0, 2, 8},
    {"vaes", 7, 0, 2, 9},           {"vpclmul", 7, 0, 2, 10},
    {"avx512vnni", 7, 0, 2, 11},    {"avx512bitalg", 7, 0, 2, 12},
    {"vpopcntdq", 7, 0, 2, 14},     {"fsrm", 7, 0, 3, 4},
    {"amx-bf16", 7, 0, 3, 22},      {"avx512fp16", 7, 0, 3, 23},
    {"amx-tile", 7, 0, 3, 24},      {"amx-int8", 7, 0, 3, 25},
    {"avxvnni", 7, 1, 0, 4},        {"avx512bf16", 7, 1, 0, 5},
    {"lzcnt", 0x80000001, 0, 2, 5},
};
#define N_FEATURES (sizeof features / sizeof *features)

static int has(size_t i)
{
    unsigned r[4];

    return __get_cpuid_count(features[i].leaf, features[i].subleaf, &r[0], &r[1], &r[2],
                             &r[3]) &&
           r[features[i].reg] >> features[i].bit & 1;
}

/* The state components the kernel saves at a signal: a restart's sigreturn needs them. */
static unsigned long state_components(void)
{
    unsigned low, high;

    if (!has(10)) /* xsave */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (unsigned long)high << 32 | low;
}

const char *crmpi_cpu_features(void)
{
    static char words[512];
    size_t n = snprintf(words, sizeof words, "state:%lx", state_components());

    for (size_t i = 0; i < N_FEATURES; i++)
        if (has(i) && n < sizeof words)
            n += snprintf(words + n, sizeof words - n, " %s", features[i].name);
    return words;
}

int crmpi_cpu_suits(const char *saved, char *lacking_out, size_t lacking_bytes)
{
    char here[600], word[64];
    unsigned long components;
    int used;

    snprintf(here, sizeof here, " %s ", crmpi_cpu_features());
    for (; sscanf(saved, " %62s%n", word, &used) == 1; saved += used) {
        char sought[66];

        snprintf(sought, sizeof sought, " %s ", word);
        int lacking = sscanf(word, "state:%lx", &components) == 1
                          ? (components & ~state_components()) != 0
                          : !strstr(here, sought);

        if (lacking) {
            snprintf(lacking_out, lacking_bytes, "%s", word);
            return 0;
        }
    }
    return 1;
}
