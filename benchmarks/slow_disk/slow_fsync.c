/* Delays fsync and fdatasync, as a slow disk does, in the program that it is preloaded into.

   The true call comes first; then the thread sleeps for SLOW_FSYNC_MICROSECONDS. Calls are counted in the first 8 bytes of
   the file SLOW_FSYNC_COUNTER, which several programs may share. sync_file_range is left alone: it makes nothing
   durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int (*sync_call)(int);

static uint64_t *counter;
static struct timespec delay;
static sync_call true_fsync, true_fdatasync;

__attribute__((constructor)) static void begin(void) {
    const char *microseconds = getenv("SLOW_FSYNC_MICROSECONDS"), *path = getenv("SLOW_FSYNC_COUNTER");
    long all = microseconds ? atol(microseconds) : 0;
    delay.tv_sec = all / 1000000;
    delay.tv_nsec = all % 1000000 * 1000;
    true_fsync = (sync_call)dlsym(RTLD_NEXT, "fsync");
    true_fdatasync = (sync_call)dlsym(RTLD_NEXT, "fdatasync");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        counter = shared == MAP_FAILED ? NULL : shared;
        close(file);
    }
}

static int delayed(sync_call call, int file) {
    int result = call(file);
    nanosleep(&delay, NULL);
    if (counter)
        __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
    return result;
}

int fsync(int file) { return delayed(true_fsync, file); }

int fdatasync(int file) { return delayed(true_fdatasync, file); }
