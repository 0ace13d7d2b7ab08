package main

import (
	"encoding/json"
	"errors"
	"os"
)

// load is the engine's task; src/toril/engines/toril/executor.py writes it.
type load struct {
	Folder        string            `json:"folder"`
	Points        curve             `json:"points"`   // in a duet: of each arm, by its load time
	PeakRPS       float64           `json:"peak_rps"` // planned, of all workers together
	Interleave    interleave        `json:"stripe"`
	GracefulStopS float64           `json:"graceful_stop_s"`
	Redirects     int               `json:"redirects"`
	HTTP2         bool              `json:"http2"`
	Insecure      bool              `json:"insecure"` // accept any certificate
	DNSTTLS       float64           `json:"dns_ttl_s"`
	MaxWorkers    int               `json:"max_workers"` // requests in flight; 0: the default
	Keep          *keeping          `json:"keep"`        // null: nothing
	Traceparent   bool              `json:"traceparent"`
	Sources       []dataSource      `json:"sources"`
	Hosts         map[string]string `json:"hosts"` // addresses of names, with or without a port
	TLS           certificates      `json:"tls"`
	Turns         [][3]float64      `json:"turns"` // arm, begin and end in seconds; empty: no duet

	Model         string    `json:"model"` // empty: requests
	Seed          uint64    `json:"seed"`
	Poisson       bool      `json:"poisson"`        // the arrivals of each second have random moments in it
	RequireValues bool      `json:"require_values"` // a response without a value that another request needs has failed
	Tried         bool      `json:"tried"`          // without think times
	Users         usersLoad `json:"users"`
	Journeys      []journey `json:"journeys"` // one; in a duet head's, then base's. In the requests model all steps are requests

	byClient bool // send with Go's client, as over HTTP/2 and without epoll
}

// dataSource is one data file. Each pass through the requests takes its next row.
type dataSource struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Own     bool       `json:"own"` // the rows are this worker's alone: count its passes, not those of all workers

	Loop        *bool `json:"loop"` // false: what needs a row ends when all are used
	RandomOrder bool  `json:"random_order"`
}

func (d *dataSource) loops() bool { return d.Loop == nil || *d.Loop }

// The models of a load: independent requests on a schedule; users who go through a journey again and again; journeys that
// begin on a schedule.
const (
	usersModel    = "users"
	arrivalsModel = "arrivals"
)

// ofSessions is true for the models whose requests belong to a session.
func (l *load) ofSessions() bool { return l.Model == usersModel || l.Model == arrivalsModel }

func readLoad(path string) (*load, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l := &load{}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, err
	}
	return l, l.check()
}

func (l *load) check() error {
	duet := len(l.Turns) > 0
	scheduled := len(l.Points) >= 2 && l.Interleave.Weight > 0
	switch {
	case len(l.Journeys) == 0 || (len(l.Journeys) == 2) != duet:
		return errors.New("a load needs a journey, and a duet two")
	case (l.Model != usersModel || len(l.Points) > 0) && !scheduled:
		return errors.New("a schedule needs a curve of two points and a positive weight")
	case l.Model == usersModel && l.Users.Count < 1:
		return errors.New("a load of users needs some")
	case l.Model == usersModel && l.Users.length() == 0 && l.Users.Iterations == 0:
		return errors.New("users need a time or a number of iterations")
	}
	for i := range l.Journeys {
		if len(l.Journeys[i].Steps) == 0 {
			return errors.New("a journey needs steps")
		}
	}
	return nil
}
