package main

import (
	"testing"
	"time"
)

func TestALoopIsBusyAlsoWithinALongTurn(t *testing.T) {
	w := &work{}
	begin := w.resume()
	time.Sleep(20 * time.Millisecond)
	at := now()
	if share := w.share(at, at-begin); share < 0.99 {
		t.Errorf("worked for %.2f of a turn that is not over", share)
	}
	w.pause()
	time.Sleep(20 * time.Millisecond)
	if share := w.share(now(), now()-at); share > 0.5 {
		t.Errorf("worked for %.2f of the time while it waited", share)
	}
}
