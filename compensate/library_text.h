/* The files of library/ end to end, put into a C file by the build. */
#ifndef COMPENSATE_LIBRARY_TEXT_H
#define COMPENSATE_LIBRARY_TEXT_H

extern const char comp_library[];

#endif
