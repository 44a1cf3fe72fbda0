/* Parked tasks by the hundred thousand, at default kernel settings, each with a guard. */
#include "check.h"

static gmp_wg_t gate;
static atomic_long woken;

static void wait_at_gate(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    atomic_fetch_add(&woken, 1);
}

static void park_and_wake(long many) {
    long before = check_kilobytes("/proc/self/status", "VmRSS");
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (long i = 0; i < many; i++) {
        CHECK_OK(gmp_go(wait_at_gate, NULL));
        if (i % 1000 == 999) gmp_yield();
    }
    while (check_stats().tasks_parked < many) CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(gmp_num_tasks(), many);
    long used = check_kilobytes("/proc/self/status", "VmRSS") - before;
    printf("%ld parked tasks: %ld bytes resident each, %ld mappings\n", many, used * 1024 / many, check_mappings());
    CHECK(check_mappings() < 60000);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_OK(gmp_wait_idle(gmp_after_ns(200 * SECOND)));
    CHECK_EQ(atomic_load(&woken), many);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

SCENARIO(hundred_thousand_tasks_park_and_wake) { park_and_wake(100000); }

//@ limit 300
SCENARIO(million_tasks_park_and_wake) {
    long available = check_kilobytes("/proc/meminfo", "MemAvailable");
    if (available < 8L * 1024 * 1024) SKIP("needs 8 GB of available memory, has %ld MB", available / 1024);
    park_and_wake(1000000);
}

/* Where the kernel has no light guards, each costs mappings; spawning fails with a code before the process's
 * share of them is used up, and what was parked by then lives on. */
//@ env GMP_TEST_GUARD=mprotect
SCENARIO(guards_by_mprotect_end_in_an_error_code) {
    long accepted = 0;
    int code = GMP_OK;
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    while (accepted < 200000 && (code = gmp_go(wait_at_gate, NULL)) == GMP_OK) {
        if (++accepted % 100 == 0) {
            while (check_stats().tasks_runnable > 0) gmp_yield();
        }
    }
    CHECK_CODE(code, GMP_ENOMEM);
    CHECK(accepted >= 10000);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&woken), accepted);
    CHECK_OK(gmp_run(wait_at_gate, NULL)); /* and there is room again */
}
