// Names: directories and how they are read, links, renaming, removing, the current directory, modes, times, attributes.
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

static void touch(const char *name, const char *text) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static struct stat of(const char *name) {
  struct stat s;
  CHECK(lstat(name, &s) == 0);
  return s;
}

static void entries(void) {
  CHECK(mkdir("many", 0755) == 0);
  FAILS(mkdir("many", 0755), EEXIST);
  char name[32];
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "many/file-%03d", i);
    touch(name, "");
  }
  CHECK(mkdir("many/sub", 0700) == 0 && symlink("sub", "many/link") == 0);
  DIR *d = opendir("many");
  CHECK(d != NULL);
  int files = 0, others = 0;
  long places[300];
  char names[300][32];
  int n = 0;
  for (struct dirent *e; places[n] = telldir(d), (e = readdir(d)) != NULL; n++) {
    strcpy(names[n], e->d_name);
    if (strncmp(e->d_name, "file-", 5) == 0) {
      files++;
      EQ(e->d_type, DT_REG);
    } else others++;
    if (!strcmp(e->d_name, "sub")) EQ(e->d_type, DT_DIR);
    if (!strcmp(e->d_name, "link")) EQ(e->d_type, DT_LNK);
  }
  EQ(files, 200);
  EQ(others, 4);
  for (int i = n - 1; i >= 0; i -= 17) {
    seekdir(d, places[i]);
    SAME(readdir(d)->d_name, names[i]);
  }
  rewinddir(d);
  SAME(readdir(d)->d_name, names[0]);
  closedir(d);

  // With a buffer that holds few entries, or none.
  int fd = open("many", O_RDONLY | O_DIRECTORY);
  char buffer[64];
  int seen = 0;
  FAILS(syscall(SYS_getdents64, fd, buffer, 10), EINVAL);
  for (long got; (got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) != 0;) {
    CHECK(got > 0 && got <= (long)sizeof buffer);
    for (long at = 0; at < got; seen++) at += *(unsigned short *)(buffer + at + 16);
  }
  EQ(seen, 204);
  FAILS(syscall(SYS_getdents64, 0x7fff, buffer, sizeof buffer), EBADF);
  close(fd);
  fd = open("many/file-000", O_RDONLY);
  FAILS(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOTDIR);
  close(fd);
  FAILS(rmdir("many"), ENOTEMPTY);
  FAILS(unlink("many"), EISDIR);
  FAILS(rmdir("many/file-000"), ENOTDIR);
  struct dirent **list;
  EQ(scandir("many", &list, NULL, alphasort), 204);
  SAME(list[2]->d_name, "file-000");
  for (int i = 0; i < 204; i++) {
    if (list[i]->d_name[0] != '.') CHECK(unlinkat(AT_FDCWD, strcat(strcpy(name, "many/"), list[i]->d_name), strcmp(list[i]->d_name, "sub") ? 0 : AT_REMOVEDIR) == 0);
    free(list[i]);
  }
  free(list);
  CHECK(rmdir("many") == 0);
  FAILS(rmdir("."), EINVAL);
}

