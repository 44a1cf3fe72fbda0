/* Codes and their texts. */
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"

static const struct {
    int code;
    const char *name;
} codes[] = {
    {GMP_OK, "GMP_OK"},
    {GMP_EPERM, "GMP_EPERM"},
    {GMP_ENOENT, "GMP_ENOENT"},
    {GMP_EBADF, "GMP_EBADF"},
    {GMP_EAGAIN, "GMP_EAGAIN"},
    {GMP_ENOMEM, "GMP_ENOMEM"},
    {GMP_EBUSY, "GMP_EBUSY"},
    {GMP_EINVAL, "GMP_EINVAL"},
    {GMP_EPIPE, "GMP_EPIPE"},
    {GMP_EDEADLK, "GMP_EDEADLK"},
    {GMP_ENOTSUP, "GMP_ENOTSUP"},
    {GMP_ETIMEDOUT, "GMP_ETIMEDOUT"},
    {GMP_ECANCELED, "GMP_ECANCELED"},
    {GMP_ECLOSED, "GMP_ECLOSED"},
    {GMP_ESTOPPED, "GMP_ESTOPPED"},
    {GMP_EPANIC, "GMP_EPANIC"},
    {GMP_EMISUSE, "GMP_EMISUSE"},
    {GMP_EFORKED, "GMP_EFORKED"},
};
enum { CODES = sizeof codes / sizeof codes[0] };

SCENARIO(every_code_has_its_name_and_a_text_of_its_own) {
    for (int i = 0; i < CODES; i++) {
        CHECK(strcmp(gmp_errname(codes[i].code), codes[i].name) == 0);
        CHECK(strlen(gmp_strerror(codes[i].code)) > 0);
        for (int j = 0; j < i; j++) {
            CHECK(codes[i].code != codes[j].code);
            CHECK(strcmp(gmp_strerror(codes[i].code), gmp_strerror(codes[j].code)) != 0);
        }
    }
}

SCENARIO(unknown_codes_have_a_text_too) {
    static const int odd[] = {1, 4711, INT_MAX, INT_MIN, -4095, -4096, -5000, -123456};
    for (int code = -5000; code <= 200; code++) {
        CHECK(gmp_strerror(code) != NULL && gmp_strerror(code)[0] != 0);
        CHECK(gmp_errname(code) != NULL && gmp_errname(code)[0] != 0);
    }
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        CHECK(gmp_strerror(odd[i]) != NULL && gmp_errname(odd[i]) != NULL);
    }
}

SCENARIO(codes_that_mean_an_errno_are_that_errno) {
    CHECK_EQ(GMP_EPERM, -EPERM);
    CHECK_EQ(GMP_ENOENT, -ENOENT);
    CHECK_EQ(GMP_EBADF, -EBADF);
    CHECK_EQ(GMP_EAGAIN, -EAGAIN);
    CHECK_EQ(GMP_ENOMEM, -ENOMEM);
    CHECK_EQ(GMP_EBUSY, -EBUSY);
    CHECK_EQ(GMP_EINVAL, -EINVAL);
    CHECK_EQ(GMP_EPIPE, -EPIPE);
    CHECK_EQ(GMP_EDEADLK, -EDEADLK);
    CHECK_EQ(GMP_ENOTSUP, -ENOTSUP);
    CHECK_EQ(GMP_ETIMEDOUT, -ETIMEDOUT);
    CHECK_EQ(GMP_ECANCELED, -ECANCELED);
}

/* Every pointer that must not be NULL, in one place; what is optional is shown to be. */
static void *nothing(void *arg) { return arg; }
static void no_op(void *arg) { (void)arg; }

/* Of descriptor 0, which is not touched. */
static void null_in_io(void) {
    struct sockaddr addr;
    char byte;
    struct iovec null = {NULL, 1};
    CHECK_EQ(gmp_read(0, NULL, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_write(0, NULL, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_recv(0, NULL, 1, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_send(0, NULL, 1, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_recvfrom(0, NULL, 1, 0, NULL, NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_recvfrom(0, &byte, 1, 0, &addr, NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_sendto(0, NULL, 1, 0, NULL, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_pread(0, NULL, 1, 0), GMP_EINVAL);
    CHECK_EQ(gmp_pwrite(0, NULL, 1, 0), GMP_EINVAL);
    CHECK_EQ(gmp_readv(0, NULL, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_readv(0, &null, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_writev(0, NULL, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_writev(0, &null, 1, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_recvmsg(0, NULL, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_EQ(gmp_sendmsg(0, NULL, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_accept(0, &addr, NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_connect(0, NULL, sizeof addr, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_open(NULL, 0, 0), GMP_EINVAL);
    CHECK_CODE(gmp_dial(NULL, "127.0.0.1:1", GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_dial("tcp", NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_listen(NULL, "127.0.0.1:0"), GMP_EINVAL);
    CHECK_CODE(gmp_listen("tcp", NULL), GMP_EINVAL);
}

static void null_everywhere(void *arg) {
    gmp_task_t *task;
    (void)arg;
    null_in_io();
    CHECK_CODE(gmp_go(NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_run(NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_spawn(NULL, NULL, NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_join(NULL, GMP_NOWAIT, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_task_free(NULL), GMP_EINVAL);
    CHECK_EQ(gmp_task_id(NULL), 0);
    CHECK_CODE(gmp_blocking_call(NULL, NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_key_create(no_op, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_config_init(NULL, sizeof(gmp_config_t)), GMP_EINVAL);
    CHECK_CODE(gmp_spawn_opts_init(NULL, sizeof(gmp_spawn_opts_t)), GMP_EINVAL);
    CHECK_CODE(gmp_stats(NULL, sizeof(gmp_stats_t)), GMP_EINVAL);
    CHECK_CODE(gmp_wg_wait(NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_dial(NULL, "127.0.0.1:1", GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_dial("tcp", NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_listen(NULL, "127.0.0.1:0"), GMP_EINVAL);
    CHECK_CODE(gmp_listen("tcp", NULL), GMP_EINVAL);
    CHECK_CODE(gmp_signal_chan(10, NULL), GMP_EINVAL);
    CHECK_OK(gmp_spawn(nothing, NULL, NULL, NULL));
    CHECK_OK(gmp_spawn(nothing, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
}

SCENARIO(null_is_refused_everywhere) {
    null_everywhere(NULL); /* before start, from a thread */
    CHECK_OK(gmp_run(null_everywhere, NULL));
    CHECK_IDLE();
}
