/* ping_pong: two threads, two unbuffered channels, n messages each way; ns per message.
 * A channel is one place, a mutex and two conditions: a sender goes on when its message was taken. */
#include "pthread_frame.h"

typedef struct channel {
  pthread_mutex_t lock;
  pthread_cond_t put, taken;
  long value;
  int full;
} channel_t;

static channel_t ping = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
static channel_t pong = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void channel_send(channel_t *channel, long value) {
  pthread_mutex_lock(&channel->lock);
  channel->value = value;
  channel->full = 1;
  pthread_cond_signal(&channel->put);
  while (channel->full) pthread_cond_wait(&channel->taken, &channel->lock);
  pthread_mutex_unlock(&channel->lock);
}

static long channel_recv(channel_t *channel) {
  pthread_mutex_lock(&channel->lock);
  while (!channel->full) pthread_cond_wait(&channel->put, &channel->lock);
  long value = channel->value;
  channel->full = 0;
  pthread_cond_signal(&channel->taken);
  pthread_mutex_unlock(&channel->lock);
  return value;
}

static void *ask(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) {
    channel_send(&ping, i);
    if (channel_recv(&pong) != i) bench_die("a message came back changed");
  }
  return NULL;
}

static void *give_back(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) channel_send(&pong, channel_recv(&ping));
  return NULL;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    pthread_t one = bench_thread(ask, (void *)(intptr_t)n);
    pthread_t two = bench_thread(give_back, (void *)(intptr_t)n);
    bench_join(one, NULL);
    bench_join(two, NULL);
    bench_line("ping_pong", "pthread", &args, rep, "message", (bench_now() - start) / (2.0 * n), "ns");
  }
  return 0;
}
