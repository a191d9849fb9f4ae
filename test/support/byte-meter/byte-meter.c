/* A read-only pass-through file system that counts the bytes it gives out, and can be told to misbehave.
 *
 *   byte-meter SOURCE MOUNTPOINT READINGS FAULTS TRACE
 *
 * READINGS  gets a line "MS BYTES" for each window of 100 ms in which bytes were returned by read; MS is the start of the
 *           window on CLOCK_MONOTONIC, so it compares with a program's own monotonic clock.
 * FAULTS    is read again when it changes; its lines, the path from the root of the source being the rest of the line:
 *             latency MS                 every read waits first
 *             error ERRNO OFFSET PATH    a read that covers the byte fails
 *             short OFFSET PATH          the file ends at the byte, whatever stat says
 *             hang OFFSET PATH           a read that covers the byte waits until the line is gone
 * TRACE     gets a line "MS OFFSET LENGTH PATH" for each read, the path in hex; "-" for none.
 *
 * Files are opened with direct_io and nothing is cached: reads are exactly those that the program makes, and a change of
 * the source shows at once. Paths are limited to PATH_MAX, as the library hands them over whole.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_MS = 100, RULES_MAX = 64, LINE_MAX_BYTES = 5000 };

enum fault { FAULT_ERROR, FAULT_SHORT, FAULT_HANG };

struct rule {
  enum fault fault;
  int error;
  off_t offset;
  char path[LINE_MAX_BYTES];
};

static int source_fd;
static const char *faults_path;
static FILE *readings;
static FILE *trace;

static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t window;
static uint64_t window_bytes;

static pthread_mutex_t rules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static int rules_count;
static long latency_ms;
static struct timespec rules_changed;
static ino_t rules_inode;

static int64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
  struct timespec wait = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&wait, NULL);
}

/* Call with count_lock held. */
static void close_window(int64_t next) {
  if (next == window) return;
  if (window_bytes > 0) {
    fprintf(readings, "%lld %llu\n", (long long)(window * WINDOW_MS), (unsigned long long)window_bytes);
    fflush(readings);
  }
  window = next;
  window_bytes = 0;
}

static void count(const char *path, off_t offset, ssize_t length) {
  pthread_mutex_lock(&count_lock);
  int64_t now = monotonic_ms();
  close_window(now / WINDOW_MS);
  window_bytes += (uint64_t)length;
  if (trace != NULL) {
    fprintf(trace, "%lld %lld %zd ", (long long)now, (long long)offset, length);
    for (const char *letter = path; *letter != 0; letter++) fprintf(trace, "%02x", (unsigned char)*letter);
    fputc('\n', trace);
  }
  pthread_mutex_unlock(&count_lock);
}

/* Closes windows in time also when no further read comes. */
static void *flush_windows(void *unused) {
  (void)unused;
  for (;;) {
    sleep_ms(WINDOW_MS);
    pthread_mutex_lock(&count_lock);
    close_window(monotonic_ms() / WINDOW_MS);
    if (trace != NULL) fflush(trace);
    pthread_mutex_unlock(&count_lock);
  }
  return NULL;
}

static void parse_rule(const char *line) {
  struct rule *rule = &rules[rules_count];
  long long offset;
  int used = 0;
  if (sscanf(line, "latency %ld", &latency_ms) == 1) return;
  if (rules_count == RULES_MAX) return;
  if (sscanf(line, "error %d %lld %n", &rule->error, &offset, &used) == 2 && used > 0) rule->fault = FAULT_ERROR;
  else if (sscanf(line, "short %lld %n", &offset, &used) == 1 && used > 0) rule->fault = FAULT_SHORT;
  else if (sscanf(line, "hang %lld %n", &offset, &used) == 1 && used > 0) rule->fault = FAULT_HANG;
  else return;
  rule->offset = offset;
  snprintf(rule->path, sizeof rule->path, "%s", line + used);
  rules_count++;
}

/* Call with rules_lock held. The file is replaced by rename, so it is never seen half written. */
static void reload_rules(void) {
  struct stat now;
  if (stat(faults_path, &now) != 0) return;
  if (now.st_ino == rules_inode && now.st_mtim.tv_sec == rules_changed.tv_sec &&
      now.st_mtim.tv_nsec == rules_changed.tv_nsec) {
    return;
  }
  FILE *file = fopen(faults_path, "r");
  if (file == NULL) return;
  char line[LINE_MAX_BYTES];
  rules_count = 0;
  latency_ms = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    parse_rule(line);
  }
  fclose(file);
  rules_inode = now.st_ino;
  rules_changed = now.st_mtim;
}

/* Copies the rule of a kind that concerns bytes from offset on; 1 when there is one. */
static int find_rule(enum fault fault, const char *path, off_t offset, size_t size, struct rule *found) {
  int is_found = 0;
  pthread_mutex_lock(&rules_lock);
  reload_rules();
  for (int index = 0; index < rules_count && !is_found; index++) {
    struct rule *rule = &rules[index];
    if (rule->fault != fault || strcmp(rule->path, path + 1) != 0) continue;
    int covers = rule->offset >= offset && rule->offset < offset + (off_t)size;
    if (!covers && !(fault == FAULT_SHORT && offset >= rule->offset)) continue;
    *found = *rule;
    is_found = 1;
  }
  pthread_mutex_unlock(&rules_lock);
  return is_found;
}

