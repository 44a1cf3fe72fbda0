/* blocking_storm: n threads at once, each in a 10 ms nanosleep; total ms, starting and joining them included. */
#include "pthread_frame.h"

static void *block_10_ms(void *unused) {
  struct timespec ten_ms = {0, 10000000};
  nanosleep(&ten_ms, NULL);
  return unused;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  pthread_t *threads = calloc((size_t)args.n, sizeof *threads);
  if (!threads) bench_die("no memory");
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) threads[i] = bench_thread(block_10_ms, NULL);
    for (long i = 0; i < n; i++) bench_join(threads[i], NULL);
    bench_line("blocking_storm", "pthread", &args, rep, "total", (bench_now() - start) / 1e6, "ms");
  }
  free(threads);
  return 0;
}
