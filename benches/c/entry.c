/* entry: a call that enters the runtime, finds that nobody waits, and leaves again (gmp_yield of a task alone); ns of CPU time per call.
 * Beside it `bare`: the same program on a build of ours whose enter and exit do nothing (machine/owner_bare.rs). */
#include "gmp_frame.h"

static void measure(void *unused) {
  (void)unused;
  const char *peer = getenv("BENCH_PEER");
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_cpu();
    for (long i = 0; i < n; i++) gmp_yield();
    bench_line("entry", peer ? peer : "gmp", &args, rep, "call", (double)(bench_cpu() - start) / n, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
