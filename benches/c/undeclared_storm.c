/* undeclared_storm: n tasks at once, each blocks its thread in a 10 ms nanosleep without a word; total ms. */
#include "gmp_frame.h"

static void block_10_ms(void *unused) {
  (void)unused;
  struct timespec ten_ms = {0, 10000000};
  nanosleep(&ten_ms, NULL);
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    gmp_wg_t all = {{0}};
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) CHECK(gmp_wg_go(&all, block_10_ms, NULL));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    bench_line("undeclared_storm", "gmp", &args, rep, "total", (bench_now() - start) / 1e6, "ms");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
