#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agents/probes/child_wire.h"
#include "agents/probes/health/mounts.h"

void mounts_serve (child_call_t *call, const void *body, size_t size)
{
	const char *p = body, *end = p + size;
	mount_answer_t answer = { 0 };
	while ((size_t) (end - p) > sizeof answer.id) {
		answer = (mount_answer_t){ 0 };
		memcpy (&answer.id, p, sizeof answer.id);
		const char *path = p + sizeof answer.id;
		size_t length = strnlen (path, (size_t) (end - path));
		if (path + length == end)
			break;
		p = path + length + 1;
		struct statvfs fs;
		if (statvfs (path, &fs) < 0) {
			answer.error = errno;
		} else {
			answer.size_bytes = (uint64_t) fs.f_blocks * fs.f_frsize;
			answer.free_bytes = (uint64_t) fs.f_bfree * fs.f_frsize;
			answer.avail_bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
			answer.files = fs.f_files;
			answer.files_free = fs.f_ffree;
			answer.readonly = (fs.f_flag & ST_RDONLY) != 0;
		}
		child_answer (call, CHILD_ASK_MOUNTS, &answer, sizeof answer);
	}
	child_answer_last (call, p == end ? CHILD_ASK_MOUNTS : 0, NULL, 0);
}
