/* Fakes a machine with PRETENDED_CORES cores. It is preloaded (LD_PRELOAD): programs derive their number of threads
 * from these functions. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pretended(void)
{
    const char *cores = getenv("PRETENDED_CORES");
    int count = cores ? atoi(cores) : 0;
    return count > 0 ? count : 1;
}

long sysconf(int name)
{
    static long (*real)(int);
    if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF)
        return pretended();
    if (!real)
        real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

int get_nprocs(void)
{
    return pretended();
}

int get_nprocs_conf(void)
{
    return pretended();
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    if (size * 8 < (size_t)pretended()) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (int core = 0; core < pretended(); core++)
        CPU_SET_S(core, size, set);
    return 0;
}
