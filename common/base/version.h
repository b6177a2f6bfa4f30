/* Version of this tree, and the commit it was built from (set by the build). */
#ifndef AMPSCALE_BASE_VERSION_H
#define AMPSCALE_BASE_VERSION_H

#define AMPSCALE_VERSION "0.1.0"

/* "unknown" when built outside a git checkout. Defined in version.c, which the build generates. */
extern const char AMPSCALE_COMMIT[];

#endif
