/* yield: two threads on P CPUs call sched_yield; ns per yield. At P = 1 each call passes the one CPU on. */
#include "pthread_frame.h"

static void *yield_often(void *n) {
  for (long left = (long)(intptr_t)n; left > 0; left--) sched_yield();
  return NULL;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    pthread_t one = bench_thread(yield_often, (void *)(intptr_t)n);
    pthread_t two = bench_thread(yield_often, (void *)(intptr_t)n);
    bench_join(one, NULL);
    bench_join(two, NULL);
    bench_line("yield", "pthread", &args, rep, "yield", (double)(bench_now() - start) / (2.0 * n), "ns");
  }
  return 0;
}
