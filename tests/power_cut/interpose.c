/*
 * Stands between the host and the C library and remembers how to undo every write that no fsync has made safe.
 *
 * Preloaded (LD_PRELOAD) into a host whose data lies below STOKER_TEST_POWER_CUT_DATA. Before each write, pwrite and
 * ftruncate of a regular file there it appends what the file held to an undo log of that file, in the directory
 * STOKER_TEST_POWER_CUT_UNDO; an fsync or fdatasync of the file empties its log. After a SIGKILL the logs, applied
 * backwards, leave the files as a machine without power would have: everything after the last fsync is gone.
 *
 * With STOKER_TEST_IGNORE_FSYNC=1 an fsync is treated as nothing: the proof that the test can fail.
 *
 * With STOKER_TEST_FAIL_SYNC=FILE, once FILE exists the next sync of a file named `…-wal` removes FILE and fails with EIO.
 * As on Linux, what it should have made safe is lost then, although it can still be read and later syncs succeed: its
 * undo log is put aside as DEVICE-INODE.lost, after the file's size as a u64, until the file is cut to nothing.
 *
 * A log is named DEVICE-INODE, so that renames do not matter, and is a row of records:
 *     u64 offset, u64 length, u64 size of the file before, then `length` old bytes.
 * Not covered, on purpose: names (creations, renames and removals stay as they are) and memory-mapped writes (of the
 * SQLite index file, which a restart rebuilds: the test removes it).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 512
#define PIECE_BYTES (64 * 1024)

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_rename)(const char *, const char *);

/* One lock around "remember, then write" and around "sync, then forget": the order of the log is that of the file. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char data_dir[PATH_MAX];
static char undo_dir[PATH_MAX - 64]; /* room for the name of a log */
static char fail_sync[PATH_MAX];
static int ignore_fsync;

/* Files below the data directory and the open logs of them. */
static struct file {
    dev_t device;
    ino_t inode;
    int log;
} files[FILES_MAX];
static int files_known;

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
    real_rename = dlsym(RTLD_NEXT, "rename");
    const char *data = getenv("STOKER_TEST_POWER_CUT_DATA");
    const char *undo = getenv("STOKER_TEST_POWER_CUT_UNDO");
    const char *ignore = getenv("STOKER_TEST_IGNORE_FSYNC");
    if (data && undo) {
        snprintf(data_dir, sizeof data_dir, "%s/", data);
        snprintf(undo_dir, sizeof undo_dir, "%s", undo);
    }
    const char *fail = getenv("STOKER_TEST_FAIL_SYNC");
    if (fail) {
        snprintf(fail_sync, sizeof fail_sync, "%s", fail);
    }
    ignore_fsync = ignore && strcmp(ignore, "1") == 0;
}

static void give_up(const char *what) {
    /* A test that can't remember must not go on as if it could. */
    char message[256];
    int length = snprintf(message, sizeof message, "power cut test: %s: %s\n", what, strerror(errno));
    if (real_write && length > 0) {
        (void)!real_write(2, message, (size_t)length);
    }
    abort();
}

static void log_path(char *path, size_t size, dev_t device, ino_t inode) {
    snprintf(path, size, "%s/%llu-%llu", undo_dir, (unsigned long long)device, (unsigned long long)inode);
}

/* The log of `fd`'s file, or -1 when the file is none of ours. Holds the lock. */
static int log_of(int fd, struct stat *status) {
    if (!undo_dir[0] || fstat(fd, status) != 0 || !S_ISREG(status->st_mode)) {
        return -1;
    }
    for (int i = 0; i < files_known; i++) {
        if (files[i].inode == status->st_ino && files[i].device == status->st_dev) {
            return files[i].log;
        }
    }
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return -1;
    }
    path[length] = 0;
    if (strncmp(path, data_dir, strlen(data_dir)) != 0) {
        return -1;
    }
    if (files_known == FILES_MAX) {
        errno = ENFILE;
        give_up("more files than it can follow");
    }
    log_path(path, sizeof path, status->st_dev, status->st_ino);
    int log = open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    if (log < 0) {
        give_up("an undo log can't be opened");
    }
    files[files_known++] = (struct file){status->st_dev, status->st_ino, log};
    return log;
}

static void lost_path(char *path, size_t size, dev_t device, ino_t inode) {
    snprintf(path, size, "%s/%llu-%llu.lost", undo_dir, (unsigned long long)device, (unsigned long long)inode);
}

/* Nothing of what was lost is left in the file. */
static void nothing_lost(dev_t device, ino_t inode) {
    char path[PATH_MAX];
    if (undo_dir[0]) {
        lost_path(path, sizeof path, device, inode);
        real_unlink(path);
    }
}

/* The inode is about to be free for another file: what is remembered of it must not be applied to that one. */
static void forget(dev_t device, ino_t inode) {
    char path[PATH_MAX];
    if (!undo_dir[0]) {
        return;
    }
    for (int i = 0; i < files_known; i++) {
        if (files[i].inode == inode && files[i].device == device) {
            close(files[i].log);
            files[i] = files[--files_known];
            break;
        }
    }
    log_path(path, sizeof path, device, inode);
    real_unlink(path);
    nothing_lost(device, inode);
}

static void append(int log, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = real_write(log, at, length);
        if (written <= 0) {
            give_up("an undo log can't be written");
        }
        at += written;
        length -= (size_t)written;
    }
}

