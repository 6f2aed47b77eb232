/* A frame is a zmq_msg_t by value, so that receiving allocates nothing of ours. */

#include "net/link_internal.h"

#include <assert.h>
#include <errno.h>

static_assert (sizeof (zmq_msg_t) == 64, "frame_t holds a zmq_msg_t");
static_assert (_Alignof(zmq_msg_t) <= 8, "frame_t holds a zmq_msg_t");

span_t frame_bytes (const frame_t *frame)
{
	if (!frame->open)
		return span_of (NULL, 0);
	return span_of (zmq_msg_data (frame_message (frame)), zmq_msg_size (frame_message (frame)));
}

int frame_descriptor (const frame_t *frame)
{
	return frame->open ? zmq_msg_get (frame_message (frame), ZMQ_SRCFD) : -1;
}

const char *frame_user (const frame_t *frame)
{
	return frame->open ? zmq_msg_gets (frame_message (frame), "User-Id") : NULL;
}

int frame_share (frame_t *to, const frame_t *from)
{
	if (!from->open)
		return -EINVAL;
	if (!to->open)
		zmq_msg_init (frame_message (to));
	if (zmq_msg_copy (frame_message (to), frame_message (from)) != 0) {
		int code = zmq_failure ();
		if (!to->open)
			zmq_msg_close (frame_message (to));
		return code;
	}
	to->open = true;
	return 0;
}

void frame_close (frame_t *frame)
{
	if (!frame->open)
		return;
	zmq_msg_close (frame_message (frame));
	frame->open = false;
}
