/* quiet: tasks came and went, n stay parked, and the process does nothing for seconds. What wakes its threads is counted
 * from outside, by ../wakeups.py. */
#include "gmp_frame.h"

static gmp_wg_t gate, parked, busy;

static void park(void *unused) {
  (void)unused;
  CHECK(gmp_wg_wait(&gate, GMP_FOREVER));
}

static void be_busy(void *unused) {
  (void)unused;
  gmp_yield();
}

static void measure(void *unused) {
  (void)unused;
  CHECK(gmp_wg_add(&gate, 1));
  for (long i = 0; i < args.n; i++) {
    CHECK(gmp_wg_go(&parked, park, NULL));
    CHECK(gmp_wg_go(&busy, be_busy, NULL));
  }
  CHECK(gmp_wg_wait(&busy, GMP_FOREVER));
  CHECK(gmp_wg_wait(&parked, GMP_FOREVER));
}

/* The end comes from a thread that is no task: a timer would be something to wake up for. */
int main(int argc, char **argv) {
  struct timespec span = {BENCH_QUIET, 0};
  args = bench_parse(argc, argv);
  gmp_config_t cfg;
  CHECK(gmp_config_init(&cfg, sizeof cfg));
  cfg.max_procs = args.procs;
  CHECK(gmp_start(&cfg));
  CHECK(gmp_go(measure, NULL));
  nanosleep(&span, NULL);
  CHECK(gmp_wg_done(&gate));
  CHECK(gmp_wait_idle(GMP_FOREVER));
  bench_line("quiet", "gmp", &args, 0, "parked", (double)args.n, "tasks");
  return 0;
}
