/* yield: two tasks yield to each other; ns per yield.
 * Both are started before either runs at P = 1, and the main task is parked while they work, so each yield has
 * exactly one other task to go to. */
#include "gmp_frame.h"

static void yield_often(void *n) {
  for (long left = (long)(intptr_t)n; left > 0; left--) gmp_yield();
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    gmp_wg_t both = {{0}};
    int64_t start = bench_now();
    CHECK(gmp_wg_go(&both, yield_often, (void *)(intptr_t)n));
    CHECK(gmp_wg_go(&both, yield_often, (void *)(intptr_t)n));
    CHECK(gmp_wg_wait(&both, GMP_FOREVER));
    bench_line("yield", "gmp", &args, rep, "yield", (double)(bench_now() - start) / (2.0 * n), "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
