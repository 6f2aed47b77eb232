#include "conf/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/word.h"

static bool is_digit (char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum (char c)
{
	return is_digit (c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int value_bool (const char *text, bool *ret, err_t *err)
{
	bool yes = strcmp (text, "true") == 0;
	char quoted[WORD_QUOTED_MAX];
	if (!yes && strcmp (text, "false") != 0)
		return error_set (err, -EINVAL, "%s is neither true nor false", word_quote (text, quoted));
	*ret = yes;
	return 0;
}

/* Digits at *text_p, past which it is left. -EINVAL when there is none, -ERANGE past 64 bits. */
static int digits_read (const char **text_p, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *text_p;
	if (!is_digit (*p))
		return -EINVAL;
	for (; is_digit (*p); p++) {
		uint64_t digit = (uint64_t) (*p - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*text_p = p;
	*ret = value;
	return 0;
}

int value_unsigned (const char *text, uint64_t *ret, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	const char *p = text;
	uint64_t value;
	int r = digits_read (&p, &value);
	if (r == -ERANGE)
		return error_set (err, r, "%s is past 64 bits", word_quote (text, quoted));
	/* YAML once read 010 as eight. */
	if (r < 0 || *p || (*text == '0' && text[1]))
		return error_set (err, -EINVAL, "%s is no whole number of decimal digits, such as 8",
		        word_quote (text, quoted));
	*ret = value;
	return 0;
}

int value_size (const char *text, uint64_t *ret, err_t *err)
{
	static const struct {
		const char *unit;
		int shift;
	} units[] = { { "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };
	char quoted[WORD_QUOTED_MAX];
	const char *p = text;
	uint64_t value;
	int r = digits_read (&p, &value);
	while (*p == ' ')
		p++;
	for (size_t i = 0; r == 0 && i < sizeof units / sizeof units[0]; i++) {
		if (strcmp (p, units[i].unit) != 0)
			continue;
		if (value > UINT64_MAX >> units[i].shift) {
			r = -ERANGE;
			break;
		}
		*ret = value << units[i].shift;
		return 0;
	}
	if (r == -ERANGE)
		return error_set (err, r, "%s is past 64 bits", word_quote (text, quoted));
	return error_set (err, -EINVAL, "%s is no size: digits and B, KiB, MiB, GiB or TiB, such as 64MiB",
	        word_quote (text, quoted));
}

/* strtod also takes hexadecimal, infinities, names and the locale's comma: only its plain form here. */
static int double_read (const char *text, const char **ret_end, double *ret)
{
	size_t sign = *text == '-' || *text == '+', n = strspn (text + sign, "0123456789.");
	if (n == 0 || (n == 1 && text[sign] == '.'))
		return -EINVAL;
	char *end;
	double value = strtod (text, &end);
	if (end < text + sign + n)
		return -EINVAL;
	if (strspn (text + sign, "0123456789.eE+-") < (size_t) (end - text) - sign)
		return -EINVAL;
	if (!isfinite (value))
		return -ERANGE;
	*ret_end = end;
	*ret = value;
	return 0;
}

int value_number (const char *text, double *ret, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	const char *end;
	double value;
	int r = double_read (text, &end, &value);
	if (r == -ERANGE)
		return error_set (err, r, "%s is past what a number can hold", word_quote (text, quoted));
	if (r < 0 || *end)
		return error_set (
		        err, -EINVAL, "%s is no number, such as 0.95 or 1e9", word_quote (text, quoted));
	*ret = value;
	return 0;
}

int value_ratio (const char *text, double *ret, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	const char *end;
	double value;
	int r = double_read (text, &end, &value);
	if (r == 0 && strcmp (end, "%") == 0) {
		value /= 100;
		end++;
	}
	if (r == -EINVAL || (r == 0 && *end))
		return error_set (
		        err, -EINVAL, "%s is no ratio, such as 0.95 or 95%%", word_quote (text, quoted));
	if (r < 0 || value < 0 || value > 1)
		return error_set (
		        err, -ERANGE, "%s is not within 0..1 or 0%%..100%%", word_quote (text, quoted));
	*ret = value;
	return 0;
}

int value_duration (const char *text, int64_t *ret_ns, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	int64_t ns;
	int r = duration_parse (text, &ns);
	if (r == -ERANGE)
		return error_set (err, r, "%s is past 292 years", word_quote (text, quoted));
	if (r < 0)
		return error_set (err, r,
		        "%s is no duration: a number and ns, us, ms, s, m, h, d or w, such as 200ms",
		        word_quote (text, quoted));
	if (ns < 0)
		return error_set (err, -ERANGE, "%s is negative", word_quote (text, quoted));
	*ret_ns = ns;
	return 0;
}

int value_name (const char *text, size_t max, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	size_t size = strlen (text);
	if (size == 0)
		return error_set (err, -EINVAL, "is empty; a name has 1 to %zu characters", max);
	if (size > max)
		return error_set (err, -ERANGE, "%s has %zu characters, and a name here has at most %zu",
		        word_quote (text, quoted), size, max);
	for (size_t i = 0; i < size; i++) {
		if (!is_alnum (text[i]) && (i == 0 || !strchr ("._-", text[i])))
			return error_set (err, -EINVAL,
			        "%s is no name: letters, digits, '.', '_' and '-', the first a letter or "
			        "digit",
			        word_quote (text, quoted));
	}
	return 0;
}

static bool host_valid (const char *host)
{
	size_t label = 0;
	for (const char *p = host; *p; p++) {
		if (*p == '.' && label == 0)
			return false;
		if (*p != '.' && !is_alnum (*p) && *p != '-' && *p != '_')
			return false;
		label = *p == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	if (label == 0)
		return false;
	/* All digits and dots is meant as an address, and 127.0.0.256 is none. */
	struct in_addr address;
	return host[strspn (host, "0123456789.")] != '\0' || inet_pton (AF_INET, host, &address) == 1;
}

/* HOST:PORT, [ADDRESS]:PORT. */
static int host_port_read (const char *text, int flags, endpoint_t *ret, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	const char *colon = strrchr (text, ':');
	if (!colon)
		return error_set (err, -EINVAL, "%s has no port", word_quote (text, quoted));
	const char *p = colon + 1;
	uint64_t port;
	if (digits_read (&p, &port) < 0 || *p || port < 1 || port > 65535)
		return error_set (
		        err, -EINVAL, "port %s is not within 1..65535", word_quote (colon + 1, quoted));
	endpoint_t made = { .kind = ENDPOINT_TCP, .port = (uint16_t) port };
	bool brackets = *text == '[' && colon > text + 1 && colon[-1] == ']';
	const char *host = text + brackets;
	size_t size = (size_t) (colon - host) - brackets;
	if (size > ENDPOINT_HOST_MAX)
		return error_set (err, -EINVAL, "the host has %zu bytes, above %d", size, ENDPOINT_HOST_MAX);
	memcpy (made.host, host, size);
	made.host[size] = '\0';
	struct in6_addr address;
	if (brackets ? inet_pton (AF_INET6, made.host, &address) != 1
	             : !host_valid (made.host) && !(flags & ENDPOINT_BIND && strcmp (made.host, "*") == 0)) {
		if (!brackets && strchr (made.host, ':'))
			return error_set (err, -EINVAL, "an IPv6 address stands in brackets: [%s]:%u",
			        made.host, (unsigned) made.port);
		if (strcmp (made.host, "*") == 0)
			return error_set (
			        err, -EINVAL, "'*' is every address of this host, and nothing to connect to");
		return error_set (err, -EINVAL, "%s is no host", word_quote (made.host, quoted));
	}
	*ret = made;
	return 0;
}

int value_host_port (const char *text, int flags, endpoint_t *ret, err_t *err)
{
	err_t why;
	if (host_port_read (text, flags, ret, &why) == 0)
		return 0;
	return error_set (err, -EINVAL, "%.200s; wanted is HOST:PORT, such as 127.0.0.1:7780", why.text);
}

/* ipc://PATH and inproc://NAME, which libzmq takes as they come. */
static int local_read (const char *rest, endpoint_kind_t kind, endpoint_t *ret, err_t *err)
{
	size_t size = strlen (rest);
	if (size == 0 || size > ENDPOINT_PATH_MAX)
		return error_set (err, -EINVAL, "the %s has %zu bytes, not within 1..%d",
		        kind == ENDPOINT_IPC ? "path" : "name", size, ENDPOINT_PATH_MAX);
	endpoint_t made = { .kind = kind };
	memcpy (made.host, rest, size + 1);
	*ret = made;
	return 0;
}

int value_endpoint (const char *text, int flags, endpoint_t *ret, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	err_t why;
	int r;
	if (strncmp (text, "tcp://", 6) == 0)
		r = host_port_read (text + 6, flags, ret, &why);
	else if (flags & ENDPOINT_LOCAL && strncmp (text, "ipc://", 6) == 0)
		r = local_read (text + 6, ENDPOINT_IPC, ret, &why);
	else if (flags & ENDPOINT_LOCAL && strncmp (text, "inproc://", 9) == 0)
		r = local_read (text + 9, ENDPOINT_INPROC, ret, &why);
	else
		r = error_set (&why, -EINVAL, "it does not begin with tcp://");
	if (r == 0)
		return 0;
	return error_set (err, -EINVAL,
	        "%s is no endpoint: %.250s; wanted is tcp://HOST:PORT%s, such as tcp://127.0.0.1:7701",
	        word_quote (text, quoted), why.text,
	        flags & ENDPOINT_LOCAL ? ", ipc://PATH or inproc://NAME" : "");
}

bool endpoint_is_loopback (const endpoint_t *endpoint)
{
	struct in_addr four;
	struct in6_addr six;
	if (endpoint->kind != ENDPOINT_TCP || strcmp (endpoint->host, "localhost") == 0)
		return true;
	if (inet_pton (AF_INET, endpoint->host, &four) == 1)
		return ntohl (four.s_addr) >> 24 == 127;
	return inet_pton (AF_INET6, endpoint->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK (&six);
}
