/* The program that the launcher's process tests start. One verb per run; raw system calls for signals, because the C
 * library hides 32 and 33. */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void block_all(unsigned long *mask) {
    *mask = ~0ul;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, 0, 8);
}

static void ready(void) {
    puts("ready");
    fflush(stdout);
}

/* What arrived here, one fact per line, to the file argv[2]. */
static int report(int argc, char **argv) {
    FILE *out = fopen(argv[2], "we");
    char buffer[4096];
    if (!out) return 99;
    for (int i = 0; i < argc; i++) fprintf(out, "argv %d %s\n", i, argv[i]);
    for (char **e = environ; *e; e++) fprintf(out, "env %s\n", *e);
    fprintf(out, "cwd %s\n", getcwd(buffer, sizeof buffer));
    mode_t mask = umask(0);
    fprintf(out, "umask %o\n", mask);
    fprintf(out, "own-group %d\n", getpgrp() == getpid());
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(buffer, sizeof buffer, status))
        if ((!strncmp(buffer, "Sig", 3) && strncmp(buffer, "SigQ", 4)) || !strncmp(buffer, "TracerPid", 9)) fprintf(out, "%s", buffer);
    fclose(status);
    DIR *fds = opendir("/proc/self/fd");
    for (struct dirent *d; (d = readdir(fds));) {
        int fd = atoi(d->d_name);
        if (d->d_name[0] != '.' && fd != dirfd(fds) && fd != fileno(out)) fprintf(out, "fd %d\n", fd);
    }
    closedir(fds);
    return fclose(out) ? 98 : 0;
}

/* Prints the number of every signal that arrives; ends at argv[2]. */
static int signals(char **argv) {
    unsigned long mask;
    block_all(&mask);
    ready();
    for (int last = atoi(argv[2]);;) {
        siginfo_t info;
        int n = (int)syscall(SYS_rt_sigtimedwait, &mask, &info, 0, 8);
        if (n == SIGCHLD) continue;
        if (n > 0) printf("%d\n", n), fflush(stdout);
        if (n == last) return 0;
    }
}

/* Executes argv[2] under a filter that kills whoever calls recvmsg, which Go's runtime and net/http do not. */
static int filtered(char **argv) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmsg, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 95;
    execv(argv[2], argv + 2);
    return 96;
}

/* Dies from signal argv[2]. */
static int die(char **argv) {
    unsigned long action[4] = {0}, none = 0;
    int n = atoi(argv[2]);
    syscall(SYS_rt_sigaction, n, action, 0, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
    syscall(SYS_kill, getpid(), n);
    return 97;
}

/* Leaves argv[2] orphans behind, all dead; then waits for a signal. */
static int orphans(char **argv) {
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t child = fork();
        if (child == 0) {
            if (fork() == 0) _exit(0);
            _exit(0);
        }
        waitpid(child, 0, 0);
    }
    ready();
    pause();
    return 0;
}

/* Waits for a signal that ends it, and says which; a number of 0 in argv[2] lets the child learn of it by SIGUSR1 only. */
static int family(char **argv) {
    unsigned long mask;
    block_all(&mask);
    siginfo_t info;
    pid_t child = fork();
    if (child == 0) {
        printf("child %d\n", (int)syscall(SYS_rt_sigtimedwait, &mask, &info, 0, 8));
        return fflush(stdout);
    }
    ready();
    int n;
    do n = (int)syscall(SYS_rt_sigtimedwait, &mask, &info, 0, 8); while (n == SIGCHLD);
    if (!atoi(argv[2])) kill(child, SIGUSR1);
    waitpid(child, 0, 0);
    printf("parent %d\n", n);
    return 0;
}

/* Leaves the process group it leads for that of its child, so that its own is empty; prints the signal that comes. */
static int elsewhere(void) {
    unsigned long mask;
    block_all(&mask);
    siginfo_t info;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        syscall(SYS_rt_sigtimedwait, &mask, &info, 0, 8);
        return 0;
    }
    while (setpgid(child, child), setpgid(0, child)) {}
    ready();
    printf("%d\n", (int)syscall(SYS_rt_sigtimedwait, &mask, &info, 0, 8));
    kill(child, SIGUSR1);
    return 0;
}

/* Says whether LISTEN_PID is its own pid, and which descriptors came with it. */
static int listening(void) {
    char *pid = getenv("LISTEN_PID"), *id = getenv("LISTEN_PIDFDID");
    printf("%s %s %s %d\n", pid ? atoi(pid) == getpid() ? "own" : pid : "none", getenv("LISTEN_FDS"), id ? id : "none",
           write(3, "x", 1) == 1);
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (!strcmp(verb, "report")) return report(argc, argv);
    if (!strcmp(verb, "signals")) return signals(argv);
    if (!strcmp(verb, "family")) return family(argv);
    if (!strcmp(verb, "elsewhere")) return elsewhere();
    if (!strcmp(verb, "listening")) return listening();
    if (!strcmp(verb, "die")) return die(argv);
    if (!strcmp(verb, "filtered")) return filtered(argv);
    if (!strcmp(verb, "orphans")) return orphans(argv);
    if (!strcmp(verb, "exit")) return atoi(argv[2]);
    if (!strcmp(verb, "hold")) {
        ready();
        for (;;) pause();
    }
    return 96;
}
