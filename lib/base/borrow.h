/* borrow.h - a string or bytes for a struct of protobuf-c's, whose pointers are not const though nothing
 * is written or freed through them. */

#ifndef BASE_BORROW_H
#define BASE_BORROW_H

/* NULL is the empty string, protobuf's own default. */
static inline char *borrow (const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { text ? text : "" };
	return u.out;
}

#endif
