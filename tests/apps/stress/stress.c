//go:build cgo

#define _GNU_SOURCE
#include "stress.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern void fromC(void);

static struct sigaction next;
static long count;

static void handler(int signal, siginfo_t *info, void *context) {
	__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	next.sa_sigaction(signal, info, context);
}

void chain_handler(void) {
	struct sigaction own;
	if (sigaction(SIGSEGV, NULL, &next) != 0)
		abort();
	own = next;
	own.sa_sigaction = handler;
	if (sigaction(SIGSEGV, &own, NULL) != 0)
		abort();
}

long chained(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }

static void *call(void *unused) {
	(void)unused;
	for (;;) {
		fromC();
		usleep(1000);
	}
}

void start_threads(int count) {
	for (; count > 0; count--) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, call, NULL) != 0)
			abort();
	}
}

int fork_and_wait(void) {
	pid_t child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(0);
	}
	int status = 1;
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	return status;
}
