package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

const messageChars = 500

// errIdleClosed has the text of src/toril/engines/in_process.py.
var errIdleClosed = errors.New("the service closed the idle connection just when the request was sent")

var (
	statuses [1000]outcome
	// what differs between equal failures: addresses, stream numbers, and the request in front of an error
	noise = regexp.MustCompile(`(Get|Post|Put|Patch|Delete|Head|Options|[A-Z]+) "[^"]*": |\d+\.\d+\.\d+\.\d+:\d+(->)?|\[[0-9a-f:]+\]:\d+(->)?|stream ID \d+; |LastStreamID=\d+, `)
)

func init() {
	for code := range statuses {
		text := strconv.Itoa(code)
		statuses[code] = outcome{text, "", true}
		if code >= 400 {
			statuses[code] = outcome{text, strings.TrimSpace(text + " " + http.StatusText(code)), false}
		}
	}
}

// outcomeOf names failures as Locust does, so that criteria on response codes hold for both engines.
func outcomeOf(status int, err error) outcome {
	if err == nil {
		return statuses[status%len(statuses)]
	}
	var (
		lookup    *net.DNSError
		timeout   net.Error
		invalid   *tls.CertificateVerificationError
		unknown   x509.UnknownAuthorityError
		hostname  x509.HostnameError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		operation *net.OpError
	)
	text := err.Error()
	failed := func(rc, message string) outcome { return outcome{rc, message, false} }
	switch {
	case errors.As(err, &lookup):
		return failed("gaierror", "Name or service not known")
	case errors.Is(err, errIdleClosed):
		return failed("IdleConnectionClosed", err.Error())
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed("ConnectionRefusedError", "Connection refused")
	case errors.Is(err, syscall.ECONNRESET):
		return failed("ConnectionResetError", "Connection reset by peer")
	case errors.Is(err, syscall.EPIPE):
		return failed("BrokenPipeError", "Broken pipe")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout(), strings.Contains(text, "Client.Timeout"):
		return failed("TimeoutError", "timed out")
	case errors.As(err, &invalid), errors.As(err, &unknown), errors.As(err, &hostname):
		return failed("SSLCertVerificationError", "certificate verify failed: "+clean(innermost(err)))
	case errors.As(err, &record), errors.As(err, &alert), strings.Contains(text, "tls: "):
		return failed("SSLError", clean(text))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "server closed idle"),
		strings.HasSuffix(text, ": EOF"), strings.Contains(text, "unexpected EOF"):
		return failed("RemoteDisconnected", "the connection was closed before the response was whole")
	case errors.Is(err, errManyRedirects):
		return failed("TooManyRedirects", errManyRedirects.Error())
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "transport connection broken"):
		return failed("BadStatusLine", clean(text))
	case errors.As(err, &operation):
		return failed("OSError", clean(innermost(err)))
	}
	return failed("Error", clean(text))
}

// exhausted is true if there are no more files or local ports.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

func innermost(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func clean(text string) string {
	text = text[:min(len(text), 4*messageChars)] // a message may quote a service without end
	text = strings.TrimSpace(noise.ReplaceAllString(text, ""))
	if len(text) > messageChars {
		text = strings.ToValidUTF8(text[:messageChars], "")
	}
	return text
}
