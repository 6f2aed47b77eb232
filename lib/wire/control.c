#include "wire/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Field 31, length-delimited, 32 bytes. */
static const uint8_t mac_tag[] = { 0xfa, 0x01, MAC_SIZE };
enum { TAIL_SIZE = sizeof mac_tag + MAC_SIZE };

int control_pack (Belfry__V1__Control *control, control_direction_t direction, keyring_t *keyring,
        const char *node, uint8_t **ret, size_t *ret_size)
{
	const mac_key_t *key = NULL;
	control->version = CONTROL_VERSION;
	control->mac = (ProtobufCBinaryData){ 0 };
	if (keyring) {
		control->key_epoch = keyring_active_epoch (keyring, span_str (node));
		key = control->key_epoch ? keyring_node_key (keyring, control->key_epoch, span_str (node))
		                         : NULL;
		if (!key)
			return -ENOKEY;
	}
	size_t size = belfry__v1__control__get_packed_size (control);
	if (size + TAIL_SIZE > CONTROL_SIZE_MAX)
		return -EMSGSIZE;
	uint8_t *out = malloc (size + TAIL_SIZE);
	if (!out)
		return -ENOMEM;
	belfry__v1__control__pack (control, out);
	if (key) {
		memcpy (out + size, mac_tag, sizeof mac_tag);
		mac_control (key, (uint8_t) direction, span_of (out, size), out + size + sizeof mac_tag);
		size += TAIL_SIZE;
	}
	*ret = out;
	*ret_size = size;
	return 0;
}

refusal_t control_unpack (const void *data, size_t size, ProtobufCAllocator *allocator,
        Belfry__V1__Control **ret, bool *ret_signed)
{
	if (size > CONTROL_SIZE_MAX)
		return REFUSAL_OVERSIZED;
	Belfry__V1__Control *control = belfry__v1__control__unpack (allocator, size, data);
	if (!control)
		return REFUSAL_CONTROL;
	if (control->version != CONTROL_VERSION || (control->mac.len != 0 && control->mac.len != MAC_SIZE)) {
		belfry__v1__control__free_unpacked (control, allocator);
		return REFUSAL_CONTROL;
	}
	*ret = control;
	*ret_signed = control->mac.len == MAC_SIZE;
	return REFUSAL_NONE;
}

refusal_t control_verify (const void *data, size_t size, control_direction_t direction, keyring_t *keyring,
        uint32_t epoch, span_t node)
{
	const uint8_t *bytes = data;
	bool has_mac = size > TAIL_SIZE && memcmp (bytes + size - TAIL_SIZE, mac_tag, sizeof mac_tag) == 0;
	if (!keyring)
		return has_mac ? REFUSAL_UNVERIFIABLE : REFUSAL_NONE;
	if (!has_mac)
		return REFUSAL_UNSIGNED;
	const mac_key_t *key = keyring_peek_key (keyring, epoch, node);
	if (!key)
		return REFUSAL_KEY_UNKNOWN;
	uint8_t wanted[MAC_SIZE];
	mac_control (key, (uint8_t) direction, span_of (bytes, size - TAIL_SIZE), wanted);
	return mac_equal (wanted, bytes + size - MAC_SIZE) ? REFUSAL_NONE : REFUSAL_MAC;
}
