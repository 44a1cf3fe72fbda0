/* checkpoint: gmp_checkpoint, one task alone; ns of CPU time per call. Nothing waits, so nothing is done: the price of asking. */
#include "gmp_frame.h"

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_cpu();
    for (long i = 0; i < n; i++) CHECK(gmp_checkpoint());
    bench_line("checkpoint", "gmp", &args, rep, "checkpoint", (double)(bench_cpu() - start) / n, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
