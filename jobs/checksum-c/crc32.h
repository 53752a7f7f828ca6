/* CRC-32 as in zip, gzip and PNG: polynomial 0xedb88320, reflected. */
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Begin with 0; go on with what the last call returned. */
uint32_t crc32_update(uint32_t crc, const unsigned char *bytes, size_t count);

#endif
