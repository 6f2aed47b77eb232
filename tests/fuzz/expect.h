/* expect.h - a property that no input may break. */

#ifndef TESTS_FUZZ_EXPECT_H
#define TESTS_FUZZ_EXPECT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition)                                                                               \
	do {                                                                                            \
		if (!(condition)) {                                                                     \
			fprintf (stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort ();                                                                       \
		}                                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#endif
