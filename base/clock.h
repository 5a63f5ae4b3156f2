/* Time: monotonic for every deadline, wall clock only for what people read. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void); /* since 1970, UTC */
void clock_sleep_ms(int64_t ms);

#endif
