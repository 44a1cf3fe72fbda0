/* spawn_join: start one thread, join it for its result, n times over; ns per start and join. */
#include "pthread_frame.h"

static void *same(void *value) { return value; }

int main(int argc, char **argv) {
  bench_start(argc, argv);
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) {
      void *result;
      bench_join(bench_thread(same, (void *)(intptr_t)i), &result);
      if ((long)(intptr_t)result != i) bench_die("a join gave another thread's result");
    }
    bench_line("spawn_join", "pthread", &args, rep, "task", (double)(bench_now() - start) / n, "ns");
  }
  return 0;
}