static long current_latency_ms(void) {
  pthread_mutex_lock(&rules_lock);
  reload_rules();
  long ms = latency_ms;
  pthread_mutex_unlock(&rules_lock);
  return ms;
}

/* "/a/b" -> "a/b", "/" -> ".": relative to the source's descriptor. */
static const char *inside(const char *path) { return path[1] == 0 ? "." : path + 1; }

static int meter_getattr(const char *path, struct stat *stat, struct fuse_file_info *file) {
  int result = file != NULL ? fstat((int)file->fh, stat)
                            : fstatat(source_fd, inside(path), stat, AT_SYMLINK_NOFOLLOW);
  return result == 0 ? 0 : -errno;
}

static int meter_readlink(const char *path, char *text, size_t size) {
  ssize_t length = readlinkat(source_fd, inside(path), text, size - 1);
  if (length < 0) return -errno;
  text[length] = 0;
  return 0;
}

static int meter_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                         struct fuse_file_info *file, enum fuse_readdir_flags flags) {
  (void)offset, (void)file, (void)flags;
  int fd = openat(source_fd, inside(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    int error = errno;
    close(fd);
    return -error;
  }
  struct dirent *entry;
  errno = 0;
  while ((entry = readdir(folder)) != NULL) {
    struct stat stat = {.st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type)};
    if (fill(buffer, entry->d_name, &stat, 0, 0) != 0) break;
  }
  int error = entry == NULL ? errno : 0;
  closedir(folder);
  return -error;
}

static int meter_open(const char *path, struct fuse_file_info *file) {
  if ((file->flags & O_ACCMODE) != O_RDONLY) return -EROFS;
  int fd = openat(source_fd, inside(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  file->fh = (uint64_t)fd;
  file->direct_io = 1;
  return 0;
}

static int meter_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
  struct rule rule;
  long wait_ms = current_latency_ms();
  if (wait_ms > 0) sleep_ms(wait_ms);
  while (find_rule(FAULT_HANG, path, offset, size, &rule) && !fuse_interrupted()) sleep_ms(20);
  if (find_rule(FAULT_ERROR, path, offset, size, &rule)) return -rule.error;
  if (find_rule(FAULT_SHORT, path, offset, size, &rule)) {
    size = rule.offset > offset ? (size_t)(rule.offset - offset) : 0;
  }
  size_t filled = 0;
  while (filled < size) {
    ssize_t length = pread((int)file->fh, buffer + filled, size - filled, offset + (off_t)filled);
    if (length < 0) return -errno;
    if (length == 0) break;
    filled += (size_t)length;
  }
  count(path, offset, (ssize_t)filled);
  return (int)filled;
}

static int meter_release(const char *path, struct fuse_file_info *file) {
  (void)path;
  close((int)file->fh);
  return 0;
}

static int meter_statfs(const char *path, struct statvfs *stat) {
  (void)path;
  return fstatvfs(source_fd, stat) == 0 ? 0 : -errno;
}

static void note_interrupt(int signal) { (void)signal; }

/* A reader that is killed or signalled interrupts its read: the library sends SIGUSR1 to the thread, which would end the
 * process, since the library sets its handler only when it is told before it starts. */
static void catch_interrupts(void) {
  struct sigaction action = {.sa_handler = note_interrupt};
  sigaction(SIGUSR1, &action, NULL);
}

static void *meter_init(struct fuse_conn_info *connection, struct fuse_config *config) {
  (void)connection;
  config->use_ino = 1;
  config->attr_timeout = 0;
  config->entry_timeout = 0;
  config->negative_timeout = 0;
  config->intr = 1;
  pthread_t flusher;
  pthread_create(&flusher, NULL, flush_windows, NULL);
  pthread_detach(flusher);
  puts("mounted");
  fflush(stdout);
  return NULL;
}

static void meter_destroy(void *unused) {
  (void)unused;
  pthread_mutex_lock(&count_lock);
  close_window(-1);
  fclose(readings);
  if (trace != NULL) fclose(trace);
  /* The lock is kept: nothing is counted any more. */
}

static const struct fuse_operations operations = {
    .getattr = meter_getattr,
    .readlink = meter_readlink,
    .readdir = meter_readdir,
    .open = meter_open,
    .read = meter_read,
    .release = meter_release,
    .statfs = meter_statfs,
    .init = meter_init,
    .destroy = meter_destroy,
};

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: byte-meter SOURCE MOUNTPOINT READINGS FAULTS TRACE\n");
    return 2;
  }
  source_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  readings = fopen(argv[3], "a");
  faults_path = argv[4];
  trace = strcmp(argv[5], "-") == 0 ? NULL : fopen(argv[5], "a");
  if (source_fd < 0 || readings == NULL) {
    perror("byte-meter");
    return 1;
  }
  catch_interrupts();
  char *arguments[] = {argv[0], "-f", "-o", "ro,default_permissions,fsname=byte-meter", argv[2], NULL};
  return fuse_main(5, arguments, &operations, NULL);
}
