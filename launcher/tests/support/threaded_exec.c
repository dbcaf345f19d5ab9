// Executes its arguments from a thread that is not the first one; the first one waits.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *execute(void *arguments) {
  execv(((char **)arguments)[0], arguments);
  exit(99);
}

int main(int count, char **arguments) {
  pthread_t idle, executing;
  if (count < 2 || pthread_create(&idle, NULL, (void *(*)(void *))pause, NULL) != 0 ||
      pthread_create(&executing, NULL, execute, arguments + 1) != 0)
    return 98;
  pause();
}
