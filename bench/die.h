/* A measurement that meets an error is none: it ends with a word on it. */
#ifndef BENCH_DIE_H
#define BENCH_DIE_H

_Noreturn void die(const char *what, const char *why);
_Noreturn void die_errno(const char *what);

#endif
