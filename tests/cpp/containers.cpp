// Ordinary C++ in tasks: lambdas behind a trampoline, containers, atomics, thread-safe statics.
#include <memory>
#include <numeric>
#include <vector>

#include "../c/check.h"

namespace {

template <typename F>
void go(gmp_wg_t *group, F body) {
    auto boxed = std::make_unique<F>(std::move(body));
    CHECK_OK(gmp_wg_go(
        group, [](void *arg) { (*std::unique_ptr<F>(static_cast<F *>(arg)))(); }, boxed.get()));
    boxed.release();
}


}  // namespace

SCENARIO(lambdas_with_captures_run_as_tasks) {
    check_start(2);
    gmp_wg_t group{};
    std::vector<int> squares(1000);
    for (int i = 0; i < 1000; i++) {
        go(&group, [i, &squares] {
            gmp_yield();
            squares[static_cast<size_t>(i)] = i * i;
        });
    }
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_EQ(std::accumulate(squares.begin(), squares.end(), 0LL), 332833500LL);
}

SCENARIO(vectors_grow_in_many_tasks) {
    check_start(2);
    gmp_wg_t group{};
    std::atomic<long> total{0};
    for (int i = 0; i < 200; i++) {
        go(&group, [i, &total] {
            std::vector<std::vector<int>> rows;
            for (int j = 0; j < 50; j++) {
                rows.emplace_back(static_cast<size_t>(j), i);
                if (j % 10 == 0) gmp_yield();
            }
            for (const auto &row : rows) total += std::accumulate(row.begin(), row.end(), 0);
        });
    }
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_EQ(total.load(), 1225L * (199 * 200 / 2));
}
