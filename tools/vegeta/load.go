package main

import (
	"encoding/json"
	"errors"
	"os"
)

// load is what the worker tells: src/toril/worker/engines/vegeta.py writes it.
type load struct {
	Folder        string       `json:"folder"`
	Points        [][2]float64 `json:"points"`
	PeakRPS       float64      `json:"peak_rps"` // of all workers, as far as it is planned
	Stripe        stripe       `json:"stripe"`
	GracefulStopS float64      `json:"graceful_stop_s"`
	TimeoutS      float64      `json:"timeout_s"`
	KeepAlive     bool         `json:"keepalive"`
	Redirects     int          `json:"redirects"`
	HTTP2         bool         `json:"http2"`
	Insecure      bool         `json:"insecure"`
	DNSTTLS       float64      `json:"dns_ttl_s"`
	MaxWorkers    int          `json:"max_workers"`
	Targets       []told       `json:"targets"`
	Sources       []source     `json:"sources"`
}

// told is one request of the suite.
type told struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Label   string      `json:"label"`
	Headers [][2]string `json:"headers"`
	Body    []byte      `json:"body"` // base64
	Follow  bool        `json:"follow_redirects"`
}

// source is one file of data. Rows of our own are counted by this worker's requests, others by those of all.
type source struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Own     bool       `json:"own"`
}

func readLoad(path string) (*load, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := &load{}
	if err := json.Unmarshal(data, found); err != nil {
		return nil, err
	}
	if len(found.Targets) == 0 || len(found.Points) < 2 || found.Stripe.Weight <= 0 {
		return nil, errors.New("a load has requests, a curve and a stripe")
	}
	return found, nil
}
