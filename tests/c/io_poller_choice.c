/* GMP_POLLER names the poller: there is one, and another name is refused when the runtime starts. */
#include "check.h"

static void nothing(void *arg) { (void)arg; }

SCENARIO(epoll_may_be_named) {
    CHECK_EQ(setenv("GMP_POLLER", "epoll", 1), 0);
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(setenv("GMP_POLLER", "", 1), 0);
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(nothing, NULL));
}

SCENARIO(others_are_refused_and_nothing_has_started) {
    long threads = check_threads();
    CHECK_EQ(setenv("GMP_POLLER", "io_uring", 1), 0);
    CHECK_CODE(gmp_start(NULL), GMP_ENOTSUP);
    CHECK_CODE(gmp_go(nothing, NULL), GMP_ENOTSUP);
    CHECK_EQ(setenv("GMP_POLLER", "select", 1), 0);
    CHECK_CODE(gmp_start(NULL), GMP_EINVAL);
    CHECK_EQ(check_threads(), threads);
    CHECK_EQ(unsetenv("GMP_POLLER"), 0);
    CHECK_OK(gmp_run(nothing, NULL));
}
