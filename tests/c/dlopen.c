/* Loading and unloading: many rounds leave nothing behind; a second copy of the library, from another file, works beside the first. */
//@ limit 120
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

/* One copy of the library, by its own symbols. */
struct copy {
    void *handle;
    __typeof__(&gmp_start) start;
    __typeof__(&gmp_shutdown) shutdown;
    __typeof__(&gmp_run) run;
    __typeof__(&gmp_go) go;
    __typeof__(&gmp_sleep) sleep;
    __typeof__(&gmp_self_id) self_id;
    __typeof__(&gmp_num_tasks) num_tasks;
    __typeof__(&gmp_chan_new) chan_new;
    __typeof__(&gmp_chan_send) chan_send;
    __typeof__(&gmp_chan_recv) chan_recv;
    __typeof__(&gmp_chan_free) chan_free;
    __typeof__(&gmp_wg_go) wg_go;
    __typeof__(&gmp_wg_wait) wg_wait;
    __typeof__(&gmp_ctx_new) ctx_new;
    __typeof__(&gmp_ctx_cancel) ctx_cancel;
    __typeof__(&gmp_ctx_err) ctx_err;
    __typeof__(&gmp_ctx_free) ctx_free;
    gmp_chan_t *chan;
    struct copy *other;
};

static void *symbol(void *handle, const char *name) {
    void *found = dlsym(handle, name);
    if (found == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(found != NULL);
    return found;
}

static void find_symbols(struct copy *c, void *handle) {
    c->handle = handle;
#define FIND(name) *(void **)&c->name = symbol(handle, "gmp_" #name)
    FIND(start);
    FIND(shutdown);
    FIND(run);
    FIND(go);
    FIND(sleep);
    FIND(self_id);
    FIND(num_tasks);
    FIND(chan_new);
    FIND(chan_send);
    FIND(chan_recv);
    FIND(chan_free);
    FIND(wg_go);
    FIND(wg_wait);
    FIND(ctx_new);
    FIND(ctx_cancel);
    FIND(ctx_err);
    FIND(ctx_free);
#undef FIND
}

/* A file like the library's, of no name: it goes with the process. */
static const char *make_copy(void) {
    static char path[32];
    Dl_info own;
    char block[65536];
    ssize_t n;
    CHECK(dladdr((void *)gmp_start, &own) != 0);
    int from = open(own.dli_fname, O_RDONLY | O_CLOEXEC);
    int to = memfd_create("copy of the library", MFD_CLOEXEC);
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, block, sizeof block)) > 0) CHECK_EQ(write(to, block, (size_t)n), n);
    CHECK_EQ(n, 0);
    close(from);
    snprintf(path, sizeof path, "/proc/self/fd/%d", to);
    return path;
}

