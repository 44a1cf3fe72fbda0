/* spawn_wait: start n threads that do nothing, wait for all of them; ns per thread.
 * Joinable threads, all joined after the last was started: a detached one would not give its stack back in time. */
#include "pthread_frame.h"

static void *nothing(void *unused) { return unused; }

int main(int argc, char **argv) {
  bench_start(argc, argv);
  pthread_t *threads = calloc((size_t)args.n, sizeof *threads);
  if (!threads) bench_die("no memory");
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) threads[i] = bench_thread(nothing, NULL);
    for (long i = 0; i < n; i++) bench_join(threads[i], NULL);
    bench_line("spawn_wait", "pthread", &args, rep, "task", (double)(bench_now() - start) / n, "ns");
  }
  free(threads);
  return 0;
}
