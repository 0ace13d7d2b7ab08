package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quiet is the log of servers that a test makes fail.
var quiet = log.New(io.Discard, "", 0)

// private makes a private authority, and a certificate of it for shop.example and for a client.
func private(t *testing.T) certificates {
	t.Helper()
	folder := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "ann"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"shop.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	root, _ := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	signed, _ := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, key)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificates{
		CA: write("ca.pem", "CERTIFICATE", root), Cert: write("cert.pem", "CERTIFICATE", signed),
		Key: write("key.pem", "EC PRIVATE KEY", secret),
	}
}

func TestAClientShowsItsCertificateAndTrustsAPrivateAuthorityAtAPinnedAddress(t *testing.T) {
	files := private(t)
	settings, err := files.settings(false)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != "shop.example" || r.Host != "shop.example:7443" || r.TLS.PeerCertificates[0].Subject.CommonName != "ann" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{Certificates: settings.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: settings.RootCAs}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pinned := map[string]string{"Shop.example": server.Listener.Addr().String()}
	for _, http2 := range []bool{false, true} {
		l := &load{HTTP2: http2, TLS: files, Hosts: pinned, Journeys: to("https://shop.example:7443/")}
		if got := send(t, l); got["200"] != 20 || len(got) != 1 {
			t.Error(http2, got)
		}
	}
	files.Cert, files.Key = "", ""
	if got := send(t, &load{TLS: files, Hosts: pinned, Journeys: to("https://shop.example:7443/")}); got["200"] != 0 {
		t.Error("without a certificate", got)
	}
	files.CA = ""
	if got := send(t, &load{TLS: files, Hosts: pinned, Journeys: to("https://shop.example:7443/")}); got["SSLCertVerificationError"] != 20 {
		t.Error("without the authority", got)
	}
}

func TestANamePinnedToAnAddressKeepsItsPort(t *testing.T) {
	host := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	l := &load{Hosts: map[string]string{"shop.example": "127.0.0.1"}, Journeys: to("http://shop.example:" + port + "/")}
	if got := send(t, l); got["200"] != 20 || host != "shop.example:"+port {
		t.Error(got, host)
	}
}

func TestWrongHostsAndCertificatesAreErrorsBeforeTheLoad(t *testing.T) {
	good := private(t)
	for want, l := range map[string]*load{
		`shop.example is at "elsewhere"`: {Hosts: map[string]string{"shop.example": "elsewhere"}},
		`shop.example is at "::1:80:x"`:  {Hosts: map[string]string{"shop.example": "::1:80:x"}},
		"engine.ca: open /missing":       {TLS: certificates{CA: "/missing"}},
		"has no certificate":             {TLS: certificates{CA: good.Key}},
		"needs both":                     {TLS: certificates{Cert: good.Cert}},
		"engine.cert and key: ":          {TLS: certificates{Cert: good.Cert, Key: good.CA}},
	} {
		l.Folder = t.TempDir()
		if _, err := newEngine(l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: not %q", err, want)
		}
	}
}
