/* What every test program uses: scenarios by name, checks that say what they saw, and a few helpers.
 *
 * A program holds SCENARIO(name) { ... } blocks and no main. `program NAME` runs one of them in this process;
 * the driver (tests/rust/programs.rs) runs each in a process of its own. A failed check ends the process with
 * status 1 from whichever thread or task it happens on.
 */
#ifndef GMP_TESTS_CHECK_H
#define GMP_TESTS_CHECK_H
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gmprt.h"

#ifdef __cplusplus
#include <atomic>
#else
#include <stdatomic.h>
#endif

struct check_scenario {
    const char *name;
    void (*run)(void);
    struct check_scenario *next;
};
static struct check_scenario *check_scenarios;

#define SCENARIO(scenario)                                                                                             \
    static void scenario(void);                                                                                        \
    __attribute__((constructor)) static void check_add_##scenario(void) {                                              \
        static struct check_scenario self = {#scenario, scenario, 0};                                                  \
        self.next = check_scenarios;                                                                                   \
        check_scenarios = &self;                                                                                       \
    }                                                                                                                  \
    static void scenario(void)

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct check_scenario *s = check_scenarios; s; s = s->next) {
        if (argc == 2 && strcmp(argv[1], s->name) == 0) {
            s->run();
            return 0;
        }
    }
    fprintf(stderr, "usage: %s SCENARIO, one of:\n", argv[0]);
    for (struct check_scenario *s = check_scenarios; s; s = s->next) fprintf(stderr, "  %s\n", s->name);
    return 2;
}

/* ------------------------------------------------------------ checks */

/* Marked cold and kept out of line so that a check costs one compare. */
__attribute__((cold, noinline, noreturn, unused)) static void check_failed(const char *file, int line,
                                                                           const char *what) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    fflush(NULL);
    _exit(1);
}

__attribute__((cold, noinline, noreturn, unused)) static void check_differs(const char *file, int line,
                                                                            const char *what, long long saw,
                                                                            long long wanted) {
    fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", file, line, what, saw, wanted);
    fflush(NULL);
    _exit(1);
}

__attribute__((cold, noinline, noreturn, unused)) static void check_wrong_code(const char *file, int line,
                                                                               const char *what, int saw, int wanted) {
    fprintf(stderr, "%s:%d: %s is %d (%s), expected %d (%s)\n", file, line, what, saw,
            saw < 0 ? gmp_errname(saw) : "", wanted, wanted < 0 ? gmp_errname(wanted) : "");
    fflush(NULL);
    _exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "not so: " #condition))
#define CHECK_EQ(expression, wanted)                                                                                   \
    do {                                                                                                               \
        long long check_saw = (long long)(expression), check_wanted = (long long)(wanted);                             \
        if (check_saw != check_wanted) check_differs(__FILE__, __LINE__, #expression, check_saw, check_wanted);        \
    } while (0)
#define CHECK_CODE(expression, wanted)                                                                                 \
    do {                                                                                                               \
        int check_saw = (expression), check_wanted = (wanted);                                                         \
        if (check_saw != check_wanted) check_wrong_code(__FILE__, __LINE__, #expression, check_saw, check_wanted);     \
    } while (0)
#define CHECK_OK(expression) CHECK_CODE(expression, GMP_OK)

/* Ends the scenario as "cannot be run here"; the driver reports the reason. */
#define SKIP(...)                                                                                                      \
    do {                                                                                                               \
        printf(__VA_ARGS__);                                                                                           \
        printf("\n");                                                                                                  \
        fflush(NULL);                                                                                                  \
        _exit(77);                                                                                                     \
    } while (0)

/* ------------------------------------------------------------ helpers */
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* Starts the runtime with `procs` processors and defaults otherwise. */
__attribute__((unused)) static void check_start(int procs) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = procs;
    CHECK_OK(gmp_start(&config));
}

/* Long enough for anything that ends at all, short enough to fail before the driver's limit. */
#define SOON() gmp_after_ns(40 * SECOND)

/* Waits until no task is left. */
#define CHECK_IDLE() CHECK_OK(gmp_wait_idle(SOON()))

__attribute__((unused)) static uint64_t check_seed(void) {
    const char *text = getenv("GMP_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    return seed ? seed : 1;
}

/* xorshift64: the tests' own random numbers, from the printed seed. */
__attribute__((unused)) static uint64_t check_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

__attribute__((unused)) static long check_entries(const char *directory) {
    DIR *open = opendir(directory);
    long n = 0;
    CHECK(open != NULL);
    while (readdir(open)) n++;
    closedir(open);
    return n - 2;
}

__attribute__((unused)) static long check_threads(void) { return check_entries("/proc/self/task"); }

/* A joined thread may be listed a moment longer: the kernel tells the joiner before it takes the entry away. */
#define CHECK_THREADS(wanted)                                                                                          \
    do {                                                                                                               \
        gmp_time_t check_until = gmp_after_ns(10 * SECOND);                                                            \
        while (check_threads() != (wanted) && gmp_now() < check_until) usleep(100);                                    \
        CHECK_EQ(check_threads(), wanted);                                                                             \
    } while (0)

/* Without the one that the count itself opens. */
__attribute__((unused)) static long check_descriptors(void) { return check_entries("/proc/self/fd") - 1; }

__attribute__((unused)) static long check_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    long n = 0;
    int c;
    CHECK(maps != NULL);
    while ((c = fgetc(maps)) != EOF) n += c == '\n';
    fclose(maps);
    return n;
}

/* A number of kilobytes from a file of lines "NAME:   N kB", or -1. */
__attribute__((unused)) static long check_kilobytes(const char *file, const char *name) {
    char line[256];
    long found = -1;
    FILE *open = fopen(file, "r");
    CHECK(open != NULL);
    while (found < 0 && fgets(line, sizeof line, open)) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            found = strtol(line + strlen(name) + 1, NULL, 10);
        }
    }
    fclose(open);
    return found;
}

/* `errno` of this moment's thread: out of line, because a compiler keeps &errno across calls that move a task. */
__attribute__((noinline, unused)) static int check_errno(void) {
    __asm__ volatile("" ::: "memory");
    return errno;
}
__attribute__((noinline, unused)) static void check_set_errno(int value) {
    __asm__ volatile("" ::: "memory");
    errno = value;
}

__attribute__((unused)) static gmp_stats_t check_stats(void) {
    gmp_stats_t stats;
    CHECK_OK(gmp_stats(&stats, sizeof stats));
    return stats;
}
#endif
