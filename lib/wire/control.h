/* control.h - the control plane's one frame and its MAC (wire.md, "Control"). Pure.
 *
 * The MAC covers "belfry/control/v1\0" ‖ direction ‖ the bytes before the mac field, which is the
 * last: a MACed frame ends in FA 01 20 and 32 bytes. Viewers' and operators' frames carry none. */

#ifndef WIRE_CONTROL_H
#define WIRE_CONTROL_H

#include "base/error.h"
#include "belfry/v1/control.pb-c.h"
#include "wire/keyring.h"
#include "wire/refusal.h"

enum { CONTROL_VERSION = 1, CONTROL_SIZE_MAX = 1024 * 1024 };

typedef enum { CONTROL_TO_COLLECTOR = 1, CONTROL_TO_AGENT = 2 } control_direction_t;

/* Packs control (its mac must be unset) and, where keyring is not NULL, signs it with node's key
 * under its active epoch, which is put into key_epoch. *ret is malloc'ed, the caller's to free.
 * 0; -ENOKEY, -EMSGSIZE, -ENOMEM. */
int control_pack (Belfry__V1__Control *control, control_direction_t direction, keyring_t *keyring,
        const char *node, uint8_t **ret, size_t *ret_size);

/* Unpacks size bytes; with the arena's allocator, or NULL. REFUSAL_NONE with *ret, freed by
 * belfry__v1__control__free_unpacked or the arena; else CONTROL (malformed or of another version),
 * OVERSIZED. *ret_signed: whether it carries a MAC; nothing is verified yet. */
refusal_t control_unpack (const void *data, size_t size, ProtobufCAllocator *allocator,
        Belfry__V1__Control **ret, bool *ret_signed);

/* Checks the MAC of the bytes with node's key under epoch. REFUSAL_NONE, UNSIGNED, KEY_UNKNOWN, MAC.
 * keyring NULL: NONE when unsigned, UNVERIFIABLE when signed. */
refusal_t control_verify (const void *data, size_t size, control_direction_t direction, keyring_t *keyring,
        uint32_t epoch, span_t node);

#endif
