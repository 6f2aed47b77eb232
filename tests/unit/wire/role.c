#include <criterion/criterion.h>

#include "wire/role.h"

Test (role, every_word_is_its_roles)
{
	for (role_t role = ROLE_AGENT; role < ROLE_COUNT; role++)
		cr_assert_eq (role_of (span_str (role_word (role))), role);
	static const char *const none[] = { "none", "", "agents", "Agent", "oper", "root" };
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		cr_assert_eq (role_of (span_str (none[i])), ROLE_NONE, "'%s'", none[i]);
	cr_assert_str_eq (role_word (ROLE_NONE), "none");
	cr_assert_str_eq (role_word (ROLE_COUNT), "none");
}

Test (role, a_user_is_written_and_read)
{
	char text[ROLE_USER_MAX + 1];
	user_t user;
	cr_assert_str_eq (user_format (ROLE_AGENT, "db-1.example", text), "agent db-1.example");
	cr_assert (user_parse (text, &user));
	cr_assert_eq (user.role, ROLE_AGENT);
	cr_assert_str_eq (user.name, "db-1.example");
	cr_assert (user_parse (NULL, &user), "without CURVE nobody is a user");
	cr_assert_eq (user.role, ROLE_NONE);
	cr_assert_str_eq (user.name, "");
}

Test (role, what_is_no_user_has_no_role)
{
	static const char *const none[] = { "", "agent", "agent ", " n1", "none n1", "root n1", "agent n 1",
		"agent -n1", "agent aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		user_t user = { .role = ROLE_OPERATOR, .name = "x" };
		cr_assert_not (user_parse (none[i], &user), "'%s'", none[i]);
		cr_assert_eq (user.role, ROLE_NONE);
	}
}
