// parked: n fibers wait on one condition; bytes resident per fiber, ms until all wait, ms to wake all and see them end.
#include "boost_frame.hpp"

namespace {
void park_and_wake(const bench_args_t &args, long n, int rep) {
  bench::stacks stack;
  bench::wait_group all(n);
  std::atomic<long> arrived{0};
  bool open = false;
  bench::fibers::mutex lock;
  bench::fibers::condition_variable opened;
  const auto wait_at_gate = [&] {
    {
      std::unique_lock<bench::fibers::mutex> hold(lock);
      arrived.fetch_add(1, std::memory_order_relaxed);
      opened.wait(hold, [&] { return open; });
    }
    all.done();
  };
  const long before = bench_resident();
  const int64_t start = bench_now();
  for (long i = 0; i < n; i++)
    bench::fibers::fiber(bench::fibers::launch::post, std::allocator_arg, stack, wait_at_gate).detach();
  while (arrived.load(std::memory_order_relaxed) < n) boost::this_fiber::yield();
  const int64_t parked = bench_now();
  const long grown = bench_resident() - before;
  const int64_t wake = bench_now();
  {
    std::lock_guard<bench::fibers::mutex> hold(lock);
    open = true;
  }
  opened.notify_all();
  all.wait();
  const int64_t end = bench_now();
  bench_line("parked", "boost", &args, rep, "resident", static_cast<double>(grown) / n, "B");
  bench_line("parked", "boost", &args, rep, "create", (parked - start) / 1e6, "ms");
  bench_line("parked", "boost", &args, rep, "wake_all", (end - wake) / 1e6, "ms");
}
}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    park_and_wake(args, 100, -1);
    park_and_wake(args, args.n, 0);
  });
}
