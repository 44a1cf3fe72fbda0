// ping_pong: two fibers, two unbuffered channels, n messages each way; ns per message.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = bench_size(&args, rep);
      bench::fibers::unbuffered_channel<long> ping, pong;
      const int64_t start = bench_now();
      bench::fibers::fiber one([&] {
        for (long i = 0; i < n; i++) {
          ping.push(i);
          if (pong.value_pop() != i) bench_die("a message came back changed");
        }
      });
      bench::fibers::fiber two([&] {
        for (long i = 0; i < n; i++) pong.push(ping.value_pop());
      });
      one.join();
      two.join();
      bench_line("ping_pong", "boost", &args, rep, "message", (bench_now() - start) / (2.0 * n), "ns");
    }
  });
}
