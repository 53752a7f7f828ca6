// A plain command: the payload comes on standard input, the output goes to standard output, and what is written to
// standard error is the job's log. The kind is the module's name, {{name}}.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// The payload is wrong: the job fails for good (EX_DATAERR).
	fatal = 65
	// It may go right later: the job is tried again (EX_TEMPFAIL).
	retry = 75
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot read the payload:", err)
		os.Exit(retry)
	}
	shouted, err := shout(string(text))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(fatal)
	}
	fmt.Fprintf(os.Stderr, "shouting %d bytes in attempt %s\n", len(text), os.Getenv("STOKER_ATTEMPT"))
	fmt.Print(shouted)
}

// The work itself, apart from where its input comes from: so it can be tested on this machine.
func shout(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", errors.New("the text is blank: there is nothing to shout")
	}
	return strings.ToUpper(text), nil
}
