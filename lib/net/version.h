/* version.h - which ZeroMQ this program runs with. */

#ifndef NET_VERSION_H
#define NET_VERSION_H

enum { NET_VERSION_TEXT_MAX = 40 };

/* "4.3.4". Returns out. */
char *net_version (char out[NET_VERSION_TEXT_MAX]);

#endif
