package main

import "testing"

func TestShout(t *testing.T) {
	if shouted, err := shout("hello"); err != nil || shouted != "HELLO" {
		t.Errorf("shout(hello) = %q, %v", shouted, err)
	}
	if _, err := shout(" \n"); err == nil {
		t.Error("a blank text must be refused")
	}
}
