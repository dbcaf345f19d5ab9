//go:build cgo && before

#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

// Installed before Go's runtime, which calls it for what has happened outside Go's code: never, in this program.
static void handler(int signal, siginfo_t *info, void *context) {
	(void)signal, (void)info, (void)context;
	_exit(99);
}

__attribute__((constructor)) static void install(void) {
	struct sigaction action = {0};
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	if (sigaction(SIGSEGV, &action, NULL) != 0)
		abort();
}
