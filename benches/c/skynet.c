/* skynet: a tree of tasks, ten below each, n leaves; a leaf sends its number, a node the sum of its ten, each on an
 * unbuffered channel of the node above; ms in all and ns per task. */
#include "gmp_frame.h"

typedef struct node {
  gmp_chan_t *up;
  long first, leaves;
} node_t;

/* A node's orders lie on the stack of the one above, which waits until the node has sent and so has read them. */
static void skynet(void *arg) {
  node_t node = *(node_t *)arg;
  long sum = node.first;
  if (node.leaves > 1) {
    node_t nodes[10];
    gmp_chan_t *below;
    sum = 0;
    CHECK(gmp_chan_new(sizeof(long), 0, &below));
    for (int i = 0; i < 10; i++) {
      nodes[i] = (node_t){below, node.first + i * (node.leaves / 10), node.leaves / 10};
      CHECK(gmp_go(skynet, &nodes[i]));
    }
    for (int i = 0; i < 10; i++) {
      long part;
      CHECK(gmp_chan_recv(below, &part, GMP_FOREVER));
      sum += part;
    }
    gmp_chan_free(below);
  }
  CHECK(gmp_chan_send(node.up, &sum, GMP_FOREVER));
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long leaves = rep < 0 && args.n >= 10 ? args.n / 10 : args.n, sum;
    node_t root = {NULL, 0, leaves};
    CHECK(gmp_chan_new(sizeof(long), 0, &root.up));
    int64_t start = bench_now();
    CHECK(gmp_go(skynet, &root));
    CHECK(gmp_chan_recv(root.up, &sum, GMP_FOREVER));
    int64_t end = bench_now();
    gmp_chan_free(root.up);
    if (sum != leaves * (leaves - 1) / 2) bench_die("the sum is wrong, or n is no power of ten");
    bench_line("skynet", "gmp", &args, rep, "total", (end - start) / 1e6, "ms");
    bench_line("skynet", "gmp", &args, rep, "task", (double)(end - start) / ((10 * leaves - 1) / 9), "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
