package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

const aLoopSends = 40_000 // requests a second, about half of what one can: more have a loop for each processor

// overHTTP1 sends by loops of our own, so many.
func overHTTP1(l *load, prepared *prepared, many int) error {
	// A loop never lets go of what Go calls a processor, even while it waits; connecting and TLS need the others.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + many)
	var loops []*loop
	for i := range many {
		most := l.MaxWorkers / many
		if i < l.MaxWorkers%many {
			most++
		}
		pace := prepared.pacer(l, newSlots(max(1, most)), int64(i), int64(many))
		made, err := newLoop(l, pace, prepared.dials, prepared.written)
		if err != nil {
			return err
		}
		defer made.poll.close()
		loops = append(loops, made)
	}
	prepared.dials.changed = func() {
		for _, one := range loops {
			one.tell(one.dropIdle)
		}
	}
	if err := prepared.start(l, func() {
		for _, one := range loops {
			one.poll.ring()
		}
	}); err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, one := range loops {
		running.Go(func() {
			if err := one.run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		})
	}
	all := make(chan struct{})
	go func() {
		running.Wait()
		close(all)
	}()
	prepared.collector.collect(all, func() {
		for _, one := range loops {
			one.leaving.Store(true)
			one.poll.ring()
		}
		<-all
	})
	return nil
}

// loopsFor is one, unless this worker's part of the highest rate is more than one can send.
func loopsFor(l *load, processors int) int {
	if l.PeakRPS*l.Stripe.part() > aLoopSends {
		return processors
	}
	return 1
}
