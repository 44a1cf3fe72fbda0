/* What the tests of dumps share: a dump as a string, and looking in it. */
#ifndef GMP_TESTS_DUMP_TEXT_H
#define GMP_TESTS_DUMP_TEXT_H
#include <fcntl.h>
#include <stdarg.h>

#include "check.h"

/* What `dump(fd)` writes, from a file without a name. Freed by the caller. */
__attribute__((unused)) static char *text_from(int (*dump)(int fd)) {
    char path[] = "/tmp/gmp-dump-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_OK(dump(fd));
    off_t size = lseek(fd, 0, SEEK_CUR);
    char *text = malloc((size_t)size + 1);
    CHECK(text != NULL);
    CHECK_EQ(pread(fd, text, (size_t)size, 0), size);
    text[size] = 0;
    close(fd);
    return text;
}

/* The first line from `text` on that begins with `start` and contains each of the words up to NULL; NULL: none does. The
 * line is ended by a zero byte in `line`. */
__attribute__((unused)) static const char *find_line(const char *text, char line[2048], const char *start, ...) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        size_t kept = length < 2047 ? length : 2047;
        memcpy(line, text, kept);
        line[kept] = 0;
        text += length + (text[length] == '\n');
        if (strncmp(line, start, strlen(start)) != 0) continue;
        va_list words;
        va_start(words, start);
        const char *word;
        while ((word = va_arg(words, const char *)) && strstr(line, word)) continue;
        va_end(words);
        if (!word) return text;
    }
    return NULL;
}

__attribute__((unused)) static long count_lines(const char *text, const char *start) {
    long n = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') n += strncmp(text, start, strlen(start)) == 0;
    return n;
}

/* The number after `name=` in a line, or -1. */
__attribute__((unused)) static long long number_of(const char *line, const char *name) {
    char field[64];
    snprintf(field, sizeof field, " %s=", name);
    const char *at = strstr(line, field);
    return at ? strtoll(at + strlen(field), NULL, 10) : -1;
}

/* Prints the dump when a line that it must have is not there. */
#define CHECK_LINE(text, line, ...)                                                                                    \
    do {                                                                                                               \
        if (!find_line(text, line, __VA_ARGS__, (char *)NULL)) {                                                       \
            fprintf(stderr, "%s", text);                                                                               \
            check_failed(__FILE__, __LINE__, "no such line: " #__VA_ARGS__);                                           \
        }                                                                                                              \
    } while (0)

/* Dumps until a line is there, or for ten seconds. */
#define CHECK_LINE_COMES(line, ...)                                                                                    \
    do {                                                                                                               \
        gmp_time_t check_until = gmp_after_ns(10 * SECOND);                                                            \
        for (;;) {                                                                                                     \
            char *check_text = text_from(gmp_dump);                                                                    \
            int check_there = find_line(check_text, line, __VA_ARGS__, (char *)NULL) != NULL;                          \
            if (!check_there && gmp_now() > check_until) CHECK_LINE(check_text, line, __VA_ARGS__);                    \
            free(check_text);                                                                                          \
            if (check_there) break;                                                                                    \
        }                                                                                                              \
    } while (0)
#endif
