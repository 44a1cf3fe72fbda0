/* Where parked tasks wait: the frames below their lines, of deep and of big stacks, while they come and go. */
//@ needs own-switch
#define _GNU_SOURCE
#include <dlfcn.h>

#include "dump_text.h"

static gmp_chan_t *chan;
static atomic_int stop;
static char line[2048];

/* Depth frames of `bytes` each, then a receive. Not a tail call, and not inlined. */
__attribute__((noinline)) static int descend(int depth, size_t bytes) {
    char local[bytes];
    local[0] = (char)depth;
    __asm__ volatile("" : : "r"(local) : "memory");
    int value = 0;
    if (depth > 1) {
        value = descend(depth - 1, bytes);
    } else {
        int code = gmp_chan_recv(chan, &value, GMP_FOREVER);
        CHECK(code == GMP_OK || code == GMP_ECLOSED);
    }
    __asm__ volatile("" : : "r"(local) : "memory");
    return value + local[0];
}

struct shape {
    int depth;
    size_t bytes;
};
static void *waits(void *arg) {
    struct shape *shape = arg;
    descend(shape->depth, shape->bytes);
    return NULL;
}

/* The frames below the task's line: those in `descend`, those in `waits`, all, and whether there are more. */
struct seen {
    long descends, waits, all, more;
};

static void *waits(void *arg);

static int is_in(void *function, const char *text) {
    Dl_info info;
    CHECK(dladdr(function, &info));
    const char *offset = strstr(text, "c-dump_trace+0x");
    if (!offset) return 0;
    uintptr_t at = (uintptr_t)info.dli_fbase + strtoull(offset + strlen("c-dump_trace+0x"), NULL, 16);
    uintptr_t start = (uintptr_t)function, one = (uintptr_t)descend, other = (uintptr_t)waits;
    uintptr_t next = one > start ? one : other > start ? other : UINTPTR_MAX;
    return at > start && at < next && at - start < 600;
}

static struct seen look_below(const char *text) {
    struct seen seen = {0, 0, 0, 0};
    for (; strncmp(text, "    ", 4) == 0; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t length = strcspn(text, "\n");
        CHECK(length < sizeof line);
        memcpy(line, text, length);
        line[length] = 0;
        if (strcmp(line, "    and more") == 0) {
            seen.more++;
            continue;
        }
        CHECK(strncmp(line, "    at ", 7) == 0);
        if (seen.all++ == 0) CHECK(strncmp(line, "    at gmp_chan_recv+0x", 23) == 0);
        seen.descends += is_in((void *)descend, line);
        seen.waits += is_in((void *)waits, line);
    }
    return seen;
}

/* The frames of the only task, once it is parked. */
static struct seen frames_of(struct shape shape, size_t stack) {
    gmp_spawn_opts_t options;
    gmp_task_t *task;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
    options.stack_size = stack;
    CHECK_OK(gmp_spawn(waits, &shape, &options, &task));
    CHECK_LINE_COMES(line, "task ", " state=parked reason=chan-recv ");
    char *text = text_from(gmp_dump);
    const char *below = find_line(text, line, "task ", " state=parked ", (char *)NULL);
    CHECK(below != NULL);
    struct seen seen = look_below(below);
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    gmp_chan_free(chan);
    return seen;
}

SCENARIO(frames_from_the_call_to_the_entry_are_shown) {
    check_start(1);
    struct seen seen = frames_of((struct shape){5, 16}, 0);
    CHECK_EQ(seen.descends, 5);
    CHECK_EQ(seen.waits, 1);
    CHECK_EQ(seen.all, 7);
    CHECK_EQ(seen.more, 0);
}

SCENARIO(deep_stack_is_cut_and_says_so) {
    check_start(1);
    struct seen seen = frames_of((struct shape){2000, 16}, 0);
    CHECK(seen.descends >= 20 && seen.descends <= 32);
    CHECK_EQ(seen.waits, 0);
    CHECK_EQ(seen.more, 1);
}

/* A frame may be greater than what is copied of a stack. */
SCENARIO(big_frames_are_cut_and_say_so) {
    check_start(1);
    struct seen seen = frames_of((struct shape){3, 1 << 20}, 4 << 20);
    CHECK_EQ(seen.descends, 1);
    CHECK_EQ(seen.waits, 0);
    CHECK_EQ(seen.more, 1);
    seen = frames_of((struct shape){3, 20 << 10}, 0);
    CHECK_EQ(seen.descends, 3);
    CHECK_EQ(seen.waits, 1);
    CHECK_EQ(seen.more, 0);
}

/* Dumps while the stacks that they copy are left and entered all the time. */
static void receive_and_end(void *arg) {
    uintptr_t random = (uintptr_t)arg;
    descend(1 + (int)(random % 40), 8 + random / 40 % 3000);
}
static void keep_receivers(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        int value = 1;
        for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(receive_and_end, (void *)(uintptr_t)(check_random(&state) >> 20)));
        for (int i = 0; i < 50; i++) CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    }
}

SCENARIO(stacks_that_change_meanwhile_do_no_harm) {
    check_start(3);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    uint64_t seed = check_seed();
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_go(keep_receivers, (void *)(uintptr_t)(check_random(&seed) | 1)));
    gmp_time_t until = gmp_after_ns(3 * SECOND);
    long dumps = 0, frames = 0;
    while (gmp_now() < until || dumps < 20) {
        char *text = text_from(gmp_dump);
        frames += count_lines(text, "    at ");
        free(text);
        dumps++;
    }
    CHECK(frames > 0);
    atomic_store(&stop, 1);
    CHECK_IDLE();
}
