// C++ exceptions: what leaves a task is told at its join, what is being handled follows its task.
// On the switch of the `context` crate an exception that leaves a task ends the process (gmp-core/src/switch/unwinding.rs),
// so what shows that it does not here needs our own switch.
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../c/check.h"

namespace {

std::atomic<int> ended;
gmp_wg_t gate;

int as_int(void *arg) { return static_cast<int>(reinterpret_cast<intptr_t>(arg)); }
void *as_arg(int value) { return reinterpret_cast<void *>(static_cast<intptr_t>(value)); }

int join_one(gmp_task_fn_t fn, void *arg) {
    gmp_task_t *task = nullptr;
    CHECK_OK(gmp_spawn(fn, arg, nullptr, &task));
    return gmp_join(task, SOON(), nullptr);
}

void *throws(void *arg) {
    if (as_int(arg) % 2) gmp_yield();
    throw std::runtime_error("left the task");
}

void *returns(void *arg) { return arg; }

void throws_plainly(void *arg) { throws(arg); }

void count(void *) { ended++; }

}  // namespace

//@ needs own-switch
SCENARIO(exception_that_leaves_a_task_is_epanic_and_the_process_goes_on) {
    for (int i = 0; i < 100; i++) {
        CHECK_CODE(join_one(throws, as_arg(i)), GMP_EPANIC);
        CHECK_OK(join_one(returns, as_arg(i)));
    }
    CHECK_CODE(gmp_run(throws_plainly, nullptr), GMP_EPANIC);
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(throws_plainly, as_arg(i))); // nobody joins these
    CHECK_IDLE();
    CHECK_OK(gmp_wg_go(&gate, throws_plainly, nullptr));
    CHECK_OK(gmp_wg_wait(&gate, SOON())); // an exception is an end, too
    CHECK_IDLE();
    CHECK_EQ(check_stats().tasks_created, check_stats().tasks_ended);
}

