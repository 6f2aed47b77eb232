/* proof.h - that a bound CURVE link lets no unknown key in: tried, not assumed. */

#ifndef NET_PROOF_H
#define NET_PROOF_H

#include "net/link.h"

/* Connects to the link's own endpoint with a key made for this and never used again, and waits for its
 * refusal by the ZAP handler. public_key: the link's. Blocks up to timeout_ns. 0; -EACCES when it was let
 * in; -ETIMEDOUT when nothing could be told in time; other negative errno; each with err. */
int proof_closed (link_t *link, const uint8_t *public_key, int64_t timeout_ns, err_t *err);

#endif
