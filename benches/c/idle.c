/* idle: n tasks sleep 200 ms again and again, all in step; us of CPU time a second over eight of their periods.
 * What is used between the expiries is seen from outside, by ../watch.py. */
#include "gmp_frame.h"

static void sleep_again(void *unused) {
  (void)unused;
  for (int left = BENCH_PERIODS + 2; left > 0; left--) CHECK(gmp_sleep(BENCH_PERIOD));
}

static void measure(void *unused) {
  (void)unused;
  gmp_wg_t all = {{0}};
  for (long i = 0; i < args.n; i++) CHECK(gmp_wg_go(&all, sleep_again, NULL));
  CHECK(gmp_sleep(BENCH_PERIOD + BENCH_PERIOD / 8));
  int64_t cpu = bench_cpu(), start = bench_now();
  CHECK(gmp_sleep(BENCH_PERIODS * BENCH_PERIOD));
  int64_t used = bench_cpu() - cpu;
  bench_line("idle", "gmp", &args, 0, "cpu", used * 1e6 / (double)(bench_now() - start), "us/s");
  CHECK(gmp_wg_wait(&all, GMP_FOREVER));
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