static void links(void) {
  touch("original", "text");
  char target[100] = "";
  CHECK(symlink("original", "soft") == 0 && link("original", "hard") == 0);
  FAILS(symlink("x", "soft"), EEXIST);
  EQ(readlink("soft", target, sizeof target), 8);
  SAME(target, "original");
  EQ(readlink("soft", target, 3), 3);
  FAILS(readlink("original", target, 3), EINVAL);
  FAILS(readlink("soft", target, 0), EINVAL);
  EQ(of("original").st_nlink, 2);
  EQ(of("hard").st_ino, of("original").st_ino);
  CHECK(S_ISLNK(of("soft").st_mode) && of("soft").st_size == 8);
  struct stat s;
  CHECK(stat("soft", &s) == 0 && S_ISREG(s.st_mode) && s.st_ino == of("hard").st_ino);
  FAILS(open("soft", O_RDONLY | O_NOFOLLOW), ELOOP);
  CHECK(linkat(AT_FDCWD, "soft", AT_FDCWD, "hard-soft", 0) == 0 && S_ISLNK(of("hard-soft").st_mode));
  CHECK(linkat(AT_FDCWD, "soft", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW) == 0 && S_ISREG(of("followed").st_mode));
  CHECK(symlink("b-loop", "a-loop") == 0 && symlink("a-loop", "b-loop") == 0);
  FAILS(open("a-loop", O_RDONLY), ELOOP);
  CHECK(symlink("nowhere", "dangling") == 0);
  FAILS(open("dangling", O_RDONLY), ENOENT);
  FAILS(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
  CHECK(close(open("dangling", O_CREAT | O_WRONLY, 0600)) == 0 && access("nowhere", F_OK) == 0);
  CHECK(mkdir("dir", 0755) == 0 && symlink("../original", "dir/up") == 0 && access("dir/up", R_OK) == 0);
  char *real = realpath("dir/up", NULL), here[PATH_MAX];
  CHECK(real && getcwd(here, sizeof here) && strcmp(real, strcat(here, "/original")) == 0);
  free(real);
}

static void renaming(void) {
  touch("one", "1");
  touch("two", "22");
  CHECK(rename("one", "two") == 0 && of("two").st_size == 1);
  FAILS(rename("one", "three"), ENOENT);
  touch("one", "333");
  FAILS(renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE), EEXIST);
  CHECK(renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_EXCHANGE) == 0);
  EQ(of("one").st_size, 1);
  EQ(of("two").st_size, 3);
  FAILS(renameat2(AT_FDCWD, "one", AT_FDCWD, "two", 0x100), EINVAL);
  CHECK(mkdir("outer", 0755) == 0 && mkdir("outer/inner", 0755) == 0);
  FAILS(rename("outer", "outer/inner/x"), EINVAL);
  FAILS(rename("one", "outer"), EISDIR);
  FAILS(rename("outer", "one"), ENOTDIR);
  CHECK(rename("outer/inner", "moved") == 0 && rename("outer", "moved") == 0);
  // A file without a name lives on.
  int fd = open("two", O_RDWR);
  CHECK(fd >= 0 && unlink("two") == 0);
  FAILS(access("two", F_OK), ENOENT);
  char text[4] = "";
  struct stat s;
  CHECK(read(fd, text, 4) == 3 && fstat(fd, &s) == 0 && s.st_nlink == 0 && write(fd, "more", 4) == 4);
  close(fd);
}