static void open_copy(struct copy *c, const char *path, int flags) {
    void *handle = dlopen(path, RTLD_NOW | flags);
    if (handle == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(handle != NULL);
    find_symbols(c, handle);
}

/* ------------------------------------------------------------ use */
static void receive(void *arg) {
    struct copy *c = (struct copy *)arg;
    long value;
    CHECK_OK(c->chan_recv(c->chan, &value, GMP_FOREVER));
    CHECK_EQ(value, 5);
}

static void use_in_a_task(void *arg) {
    struct copy *c = (struct copy *)arg;
    gmp_wg_t wg = {0};
    gmp_ctx_t *context;
    long value = 5;
    CHECK(c->self_id() != 0);
    if (c->other) CHECK_EQ(c->other->self_id(), 0);
    CHECK_OK(c->chan_new(sizeof value, 0, &c->chan));
    for (int i = 0; i < 5; i++) CHECK_OK(c->wg_go(&wg, receive, c));
    for (int i = 0; i < 5; i++) CHECK_OK(c->chan_send(c->chan, &value, GMP_FOREVER));
    CHECK_OK(c->wg_wait(&wg, GMP_FOREVER));
    c->chan_free(c->chan);
    CHECK_OK(c->ctx_new(NULL, gmp_after_ns(SECOND), &context));
    CHECK_OK(c->ctx_cancel(context));
    CHECK_CODE(c->ctx_err(context), GMP_ECANCELED);
    c->ctx_free(context);
    CHECK_OK(c->sleep(10000));
}

static void use(struct copy *c) { CHECK_OK(c->run(use_in_a_task, c)); }

SCENARIO(hundred_rounds_of_loading_leave_nothing) {
    const char *path = make_copy();
    struct copy c = {0};
    long threads = check_threads(), descriptors = 0, mappings = 0;
    for (int round = 0; round < 100; round++) {
        open_copy(&c, path, round % 2 ? RTLD_LOCAL : RTLD_GLOBAL);
        if (round > 0) CHECK_OK(c.start(NULL)); /* the first use starts it by itself */
        use(&c);
        CHECK_OK(c.shutdown(GMP_FOREVER));
        CHECK_EQ(c.num_tasks(), 0);
        CHECK_EQ(dlclose(c.handle), 0);
        CHECK_THREADS(threads);
        if (round < 3) { /* the heap's own arenas may still come */
            descriptors = check_descriptors();
            mappings = check_mappings();
        }
        CHECK_EQ(check_descriptors(), descriptors);
        CHECK(check_mappings() <= mappings + 2);
        CHECK_OK(c.start(NULL)); /* it has stayed: closing unloads nothing */
        CHECK_OK(c.shutdown(GMP_FOREVER));
    }
}

/* ------------------------------------------------------------ two copies */
static void use_the_other(void *arg) {
    struct copy *c = (struct copy *)arg;
    use_in_a_task(c);
    CHECK_OK(c->other->run(use_in_a_task, c->other)); /* for the other one this task is a foreign thread */
    CHECK(c->self_id() != 0);
}

static void in_child(struct copy *a, struct copy *b) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(30);
        use(a);
        use(b);
        CHECK_OK(a->shutdown(GMP_FOREVER));
        CHECK_OK(b->shutdown(GMP_FOREVER));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void both(int flags) {
    struct copy a = {0}, b = {0};
    find_symbols(&a, RTLD_DEFAULT);
    open_copy(&b, make_copy(), flags);
    CHECK(a.start != b.start);
    CHECK_OK(a.start(NULL));
    CHECK_OK(b.start(NULL));
    for (int i = 0; i < 50; i++) {
        struct copy inner_a = a, inner_b = b, outer_a = a, outer_b = b;
        outer_a.other = &inner_b;
        outer_b.other = &inner_a;
        CHECK_OK(a.run(use_the_other, &outer_a));
        CHECK_OK(b.run(use_the_other, &outer_b));
        if (i % 10 == 0) in_child(&inner_a, &inner_b);
    }
    CHECK_OK(a.shutdown(GMP_FOREVER));
    use(&b);
    CHECK_OK(b.shutdown(GMP_FOREVER));
    CHECK_THREADS(1);
}

SCENARIO(two_copies_work_side_by_side) { both(RTLD_LOCAL); }
SCENARIO(two_copies_work_side_by_side_with_global_symbols) { both(RTLD_GLOBAL); }
SCENARIO(second_copy_bound_deeply_works) { both(RTLD_LOCAL | RTLD_DEEPBIND); }

/* In a namespace of its own the copy has a C library of its own, too. */
SCENARIO(copy_in_another_namespace_works) {
    struct copy c = {0};
    void *handle = dlmopen(LM_ID_NEWLM, make_copy(), RTLD_NOW);
    if (handle == NULL) SKIP("%s", dlerror());
    find_symbols(&c, handle);
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < 20; i++) use(&c);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    use(&c);
    CHECK_OK(c.shutdown(GMP_FOREVER));
    CHECK_THREADS(1);
}
