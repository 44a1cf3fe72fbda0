/* All memory that clients can make the server take: values, tables, buffers. */
#ifndef KVD_BUDGET_H
#define KVD_BUDGET_H
#include <stdbool.h>
#include <stddef.h>

/* As malloc, realloc and free, with an account. NULL where there is none, and for more than SIZE_MAX / 2. */
void *budget_alloc(size_t n);
void *budget_grow(void *old, size_t n);
void budget_free(void *old);

void budget_set_limit(size_t bytes); /* 0: none. Set before the first client */
size_t budget_limit(void);
size_t budget_used(void);
/* Commands that may take more memory are refused from here on. One command may go past it, by no more than its own size. */
bool budget_spent(void);
/* A quarter past the limit buffers grow no more either. */
bool budget_exhausted(void);
#endif
