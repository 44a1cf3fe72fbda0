/* ping_pong: two tasks, two unbuffered channels, n messages each way; ns per message.
 * The main task is parked meanwhile, so each wait has exactly one other task to go to. */
#include "gmp_frame.h"

static gmp_chan_t *ping, *pong;

static void ask(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) {
    long value;
    CHECK(gmp_chan_send(ping, &i, GMP_FOREVER));
    CHECK(gmp_chan_recv(pong, &value, GMP_FOREVER));
    if (value != i) bench_die("a message came back changed");
  }
}

static void give_back(void *n) {
  for (long left = (long)(intptr_t)n; left > 0; left--) {
    long value;
    CHECK(gmp_chan_recv(ping, &value, GMP_FOREVER));
    CHECK(gmp_chan_send(pong, &value, GMP_FOREVER));
  }
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    gmp_wg_t both = {{0}};
    CHECK(gmp_chan_new(sizeof(long), 0, &ping));
    CHECK(gmp_chan_new(sizeof(long), 0, &pong));
    int64_t start = bench_now();
    CHECK(gmp_wg_go(&both, ask, (void *)(intptr_t)n));
    CHECK(gmp_wg_go(&both, give_back, (void *)(intptr_t)n));
    CHECK(gmp_wg_wait(&both, GMP_FOREVER));
    bench_line("ping_pong", "gmp", &args, rep, "message", (double)(bench_now() - start) / (2.0 * n), "ns");
    gmp_chan_free(ping);
    gmp_chan_free(pong);
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
