/* Base64 (RFC 4648) piece by piece; line ends between the characters are skipped. */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>
#include <stdint.h>

struct base64 {
    uint32_t bits;   /* of the group that is being read */
    unsigned digits; /* of that group, padding included */
    unsigned padding;
    int ended; /* a group with padding is the last */
};

/* Room that `base64_decode` needs for `count` characters. */
#define BASE64_ROOM(count) (((count) + 3) / 4 * 3)

/* Decodes `count` characters into `bytes`, returns how many bytes those are; on a character that has no business
 * there, -1 and its place in `*at`. Begin with a struct of zeros. */
long base64_decode(struct base64 *state, const unsigned char *text, size_t count, unsigned char *bytes, size_t *at);

/* Whether the text may end here. */
int base64_is_whole(const struct base64 *state);

#endif
