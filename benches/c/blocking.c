/* blocking: gmp_blocking_enter and gmp_blocking_exit around nothing, one task alone; ns per pair.
 * Nothing waits for the processor, so none is taken: this is the price of saying "I may block now". */
#include "gmp_frame.h"

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) {
      CHECK(gmp_blocking_enter());
      CHECK(gmp_blocking_exit());
    }
    bench_line("blocking", "gmp", &args, rep, "pair", (double)(bench_now() - start) / n, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
