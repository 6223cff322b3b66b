/* Counts every call of this process that changes files below one folder, and at the n-th kills the
 * process, fails the call, or shortens the write. It can also log each change with its data, so
 * that what a power cut would leave can be worked out afterwards. Loaded with LD_PRELOAD.
 *
 * flt_set() arms it within a process; FAULTS_PREFIX, FAULTS_AT, FAULTS_ERROR and FAULTS_STICKY do
 * so for a process that is started. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = 0, SHORT_WRITE = -1 };

static char prefix[PATH_MAX];
static volatile long count, fault_at;
static int fault, sticky, log_fd = -1;
static pthread_mutex_t guard = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void flt_set(const char *folder, long at, int error, int stays) {
  strncpy(prefix, folder, PATH_MAX - 1);
  count = 0;
  fault_at = at;
  fault = error;
  sticky = stays;
}

long flt_count(void) { return count; }

/* Some systems cannot flush a whole filesystem with one call. */
static int has_syncfs = 1;
void flt_allow_syncfs(int allowed) { has_syncfs = allowed; }

/* Every change from now on is logged to a file descriptor; -1 ends it. */
void flt_log(int fd) { log_fd = fd; }

__attribute__((constructor)) static void from_environment(void) {
  const char *folder = getenv("FAULTS_PREFIX"), *at = getenv("FAULTS_AT");
  const char *error = getenv("FAULTS_ERROR"), *stays = getenv("FAULTS_STICKY");
  if (folder && at) flt_set(folder, atol(at), error ? atoi(error) : KILL, stays != NULL);
}

/* --- which path a call is about --- */

static const char *of_fd(int fd, char *out) {
  char link[64];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  errno = saved;
  if (length < 0) return NULL;
  out[length] = 0;
  return out;
}

static const char *of_name(int folder, const char *name, char *out) {
  char base[PATH_MAX];
  if (name[0] == '/') {
    strncpy(out, name, PATH_MAX - 1);
    out[PATH_MAX - 1] = 0;
    return out;
  }
  if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !of_fd(folder, base)) return NULL;
  snprintf(out, PATH_MAX, "%.2000s/%.2000s", base, name);
  return out;
}

/* The folder itself counts, too: it is flushed for the names in it. */
static int concerns(const char *path) {
  size_t length = strlen(prefix);
  if (!length || !path || strncmp(path, prefix, length - 1)) return 0;
  return path[length - 1] == 0 || path[length - 1] == '/';
}

/* --- what happens at the n-th call --- */

static int short_now;

/* Whether the call about to be made must fail; errno is set then. Calls on names are never
 * interrupted on a local disk. */
static int hit_call(const char *path, int on_names) {
  if (!concerns(path)) return 0;
  long now = __sync_add_and_fetch(&count, 1);
  short_now = 0;
  if (!fault_at || !(now == fault_at || (sticky && now > fault_at))) return 0;
  if (fault == KILL) syscall(SYS_kill, getpid(), SIGKILL);
  if (fault == SHORT_WRITE) {
    short_now = 1;
    return 0;
  }
  if (fault == EINTR && on_names) return 0;
  errno = fault;
  return 1;
}
static int hit(const char *path) { return hit_call(path, 0); }

/* --- the log: "<op> <offset> <path length> <second path length> <data length>\n", then these --- */

static void put_all(const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, log_fd, at, length);
    if (done < 0) {
      if (errno == EINTR) continue;
      abort();
    }
    at += done;
    length -= (size_t)done;
  }
}

static void record(const char *op, long long offset, const char *path, const char *second,
                   const void *data, size_t length) {
  if (log_fd < 0 || !(concerns(path) || concerns(second) || op[0] == 'M')) return;
  int saved = errno;
  char head[128];
  int size = snprintf(head, sizeof head, "%s %lld %zu %zu %zu\n", op, offset, strlen(path),
                      second ? strlen(second) : 0, length);
  put_all(head, (size_t)size);
  put_all(path, strlen(path));
  if (second) put_all(second, strlen(second));
  put_all(data, length);
  errno = saved;
}

