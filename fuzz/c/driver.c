/* Fuzzes one body with what every Debian has: gcc's -fsanitize-coverage=trace-pc, and inputs made of the seeds.
 *
 *     driver SECONDS SEED SEEDS_DIR [FILE]...
 *
 * Every file of SEEDS_DIR is run, then for SECONDS (and for ROUNDS_LEAST inputs) what becomes of them when bytes are
 * changed, cut out, doubled and put together; an input that reaches code in a way that none did before is kept and changed
 * further. FILEs alone: SECONDS 0. The body is libFuzzer's, so with clang `-fsanitize=fuzzer` takes this file's place.
 * An input that makes the body abort, or a sanitizer speak, is left in the file `fuzz-failed`; the exit status says so.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

enum { LONGEST = 4096, KEPT = 4096, EDGES = 1 << 16, ROUNDS_LEAST = 2000 };

static struct input {
    size_t size;
    uint8_t bytes[LONGEST];
} * kept[KEPT], now;
static size_t kept_count;

/* ------------------------------------------------------------ coverage */
static uint8_t hits[EDGES], seen[EDGES];
static uint32_t before;

/* Called at every branch of the code under test. An edge is a place and the one before it. */
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void) {
    uint32_t here = (uint32_t)(uintptr_t)__builtin_return_address(0) * 2654435761u >> 16;
    uint8_t *hit = &hits[(here ^ before) % EDGES];
    if (*hit < 255) ++*hit;
    before = here >> 1;
}

/* Counts are told apart as powers of two, as every round of a loop would else be news. */
static uint8_t class_of(uint8_t count) {
    uint8_t bit = 1;
    while (count >>= 1) bit = (uint8_t)(bit << 1);
    return bit;
}

static int is_news(void) {
    int news = 0;
    for (size_t i = 0; i < EDGES; i++) {
        if (hits[i] == 0) continue;
        uint8_t class = class_of(hits[i]);
        news |= (seen[i] & class) == 0;
        seen[i] |= class;
    }
    return news;
}

/* ------------------------------------------------------------ running */
static void leave_the_input(void) {
    FILE *file = fopen("fuzz-failed", "wb");
    if (!file) return;
    fwrite(now.bytes, 1, now.size, file);
    fclose(file);
    fprintf(stderr, "the input is in the file fuzz-failed: %zu bytes\n", now.size);
}

static void on_abort(int signal) {
    leave_the_input();
    _exit(128 + signal);
}

static int run(void) {
    memset(hits, 0, sizeof hits);
    before = 0;
    uint8_t *exact = malloc(now.size ? now.size : 1); /* so that a read past the end is seen */
    if (!exact) abort();
    memcpy(exact, now.bytes, now.size);
    LLVMFuzzerTestOneInput(exact, now.size);
    free(exact);
    return is_news();
}

static void keep(uint64_t draw) {
    size_t at = kept_count < KEPT ? kept_count++ : draw % KEPT;
    if (!kept[at]) kept[at] = malloc(sizeof **kept);
    if (!kept[at]) abort();
    *kept[at] = now;
}

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    now.size = fread(now.bytes, 1, LONGEST, file);
    fclose(file);
    run();
    keep(0);
    return 1;
}

/* ------------------------------------------------------------ changing */
static uint64_t state;
static uint64_t draw(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static void put_in(size_t at, const uint8_t *bytes, size_t size) {
    if (now.size + size > LONGEST) return;
    memmove(now.bytes + at + size, now.bytes + at, now.size - at);
    memmove(now.bytes + at, bytes, size);
    now.size += size;
}

static void change(void) {
    static const char *const PIECES[] = {"\r\n", "\r\n\r\n", "\n", "\r", " ", ":", "0", "-1", "99999999999999999999", "$", "*", "%2e", "..", "/", "\0",
                                         "*2\r\n", "$1\r\na\r\n", "$2\r\n-1\r\n", "\"", "'", "\\"};
    size_t at = now.size ? draw(now.size) : 0, length = now.size ? 1 + draw(now.size - at < 32 ? now.size - at : 32) : 0;
    const struct input *other = kept[draw(kept_count)];
    uint8_t copy[64];
    switch (draw(7)) {
    case 0:
        if (now.size) now.bytes[at] ^= (uint8_t)(1u << draw(8));
        break;
    case 1:
        if (now.size) now.bytes[at] = (uint8_t)draw(256);
        break;
    case 2:
        memmove(now.bytes + at, now.bytes + at + length, now.size - at - length);
        now.size -= length;
        break;
    case 3:
        memcpy(copy, now.bytes + at, length);
        put_in(draw(now.size + 1), copy, length);
        break;
    case 4: {
        const char *piece = PIECES[draw(sizeof PIECES / sizeof *PIECES)];
        put_in(at, (const uint8_t *)piece, strlen(piece) ? strlen(piece) : 1);
        break;
    }
    case 5: /* the rest of another */
        if (other->size) {
            size_t from = draw(other->size), rest = other->size - from;
            now.size = at;
            if (rest > LONGEST - at) rest = LONGEST - at;
            memcpy(now.bytes + at, other->bytes + from, rest);
            now.size += rest;
        }
        break;
    default: now.size = at; break;
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    double seconds = atof(argv[1]);
    state = strtoull(argv[2], NULL, 10) * 2 + 1;
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(leave_the_input);
    signal(SIGABRT, on_abort);
    DIR *seeds = opendir(argv[3]);
    int files = 0;
    for (struct dirent *entry; seeds && (entry = readdir(seeds));) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[3], entry->d_name);
        files += run_file(path);
    }
    if (seeds) closedir(seeds);
    for (int i = 4; i < argc; i++) files += run_file(argv[i]);
    if (files == 0) return fprintf(stderr, "no seeds in %s\n", argv[3]), 2;

    time_t until = time(NULL) + (time_t)seconds;
    uint64_t rounds = 0;
    while (seconds > 0 && (rounds < ROUNDS_LEAST || time(NULL) < until)) {
        now = *kept[draw(kept_count)];
        for (uint64_t changes = 1 + draw(6); changes > 0; changes--) change();
        if (run()) keep(draw(KEPT));
        rounds++;
    }
    size_t edges = 0;
    for (size_t i = 0; i < EDGES; i++) edges += seen[i] != 0;
    printf("%d seeds, %llu inputs, %zu kept, %zu edges\n", files, (unsigned long long)rounds, kept_count, edges);
    return 0;
}
