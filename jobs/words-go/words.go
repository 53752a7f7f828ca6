package main

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNotText is what Count returns for bytes that are no UTF-8.
var ErrNotText = errors.New("the input is not UTF-8 text")

// Counted is what a text's words come to.
type Counted struct {
	Words    int         `json:"words"`
	Distinct int         `json:"distinct"`
	Top      []Frequency `json:"top"`
}

// Frequency is how often a word stands in the text.
type Frequency struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// Count counts the words of a text, whatever their case; the top most frequent ones are listed, equally frequent ones
// by the alphabet.
//
// A word is a run of letters, digits and marks; an apostrophe within it belongs to it.
func Count(text []byte, top int) (Counted, error) {
	if !utf8.Valid(text) {
		return Counted{}, ErrNotText
	}
	counts := make(map[string]int)
	words := 0
	for word := range strings.FieldsFuncSeq(strings.ToLower(string(text)), separates) {
		word = strings.Trim(word, "'’")
		if word == "" {
			continue
		}
		words++
		counts[word]++
	}
	frequencies := make([]Frequency, 0, len(counts))
	for word, count := range counts {
		frequencies = append(frequencies, Frequency{word, count})
	}
	slices.SortFunc(frequencies, func(a, b Frequency) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Word, b.Word))
	})
	return Counted{words, len(counts), frequencies[:min(top, len(frequencies))]}, nil
}

func separates(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '\'' && r != '’'
}
