// Counts the words of standard input and prints the most frequent ones as JSON: a plain WASI command, and a Unix
// filter as well. Owns streams, arguments and exit codes; what a word is stands in words.go.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// As in sysexits.h: Stoker never tries again after 65.
const (
	exitIO       = 1
	exitUsage    = 64
	exitBadInput = 65
)

// Most words that can be asked for, so that the output stays far below its limit.
const topMax = 1_000

func main() {
	flags := flag.NewFlagSet("words", flag.ContinueOnError)
	top := flags.Int("top", 10, "how many of the most frequent words to print")
	if err := flags.Parse(os.Args[1:]); err != nil {
		os.Exit(exitUsage)
	}
	if *top < 0 || *top > topMax || flags.NArg() > 0 {
		fail(exitUsage, fmt.Errorf("-top takes a number up to %d, and nothing may follow", topMax))
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(exitIO, err)
	}
	counted, err := Count(text, *top)
	if errors.Is(err, ErrNotText) {
		fail(exitBadInput, err)
	}
	// In one piece: every write is a host call.
	output, err := json.Marshal(counted)
	if err != nil {
		fail(exitIO, err)
	}
	if _, err := os.Stdout.Write(append(output, '\n')); err != nil {
		fail(exitIO, err)
	}
}

// fail says why on standard error, which is the attempt's log, and ends.
func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(code)
}
