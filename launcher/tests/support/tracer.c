// Traces a child that ends at once.
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
      _exit(1);
    execl("/bin/true", "true", (char *)0);
    _exit(2);
  }
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) || ptrace(PTRACE_CONT, child, 0, 0) != 0)
    return 3;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return 4;
  puts("traced");
  return 0;
}