/* A remark of the caller, such as "this step was acknowledged", in its place among the changes. */
void flt_mark(const char *text) {
  pthread_mutex_lock(&guard);
  record("MARK", 0, text, NULL, "", 0);
  pthread_mutex_unlock(&guard);
}

/* --- the calls --- */

#define REAL(name)                         \
  static __typeof__(name) *real;           \
  if (!real) real = dlsym(RTLD_NEXT, #name)
#define BEGIN pthread_mutex_lock(&guard)
#define END(value)                \
  do {                            \
    pthread_mutex_unlock(&guard); \
    return value;                 \
  } while (0)
#define CHANGES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE                   \
  int mode = 0;                \
  if (flags & O_CREAT) {       \
    va_list rest;              \
    va_start(rest, flags);     \
    mode = va_arg(rest, int);  \
    va_end(rest);              \
  }

#define OPEN_BODY(folder, call)                                                             \
  char at[PATH_MAX];                                                                        \
  const char *path = CHANGES(flags) ? of_name(folder, name, at) : NULL;                     \
  if (!concerns(path)) return call;                                                         \
  BEGIN;                                                                                    \
  if (hit(path)) END(-1);                                                                   \
  int fd = call;                                                                            \
  if (fd >= 0) record(flags & O_TRUNC ? "TRUNCATE_OPEN" : "OPEN", 0, path, NULL, "", 0);     \
  END(fd)

int open(const char *name, int flags, ...) {
  REAL(open);
  MODE OPEN_BODY(AT_FDCWD, real(name, flags, mode));
}
int open64(const char *name, int flags, ...) {
  REAL(open64);
  MODE OPEN_BODY(AT_FDCWD, real(name, flags, mode));
}
int openat(int folder, const char *name, int flags, ...) {
  REAL(openat);
  MODE OPEN_BODY(folder, real(folder, name, flags, mode));
}
int openat64(int folder, const char *name, int flags, ...) {
  REAL(openat64);
  MODE OPEN_BODY(folder, real(folder, name, flags, mode));
}

#define WRITE_BODY(offset_of, call)                                                       \
  char at[PATH_MAX];                                                                      \
  const char *path = prefix[0] ? of_fd(fd, at) : NULL;                                    \
  if (!concerns(path)) return call;                                                       \
  BEGIN;                                                                                  \
  if (hit(path)) END(-1);                                                                 \
  if (short_now && size > 1) size /= 2;                                                   \
  long long offset = offset_of;                                                           \
  ssize_t done = call;                                                                    \
  if (done > 0) record("WRITE", offset, path, NULL, data, (size_t)done);                  \
  END(done)

static long long append_or_here(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return lseek(fd, 0, flags >= 0 && (flags & O_APPEND) ? SEEK_END : SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t size) {
  REAL(write);
  WRITE_BODY(append_or_here(fd), real(fd, data, size));
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) {
  REAL(pwrite);
  WRITE_BODY(where, real(fd, data, size, where));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where) {
  REAL(pwrite64);
  WRITE_BODY(where, real(fd, data, size, where));
}

/* Data that never passes through this process cannot be logged: callers fall back to write(). */
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  REAL(copy_file_range);
  char at[PATH_MAX];
  if (prefix[0] && concerns(of_fd(out, at))) {
    errno = ENOSYS;
    return -1;
  }
  return real(in, from, out, to, size, flags);
}
ssize_t sendfile(int out, int in, off_t *from, size_t size) {
  REAL(sendfile);
  char at[PATH_MAX];
  if (prefix[0] && concerns(of_fd(out, at))) {
    errno = ENOTSOCK;
    return -1;
  }
  return real(out, in, from, size);
}

#define FD_BODY(op, offset, call)                           \
  char at[PATH_MAX];                                        \
  const char *path = prefix[0] ? of_fd(fd, at) : NULL;      \
  if (!concerns(path)) return call;                         \
  BEGIN;                                                    \
  if (hit(path)) END(-1);                                   \
  int done = call;                                          \
  if (done == 0) record(op, offset, path, NULL, "", 0);     \
  END(done)

int fsync(int fd) {
  REAL(fsync);
  FD_BODY("FSYNC", 0, real(fd));
}
int fdatasync(int fd) {
  REAL(fdatasync);
  FD_BODY("FSYNC", 0, real(fd));
}
int syncfs(int fd) {
  REAL(syncfs);
  if (!has_syncfs) {
    errno = ENOSYS;
    return -1;
  }
  if (fault == EINTR) return real(fd); /* never interrupted either */
  FD_BODY("SYNCFS", 0, real(fd));
}
int ftruncate(int fd, off_t length) {
  REAL(ftruncate);
  FD_BODY("TRUNCATE", length, real(fd, length));
}
int ftruncate64(int fd, off64_t length) {
  REAL(ftruncate64);
  FD_BODY("TRUNCATE", length, real(fd, length));
}

/* Taking and freeing a lock changes no file: it is logged and never counted. */
int flock(int fd, int what) {
  REAL(flock);
  int done = real(fd, what);
  char at[PATH_MAX];
  const char *path = log_fd >= 0 ? of_fd(fd, at) : NULL;
  if (done == 0 && path) {
    BEGIN;
    record(what & LOCK_UN ? "UNLOCK" : "LOCK", 0, path, NULL, "", 0);
    pthread_mutex_unlock(&guard);
  }
  return done;
}

#define NAME_BODY(op, folder, call)                         \
  char at[PATH_MAX];                                        \
  const char *path = prefix[0] ? of_name(folder, name, at) : NULL; \
  if (!concerns(path)) return call;                         \
  BEGIN;                                                    \
  if (hit_call(path, 1)) END(-1);                                   \
  int done = call;                                          \
  if (done == 0) record(op, 0, path, NULL, "", 0);          \
  END(done)

int unlink(const char *name) {
  REAL(unlink);
  NAME_BODY("UNLINK", AT_FDCWD, real(name));
}
int unlinkat(int folder, const char *name, int flags) {
  REAL(unlinkat);
  NAME_BODY("UNLINK", folder, real(folder, name, flags));
}
int rmdir(const char *name) {
  REAL(rmdir);
  NAME_BODY("UNLINK", AT_FDCWD, real(name));
}
int mkdir(const char *name, mode_t mode) {
  REAL(mkdir);
  NAME_BODY("MKDIR", AT_FDCWD, real(name, mode));
}
int mkdirat(int folder, const char *name, mode_t mode) {
  REAL(mkdirat);
  NAME_BODY("MKDIR", folder, real(folder, name, mode));
}

#define PAIR_BODY(op, from_folder, to_folder, call)                           \
  char from_at[PATH_MAX], to_at[PATH_MAX];                                    \
  const char *from = prefix[0] ? of_name(from_folder, old, from_at) : NULL;   \
  const char *to = prefix[0] ? of_name(to_folder, new, to_at) : NULL;         \
  if (!concerns(from) && !concerns(to)) return call;                          \
  BEGIN;                                                                      \
  if (hit_call(concerns(to) ? to : from, 1)) END(-1);                                 \
  int done = call;                                                            \
  if (done == 0) record(op, 0, from, to, "", 0);                              \
  END(done)

int rename(const char *old, const char *new) {
  REAL(rename);
  PAIR_BODY("RENAME", AT_FDCWD, AT_FDCWD, real(old, new));
}
int renameat(int from_folder, const char *old, int to_folder, const char *new) {
  REAL(renameat);
  PAIR_BODY("RENAME", from_folder, to_folder, real(from_folder, old, to_folder, new));
}
int renameat2(int from_folder, const char *old, int to_folder, const char *new, unsigned flags) {
  REAL(renameat2);
  PAIR_BODY(flags & RENAME_EXCHANGE ? "EXCHANGE" : "RENAME", from_folder, to_folder,
            real(from_folder, old, to_folder, new, flags));
}
int link(const char *old, const char *new) {
  REAL(link);
  PAIR_BODY("LINK", AT_FDCWD, AT_FDCWD, real(old, new));
}
int linkat(int from_folder, const char *old, int to_folder, const char *new, int flags) {
  REAL(linkat);
  PAIR_BODY("LINK", from_folder, to_folder, real(from_folder, old, to_folder, new, flags));
}
