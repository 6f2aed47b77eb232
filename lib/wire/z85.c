#include "wire/z85.h"

#include <string.h>

#include "wire/bytes.h"

enum { BASE = 85, GROUP = 5, WORD = 4 };

static const char alphabet[BASE + 1] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       ".-:+=^!/*?&<>()[]{}@%$#";

char *z85_encode (const uint8_t key[Z85_KEY_SIZE], char out[Z85_TEXT_SIZE + 1])
{
	char *to = out;
	for (size_t i = 0; i < Z85_KEY_SIZE; i += WORD) {
		uint32_t word = bytes_get_u32 (key + i);
		for (int at = GROUP - 1; at >= 0; at--, word /= BASE)
			to[at] = alphabet[word % BASE];
		to += GROUP;
	}
	*to = '\0';
	return out;
}

bool z85_decode (const char *text, size_t size, uint8_t key[Z85_KEY_SIZE])
{
	if (size != Z85_TEXT_SIZE)
		return false;
	for (size_t i = 0; i < Z85_TEXT_SIZE; i += GROUP) {
		uint64_t word = 0;
		for (size_t at = 0; at < GROUP; at++) {
			const char *found = text[i + at] ? strchr (alphabet, text[i + at]) : NULL;
			if (!found)
				return false;
			word = word * BASE + (uint64_t) (found - alphabet);
		}
		if (word > UINT32_MAX)
			return false;
		bytes_put_u32 (key + i / GROUP * WORD, (uint32_t) word);
	}
	return true;
}
