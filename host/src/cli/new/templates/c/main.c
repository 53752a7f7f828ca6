/* A plain command: the payload comes on standard input, the output goes to standard output, and what is written to
 * standard error is the job's log. The kind is the module's name, {{name}}. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FATAL = 65, /* EX_DATAERR: the payload is wrong, the job fails for good */
    RETRY = 75, /* EX_TEMPFAIL: it may go right later, the job is tried again */
};

int main(void) {
    /* Each write is a call into the host: a large buffer makes few of them. */
    static char out[1 << 16];
    setvbuf(stdout, out, _IOFBF, sizeof out);

    size_t bytes = 0, letters = 0;
    for (int c; (c = getchar()) != EOF; bytes++) {
        letters += !isspace(c);
        putchar(toupper(c));
    }
    if (ferror(stdin) || fflush(stdout) != 0) {
        perror("cannot read or write");
        return RETRY;
    }
    if (letters == 0) {
        fputs("the text is blank: there is nothing to shout\n", stderr);
        return FATAL;
    }
    const char *attempt = getenv("STOKER_ATTEMPT");
    fprintf(stderr, "shouting %zu bytes in attempt %s\n", bytes, attempt ? attempt : "?");
    return 0;
}
