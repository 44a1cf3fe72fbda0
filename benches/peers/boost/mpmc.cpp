// mpmc: 4 producers, 4 consumers, one channel, n messages in all; ns per message. It is closed after the last.
// A channel made for 128 holds 127 here: one slot of its ring stays free.
#include "boost_frame.hpp"

namespace {
constexpr int sides = 4;
constexpr std::size_t capacity = 128;
}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long each = bench_size(&args, rep) / sides + 1;
      bench::fibers::buffered_channel<long> channel(capacity);
      std::vector<bench::fibers::fiber> producers, consumers;
      long sums[sides] = {};
      const int64_t start = bench_now();
      for (int side = 0; side < sides; side++) {
        consumers.emplace_back([&channel, &sums, side] {
          long sum = 0, value;
          while (channel.pop(value) == bench::fibers::channel_op_status::success) sum += value;
          sums[side] = sum;
        });
        producers.emplace_back([&channel, each] {
          for (long i = 1; i <= each; i++) channel.push(i);
        });
      }
      for (auto &producer : producers) producer.join();
      channel.close();
      for (auto &consumer : consumers) consumer.join();
      const int64_t end = bench_now();
      if (sums[0] + sums[1] + sums[2] + sums[3] != sides * (each * (each + 1) / 2))
        bench_die("messages were lost or doubled");
      bench_line("mpmc", "boost", &args, rep, "message", static_cast<double>(end - start) / (sides * each), "ns");
    }
  });
}
