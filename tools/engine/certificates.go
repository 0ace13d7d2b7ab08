package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// certificates are paths of PEM files; empty: none.
type certificates struct {
	CA   string `json:"ca"`   // authorities to trust, beside the system's
	Cert string `json:"cert"` // what the client shows
	Key  string `json:"key"`
}

// settings returns how TLS connections are made.
func (c certificates) settings(insecure bool) (*tls.Config, error) {
	settings := &tls.Config{InsecureSkipVerify: insecure} // only if the suite asks for it
	if c.CA != "" {
		authorities, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("toril.engine.ca: %w", err)
		}
		if settings.RootCAs, err = x509.SystemCertPool(); err != nil {
			settings.RootCAs = x509.NewCertPool()
		}
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("toril.engine.ca: %s has no certificate in PEM form", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("toril.engine: a client certificate needs both cert and key")
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("toril.engine.cert and key: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}
