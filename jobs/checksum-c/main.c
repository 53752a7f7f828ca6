/* CRC-32 and SHA-256 of standard input, as JSON: a plain WASI command, and a Unix filter as well.
 *
 * Owns streams, arguments and exit codes; the sums themselves are next door. Holds one piece of the input at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "crc32.h"
#include "sha256.h"

/* As in sysexits.h: Stoker never tries again after 65. */
enum { EXIT_OK = 0, EXIT_IO = 1, EXIT_USAGE = 64, EXIT_BAD_INPUT = 65 };
/* Every read is a host call, so not the 1 KiB of the C library. */
enum { PIECE_BYTES = 64 * 1024 };

static unsigned char piece[PIECE_BYTES];
static unsigned char decoded[BASE64_ROOM(PIECE_BYTES)];

int main(int argc, char **argv) {
    int is_base64 = argc == 2 && strcmp(argv[1], "--base64") == 0;
    if (argc > 2 || (argc == 2 && !is_base64)) {
        fprintf(stderr, "the only argument is --base64, which says how the input is encoded\n");
        return EXIT_USAGE;
    }
    setvbuf(stdin, NULL, _IONBF, 0);

    struct base64 base64 = {0};
    struct sha256 hash;
    uint32_t crc = 0;
    sha256_begin(&hash);
    size_t count;
    for (uint64_t before = 0; (count = fread(piece, 1, sizeof piece, stdin)) > 0; before += count) {
        const unsigned char *bytes = piece;
        size_t taken = count;
        if (is_base64) {
            size_t at;
            long made = base64_decode(&base64, piece, count, decoded, &at);
            if (made < 0) {
                fprintf(stderr, "the input is not base64: byte %" PRIu64 " is 0x%02x\n", before + at + 1, piece[at]);
                return EXIT_BAD_INPUT;
            }
            bytes = decoded;
            taken = (size_t)made;
        }
        crc = crc32_update(crc, bytes, taken);
        sha256_update(&hash, bytes, taken);
    }
    if (ferror(stdin)) {
        perror("standard input cannot be read");
        return EXIT_IO;
    }
    if (!base64_is_whole(&base64)) {
        fprintf(stderr, "the input is not base64: it ends in the middle of a group of four characters\n");
        return EXIT_BAD_INPUT;
    }

    uint64_t bytes = hash.bytes;
    unsigned char digest[SHA256_BYTES];
    sha256_end(&hash, digest);
    printf("{\"bytes\":%" PRIu64 ",\"crc32\":\"%08" PRIx32 "\",\"sha256\":\"", bytes, crc);
    for (int i = 0; i < SHA256_BYTES; i++) printf("%02x", digest[i]);
    printf("\"}\n");
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
}
