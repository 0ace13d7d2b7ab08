package main

import (
	"encoding/json"
	"fmt"

	"toril/tools/engine/internal/check"
	"toril/tools/engine/internal/sign"
)

// The records of this file are the journeys of a load file.

// journey is a scenario: what one user does again and again, or what one arrival does once.
type journey struct {
	Address      string      `json:"address"` // in front of URLs without a host
	Cookies      bool        `json:"cookies"`
	FreshCookies bool        `json:"fresh_cookies"` // each pass begins without any
	Cache        bool        `json:"cache"`
	KeepAlive    bool        `json:"keepalive"`
	TimeoutS     float64     `json:"timeout_s"`
	Follow       bool        `json:"follow_redirects"`
	Headers      [][2]string `json:"headers"`
	Variables    [][2]string `json:"variables"`
	Sign         *signing    `json:"sign"`
	Setup        []block     `json:"setup"` // of each pass
	Steps        []block     `json:"steps"`
	Teardown     []block     `json:"teardown"` // of each pass
}

// signing is how requests are signed for AWS.
type signing struct {
	Service     string `json:"service"`
	Region      string `json:"region"`
	Credentials string `json:"credentials"` // path of a JSON file, which changes

	made *sign.Signer
}

// signer returns the signer of all requests with these settings; nil: they are not signed.
func (s *signing) signer() (made *sign.Signer, err error) {
	if s == nil {
		return nil, nil
	}
	if s.made == nil {
		s.made, err = sign.New(s.Service, s.Region, s.Credentials)
	}
	return s.made, err
}

// block is one step as it is written: a request, or steps with a rule. `Do` tells which of its fields count.
type block struct {
	Do    string `json:"do"`
	At    string `json:"at"` // its place in the suite's scenario, for errors
	Label string `json:"label"`

	// request
	Method       string                `json:"method"`
	URL          string                `json:"url"`
	Headers      [][2]string           `json:"headers"`
	Body         *string               `json:"body"`
	BodyBytes    []byte                `json:"body_bytes"` // base64; never a template
	Form         [][2]string           `json:"form"`
	Files        []upload              `json:"files"`
	Multipart    bool                  `json:"multipart"`
	TimeoutS     *float64              `json:"timeout_s"` // null: the journey's; so are the next two
	KeepAlive    *bool                 `json:"keepalive"`
	Follow       *bool                 `json:"follow_redirects"`
	Think        *thinking             `json:"think"`
	Extract      []check.Spec          `json:"extract"`
	Assert       []check.AssertionSpec `json:"assert"`
	JudgesStatus bool                  `json:"judges_status"`
	Needed       []string              `json:"needed"` // variables of its extractors that must not be missing

	// others
	Steps         []block     `json:"steps"`
	Then          []block     `json:"then"`
	Else          []block     `json:"else"`
	IncludeTimers bool        `json:"include_timers"`
	Condition     string      `json:"condition"`
	Times         loopTimes   `json:"times"`
	Input         string      `json:"input"`
	Variable      string      `json:"variable"`
	Variables     [][2]string `json:"variables"`
	ForS          float64     `json:"for_s"`
	For           string      `json:"for"`
	Action        string      `json:"action"`
	Target        string      `json:"target"`
	Journey       *journey    `json:"journey"`
}

// loopTimes is a number or a template of one; 0: forever.
type loopTimes string

func (t *loopTimes) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*t = loopTimes(text)
		return nil
	}
	var number int64
	err := json.Unmarshal(data, &number)
	*t = loopTimes(fmt.Sprint(number))
	return err
}

type upload struct {
	Param string `json:"param"` // empty: the file is the body
	Path  string `json:"path"`
	Mime  string `json:"mime"`
}

// thinking is a distribution of think times: constant, uniform (from mean - deviation to mean + deviation), gaussian or
// poisson (deviation plus a Poisson-distributed number of milliseconds with the rest of the mean as its mean).
type thinking struct {
	Kind       string  `json:"kind"`
	MeanS      float64 `json:"mean_s"`
	DeviationS float64 `json:"deviation_s"`
}

// usersLoad is the users of this worker.
type usersLoad struct {
	Count      int     `json:"count"`
	Total      int     `json:"total"` // of all workers
	First      int     `json:"first"` // users of earlier workers
	RampUpS    float64 `json:"ramp_up_s"`
	Steps      int     `json:"steps"` // stairs of the ramp-up; 0: even
	HoldForS   float64 `json:"hold_for_s"`
	Iterations int64   `json:"iterations"` // of each user; 0: until the end
	PhaseS     float64 `json:"phase_s"`    // by which this worker begins later than the others, and ends with them
}

// length returns the seconds of the load; 0: only iterations end it.
func (u *usersLoad) length() float64 {
	if planned := u.RampUpS + u.HoldForS; planned > 0 {
		return max(0, planned-u.PhaseS)
	}
	return 0
}

// start returns the second in which a user of this worker begins; users count from 0.
func (u *usersLoad) start(user int) float64 {
	if u.RampUpS <= 0 || u.Count < 1 {
		return 0
	}
	if u.Steps > 0 { // stair s (from 0) holds (s+1)/steps of the users
		stair := user * u.Steps / u.Count
		return float64(stair) * u.RampUpS / float64(u.Steps)
	}
	return float64(user) * u.RampUpS / float64(u.Count)
}
