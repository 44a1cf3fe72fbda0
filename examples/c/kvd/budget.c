#include "budget.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static _Atomic size_t used;
static size_t limit;

/* The allocator's header of each piece counts too: many small values are mostly that. */
static size_t cost(void *piece) { return malloc_usable_size(piece) + sizeof(size_t); }

void *budget_alloc(size_t n) {
    void *new = n > SIZE_MAX / 2 ? NULL : malloc(n);
    if (new) atomic_fetch_add_explicit(&used, cost(new), memory_order_relaxed);
    return new;
}

void *budget_grow(void *old, size_t n) {
    size_t before = old ? cost(old) : 0;
    void *new = n > SIZE_MAX / 2 ? NULL : realloc(old, n);
    if (new) atomic_fetch_add_explicit(&used, cost(new) - before, memory_order_relaxed);
    return new;
}

void budget_free(void *old) {
    if (!old) return;
    atomic_fetch_sub_explicit(&used, cost(old), memory_order_relaxed);
    free(old);
}

void budget_set_limit(size_t bytes) { limit = bytes; }
size_t budget_limit(void) { return limit; }
size_t budget_used(void) { return atomic_load_explicit(&used, memory_order_relaxed); }
bool budget_exhausted(void) { return limit != 0 && budget_used() > limit + limit / 4; }
bool budget_spent(void) { return limit != 0 && budget_used() > limit; }
