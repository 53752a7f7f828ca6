package main

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
)

// The most words listed in testdata/cases.json, which the test of the built module reads as well.
const top = 3

func TestCount(t *testing.T) {
	file, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text    string
		Counted Counted
	}
	if err := json.Unmarshal(file, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, one := range cases {
		found, err := Count([]byte(one.Text), top)
		if err != nil || !reflect.DeepEqual(found, one.Counted) {
			t.Errorf("%q: found %v (%v), expected %v", one.Text, found, err, one.Counted)
		}
	}
}

func TestNoText(t *testing.T) {
	if _, err := Count([]byte{0xff}, top); !errors.Is(err, ErrNotText) {
		t.Errorf("bytes that are no text: %v", err)
	}
}
