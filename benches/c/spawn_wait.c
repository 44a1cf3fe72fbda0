/* spawn_wait: one task spawns n tasks that do nothing and waits for all of them on a wait group; ns per task. */
#include "gmp_frame.h"

static void nothing(void *unused) { (void)unused; }

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    gmp_wg_t all = {{0}};
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) CHECK(gmp_wg_go(&all, nothing, NULL));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    bench_line("spawn_wait", "gmp", &args, rep, "task", (double)(bench_now() - start) / n, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
