/* What the tests of seeded runtimes share: starting one, and the trace of a task and all that it starts. */
#ifndef GMP_TESTS_SEEDED_H
#define GMP_TESTS_SEEDED_H
#include "check.h"

__attribute__((unused)) static void start_seeded(uint64_t seed, uint32_t flags) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.sched_seed = seed;
    config.flags = flags;
    CHECK_OK(gmp_start(&config));
}

__attribute__((unused)) static void stop(void) { CHECK_OK(gmp_shutdown(SOON())); }

/* Runs `fn` as the first task of a runtime of its own; the trace of it. */
__attribute__((unused)) static uint64_t trace_of(uint64_t seed, uint32_t flags, void (*fn)(void *)) {
    start_seeded(seed, flags);
    CHECK_OK(gmp_run(fn, NULL));
    CHECK_IDLE();
    uint64_t trace = gmp_trace_hash();
    stop();
    CHECK(trace != 0);
    return trace;
}
#endif
