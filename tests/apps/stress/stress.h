// A handler for SIGSEGV that counts and calls the one that is there.
void chain_handler(void);
long chained(void);
// Threads that call fromC, each 1,000 times a second.
void start_threads(int count);
// A child that executes nothing and ends after a while; its status.
int fork_and_wait(void);
