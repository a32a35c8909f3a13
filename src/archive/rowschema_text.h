/* rowschema_text.h: UUIDs and addresses as text, both ways, in ClickHouse's own bytes.
 *
 * The texts are those of ClickHouse's toString; reading takes exactly these and nothing else, so
 * that a text and a value stand for each other. Thread-safe. */
#ifndef LX_ARCHIVE_ROWSCHEMA_TEXT_H
#define LX_ARCHIVE_ROWSCHEMA_TEXT_H

#include "base/buf.h"

#define LX_UUID_TEXT 36
#define LX_IPV4_TEXT 15
#define LX_IPV6_TEXT 45

/* 16 bytes: two little-endian halves, the first one the text's first half (RFC 9562, section 4,
 * lower case). */
void lx_text_of_uuid(const uint8_t uuid[16], char text[LX_UUID_TEXT]);
LX_MUST_CHECK bool lx_text_to_uuid(const char text[LX_UUID_TEXT], uint8_t uuid[16]);

/* A little-endian UInt32; the number of characters. */
size_t lx_text_of_ipv4(const uint8_t address[4], char text[LX_IPV4_TEXT]);
LX_MUST_CHECK bool lx_text_to_ipv4(struct lx_str text, uint8_t address[4]);

/* 16 bytes in network order. The longest run of zero groups is cut, the first of equal ones;
 * ::ffff:a.b.c.d and ::a.b.c.d keep their dotted tail (RFC 5952, sections 4.2 and 5). */
size_t lx_text_of_ipv6(const uint8_t address[16], char text[LX_IPV6_TEXT]);
LX_MUST_CHECK bool lx_text_to_ipv6(struct lx_str text, uint8_t address[16]);

#endif
