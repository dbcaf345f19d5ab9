// Executes its arguments from a thread that is not the first one; the first one waits. With -f, in a child of its own.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *execute(void *given) {
  char **arguments = given;
  if (strcmp(arguments[0], "-f") == 0) {
    int status = 0;
    if (fork() != 0)
      exit(wait(&status) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 97);
    arguments++;
  }
  execv(arguments[0], arguments);
  exit(99);
}

int main(int count, char **arguments) {
  pthread_t idle, executing;
  if (count < 2 || pthread_create(&idle, NULL, (void *(*)(void *))pause, NULL) != 0 ||
      pthread_create(&executing, NULL, execute, arguments + 1) != 0)
    return 98;
  for (;;)
    pause();
}
