/* See base64.h. */
#include "base64.h"

static int value_of(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

long base64_decode(struct base64 *state, const unsigned char *text, size_t count, unsigned char *bytes, size_t *at) {
    long made = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char c = text[i];
        if (c == '\n' || c == '\r') continue;
        int value = value_of(c);
        int is_padding = c == '=' && state->digits >= 2;
        if (state->ended || (!is_padding && (value < 0 || state->padding))) {
            *at = i;
            return -1;
        }
        state->bits = state->bits << 6 | (is_padding ? 0 : (uint32_t)value);
        state->padding += is_padding;
        if (++state->digits < 4) continue;
        for (unsigned byte = 0; byte < 3 - state->padding; byte++) {
            bytes[made++] = (unsigned char)(state->bits >> (16 - 8 * byte));
        }
        state->ended = state->padding > 0;
        state->bits = state->digits = state->padding = 0;
    }
    return made;
}

int base64_is_whole(const struct base64 *state) { return state->digits == 0; }
