// skynet: a tree of fibers, ten below each, n leaves; a leaf sends its number, a node the sum of its ten, each on an
// unbuffered channel of the node above; ms in all and ns per fiber. A fiber that waits keeps its 128 KiB stack, so the
// harness asks for a smaller n and compares ns per fiber.
#include "boost_frame.hpp"

namespace {
using channel = bench::fibers::unbuffered_channel<long>;

void skynet(bench::stacks &stack, channel &up, long first, long leaves) {
  if (leaves == 1) {
    up.push(first);
    return;
  }
  channel below;
  std::vector<bench::fibers::fiber> nodes;
  for (long i = 0; i < 10; i++)
    nodes.emplace_back(bench::fibers::launch::post, std::allocator_arg, stack,
                       [&, i] { skynet(stack, below, first + i * (leaves / 10), leaves / 10); });
  long sum = 0;
  for (int i = 0; i < 10; i++) sum += below.value_pop();
  for (auto &node : nodes) node.join();  // a push returns after its pop, and the channel must outlive it
  up.push(sum);
}
}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long leaves = rep < 0 && args.n >= 10 ? args.n / 10 : args.n;
      bench::stacks stack;
      channel root;
      const int64_t start = bench_now();
      bench::fibers::fiber top(bench::fibers::launch::post, std::allocator_arg, stack,
                               [&] { skynet(stack, root, 0, leaves); });
      const long sum = root.value_pop();
      const int64_t end = bench_now();
      top.join();
      if (sum != leaves * (leaves - 1) / 2) bench_die("the sum is wrong, or n is no power of ten");
      const long tasks = (10 * leaves - 1) / 9;
      bench_line("skynet", "boost", &args, rep, "total", (end - start) / 1e6, "ms");
      bench_line("skynet", "boost", &args, rep, "task", static_cast<double>(end - start) / tasks, "ns");
    }
  });
}
