#include "base/utf8.h"

/* Unicode, table 3-7. */
size_t utf8_character (const char *bytes, size_t size)
{
	const unsigned char *text = (const unsigned char *) bytes;
	if (size == 0)
		return 0;
	unsigned char c = text[0], low = 0x80, high = 0xbf;
	size_t n;
	if (c < 0x80)
		return c ? 1 : 0;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	if (c < 0xe0) {
		n = 2;
	} else if (c < 0xf0) {
		n = 3;
		low = c == 0xe0 ? 0xa0 : low;
		high = c == 0xed ? 0x9f : high;
	} else {
		n = 4;
		low = c == 0xf0 ? 0x90 : low;
		high = c == 0xf4 ? 0x8f : high;
	}
	if (size < n || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool utf8_valid (const char *text, size_t size)
{
	for (size_t i = 0, n; i < size; i += n) {
		n = utf8_character (text + i, size - i);
		if (!n)
			return false;
	}
	return true;
}

void utf8_make_valid (char *text, size_t size)
{
	for (size_t i = 0, n; i < size; i += n ? n : 1) {
		n = utf8_character (text + i, size - i);
		if (!n)
			text[i] = '?';
	}
}
