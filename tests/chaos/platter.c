/*
 * A disk that loses power: preloaded into a process, it copies each file of DATA to PLATTER when that is synced.
 *
 * What PLATTER holds is what a disk would hold that writes nothing before it is told to. Names count as written with
 * their file: that PostgreSQL syncs its folders too is not tested.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_folders(char *path)
{
    for (char *slash = path + sizeof PLATTER; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
}

/* The whole file, under another name until it is complete: the power may go in between. */
static int copy(const char *from, char *to)
{
    char draft[3 * PATH_MAX];
    struct stat is;
    off_t at = 0;
    int in = open(from, O_RDONLY | O_CLOEXEC), out, failed = 1;
    if (in < 0)
        return errno != ENOENT; /* deleted meanwhile */
    snprintf(draft, sizeof draft, "%s.%d", to, getpid());
    make_folders(to);
    out = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out >= 0 && !fstat(in, &is)) {
        while (at < is.st_size && sendfile(out, in, &at, is.st_size - at) > 0)
            ;
        failed = at < is.st_size || rename(draft, to);
    }
    close(in);
    close(out);
    return failed;
}

static int reach_platter(int file)
{
    char link[64], from[PATH_MAX], to[2 * PATH_MAX];
    struct stat is;
    int failed, lock, before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, from, sizeof from - 1);
    if (length < 0)
        return 0;
    from[length] = 0;
    if (strncmp(from, DATA "/", sizeof DATA) || fstat(file, &is) || !S_ISREG(is.st_mode))
        return 0;
    snprintf(to, sizeof to, "%s%s", PLATTER, from + sizeof DATA - 1);
    /* One at a time: an older copy must not take the place of a newer one. */
    lock = open(PLATTER "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    failed = lock < 0 || flock(lock, LOCK_EX) || copy(from, to);
    close(lock);
    errno = failed ? EIO : before;
    return failed ? -1 : 0;
}

int fsync(int file)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return real(file) ? -1 : reach_platter(file);
}

int fdatasync(int file)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(file) ? -1 : reach_platter(file);
}
