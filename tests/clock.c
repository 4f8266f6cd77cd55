// A wall clock that is 30 s ahead from the moment on at which the file named by CLOCK_JUMP exists. Preloaded into a camera by
// tests/src/fake_machine.rs.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 30

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  const char *jump = getenv("CLOCK_JUMP");
  if (clock == CLOCK_REALTIME && jump && access(jump, F_OK) == 0) time->tv_sec += AHEAD;
  return result;
}

int gettimeofday(struct timeval *time, void *zone) {
  (void)zone;
  struct timespec now;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return result;
}