/* Remembers what the file holds in [offset, offset + length). */
static void remember(int fd, int log, const struct stat *status, uint64_t offset, uint64_t length) {
    uint64_t size = (uint64_t)status->st_size;
    uint64_t old = offset >= size ? 0 : (offset + length > size ? size - offset : length);
    uint64_t header[3] = {offset, old, size};
    char *record = malloc(sizeof header + old);
    if (!record) {
        give_up("no memory");
    }
    memcpy(record, header, sizeof header);
    /* The descriptor may be write-only: read through one of our own. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int own = old > 0 ? open(link, O_RDONLY | O_CLOEXEC) : -1;
    for (uint64_t done = 0; done < old;) {
        size_t piece = old - done < PIECE_BYTES ? (size_t)(old - done) : PIECE_BYTES;
        ssize_t got = own < 0 ? -1 : pread(own, record + sizeof header + done, piece, (off_t)(offset + done));
        if (got <= 0) {
            give_up("the old bytes can't be read");
        }
        done += (uint64_t)got;
    }
    if (own >= 0) {
        close(own);
    }
    append(log, record, sizeof header + old);
    free(record);
}

static void remember_write(int fd, off_t offset, size_t length) {
    struct stat status;
    int saved = errno;
    int log = log_of(fd, &status);
    if (log >= 0) {
        if (offset < 0) {
            int flags = fcntl(fd, F_GETFL);
            offset = (flags & O_APPEND) ? status.st_size : lseek(fd, 0, SEEK_CUR);
        }
        remember(fd, log, &status, (uint64_t)offset, length);
    }
    errno = saved;
}

static void remember_truncate(int fd, off_t length) {
    struct stat status;
    int saved = errno;
    int log = log_of(fd, &status);
    if (log >= 0) {
        uint64_t cut = length < status.st_size ? (uint64_t)(status.st_size - length) : 0;
        remember(fd, log, &status, (uint64_t)length, cut);
    }
    errno = saved;
}

/* Whether this sync is the one to fail. */
static int is_to_fail(int fd) {
    char link[64], path[PATH_MAX];
    if (!fail_sync[0]) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 4 && strncmp(path + length - 4, "-wal", 4) == 0 && real_unlink(fail_sync) == 0;
}

/* What the undo log remembers can't be made safe any more. */
static void lose(int log, const struct stat *status) {
    char path[PATH_MAX], piece[PIECE_BYTES];
    uint64_t size = (uint64_t)status->st_size;
    log_path(path, sizeof path, status->st_dev, status->st_ino);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    lost_path(path, sizeof path, status->st_dev, status->st_ino);
    int to = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (from < 0 || to < 0) {
        give_up("what was lost can't be noted");
    }
    append(to, &size, sizeof size);
    for (ssize_t got; (got = read(from, piece, sizeof piece)) > 0;) {
        append(to, piece, (size_t)got);
    }
    close(from);
    close(to);
    if (real_ftruncate(log, 0) != 0) {
        give_up("an undo log can't be emptied");
    }
}

static int synced(int fd, int (*sync)(int)) {
    pthread_mutex_lock(&lock);
    struct stat status;
    if (is_to_fail(fd)) {
        int lost = log_of(fd, &status);
        if (lost >= 0) {
            lose(lost, &status);
        }
        pthread_mutex_unlock(&lock);
        errno = EIO;
        return -1;
    }
    int result = sync(fd);
    int saved = errno;
    int log = result == 0 && !ignore_fsync ? log_of(fd, &status) : -1;
    if (log >= 0 && real_ftruncate(log, 0) != 0) {
        give_up("an undo log can't be emptied");
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

/* Sockets and pipes must not wait for the lock. */
static int is_file(int fd) {
    struct stat status;
    int saved = errno;
    int result = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    errno = saved;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!is_file(fd)) {
        return real_write(fd, bytes, length);
    }
    pthread_mutex_lock(&lock);
    remember_write(fd, -1, length);
    ssize_t result = real_write(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    size_t length = 0;
    if (!is_file(fd)) {
        return real_writev(fd, pieces, count);
    }
    for (int i = 0; i < count; i++) {
        length += pieces[i].iov_len;
    }
    pthread_mutex_lock(&lock);
    remember_write(fd, -1, length);
    ssize_t result = real_writev(fd, pieces, count);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&lock);
    remember_write(fd, offset, length);
    ssize_t result = real_pwrite(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    pthread_mutex_lock(&lock);
    remember_write(fd, offset, length);
    ssize_t result = real_pwrite64(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return result;
}

static void truncated(int fd, off_t length) {
    struct stat status;
    int saved = errno;
    if (length == 0 && log_of(fd, &status) >= 0) {
        nothing_lost(status.st_dev, status.st_ino);
    }
    errno = saved;
}

int ftruncate(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    remember_truncate(fd, length);
    int result = real_ftruncate(fd, length);
    truncated(fd, length);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t length) {
    pthread_mutex_lock(&lock);
    remember_truncate(fd, length);
    int result = real_ftruncate64(fd, length);
    truncated(fd, length);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }

int fdatasync(int fd) { return synced(fd, real_fdatasync); }

int unlink(const char *path) {
    struct stat status;
    pthread_mutex_lock(&lock);
    int known = lstat(path, &status) == 0;
    int result = real_unlink(path);
    int saved = errno;
    if (result == 0 && known && status.st_nlink == 1) {
        forget(status.st_dev, status.st_ino);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlinkat(int folder, const char *path, int flags) {
    struct stat status;
    pthread_mutex_lock(&lock);
    int known = !(flags & AT_REMOVEDIR) && fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
    int result = real_unlinkat(folder, path, flags);
    int saved = errno;
    if (result == 0 && known && status.st_nlink == 1) {
        forget(status.st_dev, status.st_ino);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int rename(const char *from, const char *to) {
    struct stat status;
    pthread_mutex_lock(&lock);
    int replaces = lstat(to, &status) == 0;
    int result = real_rename(from, to);
    int saved = errno;
    if (result == 0 && replaces && status.st_nlink == 1) {
        forget(status.st_dev, status.st_ino);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
