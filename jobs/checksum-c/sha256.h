/* SHA-256, FIPS 180-4. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK_BYTES = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[SHA256_BLOCK_BYTES]; /* what has not filled a block yet */
};

void sha256_begin(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const unsigned char *bytes, size_t count);
void sha256_end(struct sha256 *hash, unsigned char digest[SHA256_BYTES]);

#endif
