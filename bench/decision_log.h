/* The log of a hand-written coordinator, as good as one gets it: zero-filled ahead, one sync for all who wait. */
#ifndef BENCH_DECISION_LOG_H
#define BENCH_DECISION_LOG_H

/* Makes the file, or ends the process. */
void decision_log_open(const char *path);
/* Returns when the decision is on disk. Any thread. */
void decision_log_write(const char *gtrid);

#endif