namespace {

struct Guard {
    ~Guard() { ended++; }
};

void *throws_over_frames(void *arg) {
    Guard one, two;
    CHECK_OK(gmp_defer(count, nullptr));
    throws(arg);
    return arg;
}

void *joins_throwers(void *arg) {
    Guard mine;
    for (int i = 0; i < 20; i++) {
        volatile int local = i;
        ended = 0;
        CHECK_CODE(join_one(throws_over_frames, as_arg(i)), GMP_EPANIC);
        CHECK_EQ(ended.load(), 3); // two destructors and the deferred call
        CHECK_EQ(local, i);
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    return arg;
}

}  // namespace

// The child runs in place, on its joiner's stack: the exception must stop between the two.
//@ needs own-switch
SCENARIO(exception_of_a_task_joined_in_place_does_not_reach_its_joiner) {
    check_start(1);
    CHECK_OK(join_one(joins_throwers, nullptr));
}

namespace {

void throw_while_deferred(void *) { throw 1; }

void *defers_a_thrower(void *arg) {
    CHECK_OK(gmp_defer(count, nullptr));
    CHECK_OK(gmp_defer(throw_while_deferred, nullptr));
    CHECK_OK(gmp_defer(count, nullptr));
    return arg;
}

void *throws_and_defers_a_thrower(void *arg) {
    defers_a_thrower(arg);
    return throws(arg);
}

void defers_and_exits(void *arg) {
    defers_a_thrower(arg);
    gmp_exit();
}

void join_them(void *) {
    CHECK_CODE(join_one(defers_a_thrower, nullptr), GMP_EPANIC); // in place
    CHECK_CODE(join_one(throws_and_defers_a_thrower, nullptr), GMP_EPANIC);
}

}  // namespace

//@ needs own-switch
SCENARIO(exception_out_of_a_deferred_call_is_epanic_and_the_others_still_run) {
    CHECK_CODE(join_one(defers_a_thrower, nullptr), GMP_EPANIC);
    CHECK_EQ(ended.load(), 2);
    CHECK_CODE(join_one(throws_and_defers_a_thrower, nullptr), GMP_EPANIC);
    CHECK_EQ(ended.load(), 4);
    CHECK_CODE(gmp_run(defers_and_exits, nullptr), GMP_EPANIC);
    CHECK_EQ(ended.load(), 6);
    CHECK_OK(gmp_run(join_them, nullptr));
    CHECK_EQ(ended.load(), 10);
    CHECK_OK(join_one(returns, nullptr));
}

namespace {

void park_in_every_way(int i) {
    gmp_yield();
    CHECK_OK(gmp_sleep(1000 * (i % 11)));
    CHECK_OK(gmp_blocking_enter());
    CHECK_OK(gmp_blocking_exit());
    gmp_yield();
}

void rethrow_after_parks(void *arg) {
    const int mine = as_int(arg);
    for (int round = 0; round < 20; round++) {
        int seen = -1;
        try {
            try {
                throw mine;
            } catch (...) {
                park_in_every_way(mine);
                CHECK(std::current_exception() != nullptr);
                throw; // whose exception this is must not depend on the thread
            }
        } catch (int value) {
            seen = value;
            park_in_every_way(mine + 5);
        }
        CHECK_EQ(seen, mine);
        CHECK(std::current_exception() == nullptr);
    }
    ended++;
}

void nested(void *arg) {
    const int mine = as_int(arg);
    try {
        throw std::to_string(mine);
    } catch (const std::string &outer) {
        park_in_every_way(mine);
        try {
            throw mine;
        } catch (int inner) {
            park_in_every_way(mine + 3);
            CHECK_EQ(inner, mine);
        }
        park_in_every_way(mine + 7);
        CHECK(outer == std::to_string(mine));
        CHECK(std::current_exception() != nullptr);
    }
    CHECK(std::current_exception() == nullptr);
    ended++;
}

struct ParksInItsDestructor {
    int mine;
    ~ParksInItsDestructor() {
        CHECK_EQ(std::uncaught_exceptions(), 1);
        park_in_every_way(mine);
        CHECK_EQ(std::uncaught_exceptions(), 1);
    }
};

void unwind_over_a_park(void *arg) {
    CHECK_EQ(std::uncaught_exceptions(), 0);
    try {
        ParksInItsDestructor object{as_int(arg)};
        throw 1;
    } catch (int) {
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    ended++;
}

void handle_nothing(void *arg) {
    for (int i = 0; i < 50; i++) {
        CHECK(std::current_exception() == nullptr);
        CHECK_EQ(std::uncaught_exceptions(), 0);
        park_in_every_way(as_int(arg));
    }
    ended++;
}

void many(gmp_fn_t fn) {
    check_start(2);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(gmp_go(fn, as_arg(i)));
        if (i % 4 == 0) CHECK_OK(gmp_go(handle_nothing, as_arg(i)));
    }
    CHECK_IDLE();
    CHECK_EQ(ended.load(), 125);
}

}  // namespace

SCENARIO(rethrow_after_a_park_throws_the_tasks_own_exception) { many(rethrow_after_parks); }
SCENARIO(nested_handlers_survive_parks) { many(nested); }
SCENARIO(unwinding_survives_a_park_in_a_destructor) { many(unwind_over_a_park); }

namespace {

std::atomic<int> caught, reached;

void *exits_inside_try(void *arg) {
    try {
        gmp_exit();
        reached++;
    } catch (...) {
        caught++;
    }
    return arg;
}

void *exits_while_handling(void *arg) {
    try {
        throw 1;
    } catch (...) {
        gmp_exit();
    }
    return arg;
}

}  // namespace

//@ needs own-switch
SCENARIO(exit_is_not_an_exception_that_can_be_caught) {
    check_start(1);
    for (int i = 0; i < 20; i++) {
        CHECK_CODE(join_one(exits_inside_try, nullptr), GMP_EPANIC);
        CHECK_CODE(join_one(exits_while_handling, nullptr), GMP_EPANIC);
        CHECK_OK(gmp_run(handle_nothing, nullptr)); // nothing of it is left on the thread
    }
    CHECK_EQ(caught.load(), 0);
    CHECK_EQ(reached.load(), 0);
}

namespace {

void call_a_thrower(void *) {
    void *result = &ended;
    CHECK_CODE(gmp_blocking_call(throws, nullptr, &result), GMP_EPANIC);
    CHECK(result == &ended);
    CHECK_EQ(std::uncaught_exceptions(), 0);
    CHECK_OK(gmp_blocking_enter()); // the section was left
    CHECK_OK(gmp_blocking_exit());
    ended++;
}

}  // namespace

//@ needs own-switch
SCENARIO(exception_out_of_a_blocking_call_is_epanic) {
    call_a_thrower(nullptr);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_run(call_a_thrower, nullptr));
    CHECK_EQ(ended.load(), 21);
}

namespace {

void throw_across_the_sections(void *) {
    for (int i = 0; i < 20; i++) {
        try {
            CHECK_OK(gmp_blocking_enter());
            throw i;
        } catch (int value) {
            CHECK_OK(gmp_blocking_exit());
            CHECK_EQ(value, i);
        }
    }
    ended++;
}

}  // namespace

// A handler may leave the section that its try block entered, on whatever thread it then runs.
SCENARIO(exception_inside_a_blocking_section_can_be_handled) {
    check_start(2);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(throw_across_the_sections, nullptr));
    CHECK_IDLE();
    CHECK_EQ(ended.load(), 20);
}
