#include "conf/template.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

static const char *label (void *arg, const char *key)
{
	(void) arg;
	return strcmp (key, "mountpoint") == 0 ? "/var" : NULL;
}

static const template_values_t values = { .node = "n1",
	.component = "data",
	.cluster = "demo",
	.name = "Rule",
	.severity = "warning",
	.kind = "host",
	.status = "down",
	.metric = "m",
	.value = 90061.5,
	.threshold = 0.95,
	.label = label };

static void renders (const char *text, const char *wanted)
{
	char out[256];
	cr_assert_eq (template_check (text, NULL), 0, "%s", text);
	cr_assert_str_eq (template_render (text, &values, out, sizeof out), wanted);
}

static void refused (const char *text, const char *words)
{
	err_t err = { "" };
	cr_assert_eq (template_check (text, &err), -EINVAL, "%s", text);
	cr_assert_not_null (strstr (err.text, words), "%s", err.text);
}

Test (template, plain_text_stays)
{
	renders ("", "");
	renders ("no names } here { at all }}", "no names } here { at all }}");
}

Test (template, every_name_has_its_value)
{
	renders ("{{node}} {{component}} {{cluster}} {{name}} {{severity}} {{kind}} {{status}} {{metric}}",
	        "n1 data demo Rule warning host down m");
	renders ("{{ node }}:{{label.mountpoint}}", "n1:/var");
	renders ("[{{label.absent}}]", "[]");
}

Test (template, filters_make_numbers_readable)
{
	renders ("{{value}} {{threshold}}", "90061.5 0.95");
	renders ("{{value|duration}}", "1.04d");
	renders ("{{value | bytes}}", "88.0KiB");
	renders ("{{threshold|percent}}", "95 %");
	template_values_t odd = values;
	char out[64];
	odd.value = NAN;
	cr_assert_str_eq (template_render ("{{value|bytes}}", &odd, out, sizeof out), "unknown");
	odd.value = HUGE_VAL;
	cr_assert_str_eq (template_render ("{{value|bytes}}", &odd, out, sizeof out), "infEiB");
	odd.value = 1e300;
	cr_assert_str_eq (template_render ("{{value|duration}}", &odd, out, sizeof out), "1e+300 s");
}

Test (template, what_is_absent_renders_as_nothing)
{
	static const template_values_t none = { .value = 1 };
	char out[64];
	cr_assert_str_eq (template_render ("<{{node}}{{label.x}}>", &none, out, sizeof out), "<>");
}

Test (template, mistakes_are_named)
{
	refused ("{{node", "without its }}");
	refused ("{{nod}}", "did you mean {{node}}?");
	refused ("{{}}", "unknown");
	refused ("{{label.}}", "unknown");
	refused ("{{value|seconds}}", "none of duration, bytes, percent");
	refused ("{{node|bytes}}", "for value and threshold alone");
	char text[TEMPLATE_SIZE_MAX + 2];
	memset (text, 'x', sizeof text);
	text[TEMPLATE_SIZE_MAX + 1] = '\0';
	refused (text, "above 1024");
}

Test (template, the_output_is_cut_at_a_characters_end)
{
	char out[8];
	cr_assert_str_eq (
	        template_render ("{{component}}{{component}}", &values, out, sizeof out), "datadat");
	cr_assert_str_eq (template_render ("12345\xe2\x82\xac", &values, out, sizeof out), "12345");
	cr_assert (utf8_valid (out, strlen (out)));
	cr_assert_str_eq (template_render ("x", &values, out, 1), "");
	out[0] = 'y';
	template_render ("x", &values, out, 0);
	cr_assert_eq (out[0], 'y');
}

Test (template, an_unchecked_template_is_harmless)
{
	char out[64];
	cr_assert_str_eq (template_render ("a {{node", &values, out, sizeof out), "a {{node");
	cr_assert_str_eq (template_render ("a {{nope|nope}}", &values, out, sizeof out), "a ");
}
