/* mpmc: 4 producers, 4 consumers, one channel of 128, n messages in all; ns per message. It is closed after the last. */
#include "gmp_frame.h"
#define SIDES 4
#define CAPACITY 128

static gmp_chan_t *channel;

static void produce(void *each) {
  for (long i = 1; i <= (long)(intptr_t)each; i++) CHECK(gmp_chan_send(channel, &i, GMP_FOREVER));
}

static void consume(void *sum_out) {
  long sum = 0, value;
  int code;
  while ((code = gmp_chan_recv(channel, &value, GMP_FOREVER)) == 0) sum += value;
  if (code != GMP_ECLOSED) CHECK(code);
  *(long *)sum_out = sum;
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long each = bench_size(&args, rep) / SIDES + 1, sums[SIDES];
    gmp_wg_t producers = {{0}}, consumers = {{0}};
    CHECK(gmp_chan_new(sizeof(long), CAPACITY, &channel));
    int64_t start = bench_now();
    for (int side = 0; side < SIDES; side++) {
      CHECK(gmp_wg_go(&consumers, consume, &sums[side]));
      CHECK(gmp_wg_go(&producers, produce, (void *)(intptr_t)each));
    }
    CHECK(gmp_wg_wait(&producers, GMP_FOREVER));
    CHECK(gmp_chan_close(channel));
    CHECK(gmp_wg_wait(&consumers, GMP_FOREVER));
    int64_t end = bench_now();
    if (sums[0] + sums[1] + sums[2] + sums[3] != SIDES * (each * (each + 1) / 2))
      bench_die("messages were lost or doubled");
    bench_line("mpmc", "gmp", &args, rep, "message", (double)(end - start) / (SIDES * each), "ns");
    gmp_chan_free(channel);
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