static void current_directory(void) {
  char start[PATH_MAX], now[PATH_MAX];
  CHECK(getcwd(start, sizeof start) == start && mkdir("cwd", 0755) == 0 && mkdir("cwd/deep", 0755) == 0);
  int back = open(".", O_RDONLY | O_DIRECTORY);
  CHECK(chdir("cwd/deep") == 0 && getcwd(now, sizeof now) && strlen(now) == strlen(start) + 9);
  touch("here", "");
  CHECK(access("../deep/here", F_OK) == 0 && chdir("..") == 0 && access("deep/here", F_OK) == 0);
  CHECK(faccessat(back, "cwd/deep/here", F_OK, 0) == 0);
  FAILS(chdir("deep/here"), ENOTDIR);
  FAILS(chdir("nowhere"), ENOENT);
  CHECK(chdir("deep") == 0 && unlink("here") == 0 && rmdir("../deep") == 0);
  FAILS(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
  FAILS(getcwd(now, sizeof now) ? 0 : -1, ENOENT);
  CHECK(fchdir(back) == 0 && getcwd(now, sizeof now));
  SAME(now, start);
  FAILS(fchdir(0x7fff), EBADF);
  FAILS(getcwd(now, 2) ? 0 : -1, ERANGE);
  close(back);
}

static void modes(void) {
  mode_t old = umask(027);
  touch("masked", "");
  EQ(of("masked").st_mode, S_IFREG | 0640);
  EQ(umask(old), 027);
  CHECK(chmod("masked", 04751) == 0 && of("masked").st_mode == (S_IFREG | 04751));
  int fd = open("masked", O_RDONLY);
  CHECK(fchmod(fd, 0600) == 0 && of("masked").st_mode == (S_IFREG | 0600));
  CHECK(fchmodat(AT_FDCWD, "masked", 0444, 0) == 0 && access("masked", R_OK) == 0);
  FAILS(access("masked", X_OK), EACCES);
  FAILS(access("masked", 077), EINVAL);
  CHECK(chown("masked", -1, -1) == 0 && fchown(fd, getuid(), getgid()) == 0 && lchown("masked", getuid(), -1) == 0);
  EQ(of("masked").st_uid, getuid());
  close(fd);
  CHECK(mknod("node", S_IFREG | 0600, 0) == 0 && mkfifo("named-pipe", 0600) == 0 && S_ISFIFO(of("named-pipe").st_mode));
}

static void times(void) {
  touch("old", "");
  struct timespec both[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
  CHECK(utimensat(AT_FDCWD, "old", both, 0) == 0);
  struct stat s = of("old");
  CHECK(s.st_atim.tv_sec == 1000000000 && s.st_atim.tv_nsec == 123456789);
  CHECK(s.st_mtim.tv_sec == 1500000000 && s.st_mtim.tv_nsec == 987654321);
  both[0].tv_nsec = UTIME_OMIT;
  both[1].tv_nsec = UTIME_NOW;
  CHECK(utimensat(AT_FDCWD, "old", both, 0) == 0);
  struct stat later = of("old");
  CHECK(later.st_atim.tv_sec == 1000000000 && later.st_mtim.tv_sec > 1600000000);
  both[1].tv_nsec = 1000000000;
  FAILS(utimensat(AT_FDCWD, "old", both, 0), EINVAL);
  CHECK(utimes("old", NULL) == 0 && of("old").st_atim.tv_sec > 1600000000);
  both[0] = both[1] = (struct timespec){-5, 0};
  CHECK(symlink("old", "old-link") == 0 && utimensat(AT_FDCWD, "old-link", both, AT_SYMLINK_NOFOLLOW) == 0);
  EQ(of("old-link").st_mtim.tv_sec, -5);
  int fd = open("old", O_RDONLY);
  both[0] = both[1] = (struct timespec){7, 8};
  CHECK(futimens(fd, both) == 0 && of("old").st_mtim.tv_nsec == 8);
  close(fd);
}

static void status(void) {
  touch("status", "123456");
  struct stat s = of("status");
  struct statx x;
  memset(&x, 0xee, sizeof x);
  CHECK(syscall(SYS_statx, AT_FDCWD, "status", 0, STATX_BASIC_STATS | STATX_BTIME, &x) == 0);
  CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  EQ(x.stx_size, 6);
  EQ(x.stx_ino, s.st_ino);
  EQ(x.stx_mode, s.st_mode);
  EQ(x.stx_nlink, 1);
  EQ(x.stx_uid, s.st_uid);
  EQ(x.stx_blocks, s.st_blocks);
  EQ(x.stx_blksize, s.st_blksize);
  EQ(x.stx_mtime.tv_sec, s.st_mtim.tv_sec);
  EQ(x.stx_mtime.tv_nsec, s.st_mtim.tv_nsec);
  EQ(makedev(x.stx_dev_major, x.stx_dev_minor), s.st_dev);
  int fd = open("status", O_RDONLY);
  CHECK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_ALL, &x) == 0 && x.stx_ino == s.st_ino);
  struct stat t;
  CHECK(fstatat(fd, "", &t, AT_EMPTY_PATH) == 0 && t.st_ino == s.st_ino && t.st_dev == s.st_dev);
  FAILS(fstatat(fd, "", &t, 0), ENOENT);
  FAILS(fstatat(fd, "x", &t, 0x40000000), EINVAL);
  close(fd);
  CHECK(stat("/dev/null", &t) == 0 && S_ISCHR(t.st_mode) && major(t.st_rdev) == 1 && minor(t.st_rdev) == 3);
  FAILS(stat("/dev/null/x", &t), ENOTDIR);
  struct statfs f, g;
  CHECK(statfs(".", &f) == 0 && f.f_bsize > 0 && f.f_blocks > 0 && f.f_namelen >= 255);
  fd = open(".", O_RDONLY);
  CHECK(fstatfs(fd, &g) == 0 && g.f_type == f.f_type && g.f_blocks == f.f_blocks);
  close(fd);
  struct statvfs v;
  CHECK(statvfs(".", &v) == 0 && v.f_bsize == (unsigned long)f.f_bsize && v.f_namemax == (unsigned long)f.f_namelen);
  EQ(pathconf(".", _PC_NAME_MAX), f.f_namelen);
}

static void attributes(void) {
  touch("attributed", "");
  char value[32], names[64];
  if (setxattr("attributed", "user.sabre", "blade", 5, 0) != 0) {
    CHECK(errno == EOPNOTSUPP);  // a file system without them
    return;
  }
  EQ(getxattr("attributed", "user.sabre", value, sizeof value), 5);
  EQ(getxattr("attributed", "user.sabre", NULL, 0), 5);
  FAILS(getxattr("attributed", "user.sabre", value, 2), ERANGE);
  FAILS(getxattr("attributed", "user.none", value, 2), ENODATA);
  FAILS(setxattr("attributed", "user.sabre", "x", 1, XATTR_CREATE), EEXIST);
  CHECK(listxattr("attributed", names, sizeof names) >= 11 && removexattr("attributed", "user.sabre") == 0);
  FAILS(removexattr("attributed", "user.sabre"), ENODATA);
}

int main(void) {
  entries();
  links();
  renaming();
  current_directory();
  modes();
  times();
  status();
  attributes();
  return done();
}
