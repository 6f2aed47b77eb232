#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "base/size.h"

static void reads (double bytes, const char *wanted)
{
	char text[SIZE_TEXT_MAX];
	cr_expect_str_eq (size_format (bytes, text), wanted, "%g: '%s', not '%s'", bytes, text, wanted);
}

Test (size, is_true_to_three_digits_in_the_unit_that_fits)
{
	reads (0, "0B");
	reads (812, "812B");
	reads (1023, "1023B");
	reads (1024, "1.0KiB");
	reads (3.4 * 1048576, "3.4MiB");
	reads (99.9 * 1048576, "99.9MiB");
	reads (120.0 * (1 << 30), "120GiB");
	reads (18446744073709551615.0, "16.0EiB");
}

Test (size, says_what_is_no_size_and_overflows_nothing)
{
	reads (-2048, "-2.0KiB");
	reads (INFINITY, "infEiB");
	char text[SIZE_TEXT_MAX];
	size_format (DBL_MAX, text);
	size_format (-DBL_MAX, text);
	cr_assert_not_null (strstr (text, "EiB"), "%s", text);
	cr_assert_not_null (strstr (size_format (NAN, text), "nan"), "%s", text);
}
