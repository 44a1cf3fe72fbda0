/* mpmc: 4 producers, 4 consumers, one channel of 128, n messages in all; ns per message. It is closed after the last.
 * The channel is a ring under a mutex, with a condition for each side. */
#include "pthread_frame.h"
#define SIDES 4
#define CAPACITY 128

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static long ring[CAPACITY];
static size_t taken, put; /* counts; put - taken values are in the ring */
static int closed;

static void channel_send(long value) {
  pthread_mutex_lock(&lock);
  while (put - taken == CAPACITY) pthread_cond_wait(&not_full, &lock);
  ring[put++ % CAPACITY] = value;
  pthread_cond_signal(&not_empty);
  pthread_mutex_unlock(&lock);
}

static int channel_recv(long *value_out) {
  pthread_mutex_lock(&lock);
  while (put == taken && !closed) pthread_cond_wait(&not_empty, &lock);
  int got = put != taken;
  if (got) {
    *value_out = ring[taken++ % CAPACITY];
    pthread_cond_signal(&not_full);
  }
  pthread_mutex_unlock(&lock);
  return got;
}

static void channel_close(void) {
  pthread_mutex_lock(&lock);
  closed = 1;
  pthread_cond_broadcast(&not_empty);
  pthread_mutex_unlock(&lock);
}

static void *produce(void *each) {
  for (long i = 1; i <= (long)(intptr_t)each; i++) channel_send(i);
  return NULL;
}

static void *consume(void *unused) {
  (void)unused;
  long sum = 0, value;
  while (channel_recv(&value)) sum += value;
  return (void *)(intptr_t)sum;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  for (int rep = -1; rep < args.reps; rep++) {
    long each = bench_size(&args, rep) / SIDES + 1, sum = 0;
    pthread_t producers[SIDES], consumers[SIDES];
    closed = 0;
    int64_t start = bench_now();
    for (int side = 0; side < SIDES; side++) {
      consumers[side] = bench_thread(consume, NULL);
      producers[side] = bench_thread(produce, (void *)(intptr_t)each);
    }
    for (int side = 0; side < SIDES; side++) bench_join(producers[side], NULL);
    channel_close();
    for (int side = 0; side < SIDES; side++) {
      void *result;
      bench_join(consumers[side], &result);
      sum += (long)(intptr_t)result;
    }
    int64_t end = bench_now();
    if (sum != SIDES * (each * (each + 1) / 2)) bench_die("messages were lost or doubled");
    bench_line("mpmc", "pthread", &args, rep, "message", (double)(end - start) / (SIDES * each), "ns");
  }
  return 0;
}
