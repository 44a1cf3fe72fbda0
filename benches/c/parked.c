/* parked: n tasks wait on one object; bytes resident per task, ms until all wait, ms to wake all and see them end.
 * The object is a wait group that opens once (the Go program waits on a channel that is closed: the same waiting
 * and the same waking of all by one call). One repetition a process: a second would find its memory resident. */
#include "gmp_frame.h"
#include <stdatomic.h>

static gmp_wg_t gate, all;
static atomic_long arrived;

static void wait_at_gate(void *unused) {
  (void)unused;
  atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
  CHECK(gmp_wg_wait(&gate, GMP_FOREVER));
}

static void park_and_wake(long n, int rep) {
  atomic_store(&arrived, 0);
  CHECK(gmp_wg_add(&gate, 1));
  long before = bench_resident();
  int64_t start = bench_now();
  for (long i = 0; i < n; i++) CHECK(gmp_wg_go(&all, wait_at_gate, NULL));
  while (atomic_load_explicit(&arrived, memory_order_relaxed) < n) gmp_yield();
  int64_t parked = bench_now();
  long grown = bench_resident() - before;
  int64_t wake = bench_now();
  CHECK(gmp_wg_done(&gate));
  CHECK(gmp_wg_wait(&all, GMP_FOREVER));
  int64_t end = bench_now();
  bench_line("parked", "gmp", &args, rep, "resident", (double)grown / n, "B");
  bench_line("parked", "gmp", &args, rep, "create", (parked - start) / 1e6, "ms");
  bench_line("parked", "gmp", &args, rep, "wake_all", (end - wake) / 1e6, "ms");
}

static void measure(void *unused) {
  (void)unused;
  park_and_wake(100, -1);
  park_and_wake(args.n, 0);
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
