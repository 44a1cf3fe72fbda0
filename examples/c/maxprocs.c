/* What max_procs does: ten tasks sleep 10 ms each and then count to 10^7, once with one processor and once with
 * as many as the machine gives. The sleeps overlap in both runs, the counting only in the second.
 *
 *     cc maxprocs.c -lgmp && ./a.out
 */
#include <gmprt.h>
#include <stdint.h>
#include <stdio.h>

enum { TASKS = 10, COUNT = 10000000 };

static void sleep_and_count(void *arg) {
    (void)arg;
    gmp_sleep(10000000);
    for (volatile int i = 0; i < COUNT; i++) {
    }
}

static void run_with(int max_procs) {
    gmp_wg_t group = {{0, 0}};
    gmp_max_procs(max_procs);
    gmp_time_t from = gmp_now();
    for (int i = 0; i < TASKS; i++) {
        int code = gmp_wg_go(&group, sleep_and_count, NULL);
        if (code != GMP_OK) fprintf(stderr, "maxprocs: %s\n", gmp_strerror(code));
    }
    gmp_wg_wait(&group, GMP_FOREVER);
    printf("max_procs %d: %.1f ms\n", gmp_max_procs(0), (double)(gmp_now() - from) / 1e6);
}

int main(void) {
    run_with(1);
    run_with(gmp_max_procs_default());
    return gmp_shutdown(GMP_FOREVER);
}
