/* What a connection needs while requests come: taken when one begins, given back when it rests.
 *
 * Owns: a few pieces that nobody uses, so that busy servers make no system call for them. More than those go back to the
 * system. All pieces are of one size.
 * Blocks: briefly, on a lock. A task that is cancelled gets no lock where it would have to wait, and then does without.
 */
#include "httpd.h"

#include <sys/mman.h>

enum { KEPT_MOST = 64 };

struct piece {
    struct piece *next;
};

static gmp_mutex_t lock;
static struct piece *kept;
static int kept_count;

void *memory_take(size_t size) {
    struct piece *piece = NULL;
    if (gmp_mutex_lock(&lock, GMP_FOREVER) == GMP_OK) {
        piece = kept;
        if (piece) {
            kept = piece->next;
            kept_count--;
        }
        gmp_mutex_unlock(&lock);
    }
    if (piece) return piece;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void memory_give(void *memory, size_t size) {
    struct piece *piece = memory;
    if (gmp_mutex_lock(&lock, GMP_FOREVER) == GMP_OK) {
        if (kept_count < KEPT_MOST) {
            piece->next = kept;
            kept = piece;
            kept_count++;
            piece = NULL;
        }
        gmp_mutex_unlock(&lock);
    }
    if (piece) munmap(piece, size);
}
