/* mutex: 8 threads lock, count one up, unlock, n times in all; ns per lock and unlock. */
#include "pthread_frame.h"
#define TASKS 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count_up(void *each) {
  for (long left = (long)(intptr_t)each; left > 0; left--) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  for (int rep = -1; rep < args.reps; rep++) {
    long each = bench_size(&args, rep) / TASKS + 1;
    pthread_t threads[TASKS];
    counter = 0;
    int64_t start = bench_now();
    for (int i = 0; i < TASKS; i++) threads[i] = bench_thread(count_up, (void *)(intptr_t)each);
    for (int i = 0; i < TASKS; i++) bench_join(threads[i], NULL);
    int64_t end = bench_now();
    if (counter != TASKS * each) bench_die("two threads held the mutex at once");
    bench_line("mutex", "pthread", &args, rep, "pair", (double)(end - start) / (TASKS * each), "ns");
  }
  return 0;
}
