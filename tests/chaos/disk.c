/*
 * A disk that can be full: preloaded into a process, its writes to files under a folder fail with ENOSPC while STATE
 * says so.
 *
 * Only calls of the process itself are seen, not those that the C library makes inside, as by `fwrite`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING_GROWS = 1, NOTHING_IS_WRITTEN = 2, SAYS_SO = 4 };

static volatile struct {
    int32_t full;
    char under[PATH_MAX];
} *state;

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void map(void)
{
    int file = open(STATE, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(0, sizeof *state, PROT_READ, MAP_SHARED, file, 0);
    state = page == MAP_FAILED ? 0 : page;
    close(file);
}

static int is_under(const char *path)
{
    const char *folder = (const char *)state->under;
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

/* Whether a write that ends at a place of the file finds no room; `at` < 0: it begins where the file stands. */
static int is_full(int file, off_t at, size_t bytes)
{
    char link[64], path[PATH_MAX];
    struct stat is;
    int before = errno, full = state ? state->full : 0;
    if (!(full & (NOTHING_GROWS | NOTHING_IS_WRITTEN)) || fstat(file, &is) || !S_ISREG(is.st_mode))
        return errno = before, 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return errno = before, 0;
    path[length] = 0;
    if (!is_under(path))
        return errno = before, 0;
    if (at < 0)
        at = fcntl(file, F_GETFL) & O_APPEND ? is.st_size : lseek(file, 0, SEEK_CUR);
    if (!(full & NOTHING_IS_WRITTEN) && at + (off_t)bytes <= is.st_size)
        return errno = before, 0;
    errno = ENOSPC;
    return 1;
}

static size_t sum(const struct iovec *parts, int number)
{
    size_t bytes = 0;
    while (number-- > 0)
        bytes += parts[number].iov_len;
    return bytes;
}

ssize_t write(int file, const void *data, size_t bytes)
{
    REAL(write);
    return is_full(file, -1, bytes) ? -1 : real(file, data, bytes);
}

ssize_t writev(int file, const struct iovec *parts, int number)
{
    REAL(writev);
    return is_full(file, -1, sum(parts, number)) ? -1 : real(file, parts, number);
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t at)
{
    REAL(pwrite);
    return is_full(file, at, bytes) ? -1 : real(file, data, bytes, at);
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t at)
{
    REAL(pwrite64);
    return is_full(file, at, bytes) ? -1 : real(file, data, bytes, at);
}

ssize_t pwritev(int file, const struct iovec *parts, int number, off_t at)
{
    REAL(pwritev);
    return is_full(file, at, sum(parts, number)) ? -1 : real(file, parts, number, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int number, off64_t at)
{
    REAL(pwritev64);
    return is_full(file, at, sum(parts, number)) ? -1 : real(file, parts, number, at);
}

int fallocate(int file, int mode, off_t at, off_t bytes)
{
    REAL(fallocate);
    return is_full(file, at, bytes) ? -1 : real(file, mode, at, bytes);
}

int fallocate64(int file, int mode, off64_t at, off64_t bytes)
{
    REAL(fallocate64);
    return is_full(file, at, bytes) ? -1 : real(file, mode, at, bytes);
}

int posix_fallocate(int file, off_t at, off_t bytes)
{
    REAL(posix_fallocate);
    return is_full(file, at, bytes) ? ENOSPC : real(file, at, bytes);
}

int posix_fallocate64(int file, off64_t at, off64_t bytes)
{
    REAL(posix_fallocate64);
    return is_full(file, at, bytes) ? ENOSPC : real(file, at, bytes);
}

int ftruncate(int file, off_t bytes)
{
    REAL(ftruncate);
    return is_full(file, 0, bytes) ? -1 : real(file, bytes);
}

int ftruncate64(int file, off64_t bytes)
{
    REAL(ftruncate64);
    return is_full(file, 0, bytes) ? -1 : real(file, bytes);
}

int statvfs(const char *path, struct statvfs *is)
{
    REAL(statvfs);
    int failed = real(path, is);
    if (!failed && state && state->full & SAYS_SO && is_under(path))
        is->f_bavail = is->f_bfree = 0;
    return failed;
}

int statvfs64(const char *path, struct statvfs64 *is)
{
    REAL(statvfs64);
    int failed = real(path, is);
    if (!failed && state && state->full & SAYS_SO && is_under(path))
        is->f_bavail = is->f_bfree = 0;
    return failed;
}
