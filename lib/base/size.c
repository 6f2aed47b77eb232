#include "base/size.h"

#include <math.h>
#include <stdio.h>

char *size_format (double bytes, char text[SIZE_TEXT_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t i = 0;
	while (fabs (bytes) >= 1023.5 && i + 1 < sizeof units / sizeof units[0]) {
		bytes /= 1024;
		i++;
	}
	/* Beyond the last unit a double has up to 309 digits. */
	const char *format = fabs (bytes) >= 1e9 ? "%.3g%s" : i && fabs (bytes) < 99.95 ? "%.1f%s" : "%.0f%s";
	snprintf (text, SIZE_TEXT_MAX, format, bytes, units[i]);
	return text;
}
