package redisdb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
)

func ping(t *testing.T, cfg config.Redis) error {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // the test is about Ping
	return c.Ping(context.Background()).Err()
}

func TestOpen_passwords(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "hunter2", "--user", "tap", "on", ">from-file", "~*", "+@all")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := s.Config()
	cfg.Password = "hunter2"
	if err := ping(t, cfg); err != nil {
		t.Errorf("password: %v", err)
	}
	unix := config.Redis{UnixSocket: s.Socket(), Password: "hunter2", DB: 3}
	if err := ping(t, unix); err != nil {
		t.Errorf("unix socket and db: %v", err)
	}
	acl := s.Config()
	acl.Username, acl.PasswordFile = "tap", file
	if err := ping(t, acl); err != nil {
		t.Errorf("ACL user with a password file: %v", err)
	}
	cfg.Password = "wrong-secret"
	if err := ping(t, cfg); err == nil || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("wrong password: %v", err)
	}
	acl.PasswordFile = filepath.Join(t.TempDir(), "none")
	if err := ping(t, acl); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no password file: %v", err)
	}
}

func TestOpen_tls(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := certificate(t, dir, "ca", nil, nil)
	certificate(t, dir, "server", ca, caKey)
	certificate(t, dir, "client", ca, caKey)
	at := func(name string) string { return filepath.Join(dir, name) }
	s := redistest.Start(t, "--tls-port", "0", "--tls-cert-file", at("server.pem"), "--tls-key-file", at("server.key"),
		"--tls-ca-cert-file", at("ca.pem"), "--tls-auth-clients", "yes")
	if err := s.Client().ConfigSet(context.Background(), "tls-port", "0").Err(); err != nil {
		t.Skip("this redis-server is built without TLS")
	}
	// The same server, with the TLS port in place of the plain one.
	s.Stop()
	port := s.Port
	s = redistest.Start(t, "--port", "0", "--tls-port", strconv.Itoa(port), "--tls-cert-file", at("server.pem"), "--tls-key-file", at("server.key"),
		"--tls-ca-cert-file", at("ca.pem"), "--tls-auth-clients", "yes")
	cfg := config.Redis{Host: "127.0.0.1", Port: port, TLSCA: at("ca.pem"), TLSCert: at("client.pem"), TLSKey: at("client.key")}
	if err := ping(t, cfg); err != nil {
		t.Errorf("with a client certificate: %v", err)
	}
	bare := cfg
	bare.TLSCert, bare.TLSKey = "", ""
	if err := ping(t, bare); err == nil {
		t.Error("the server takes a client without a certificate")
	}
	strange := cfg
	strange.TLSName = "elsewhere"
	if err := ping(t, strange); err == nil {
		t.Error("a certificate for another name was accepted")
	}
	if _, err := Open(config.Redis{Host: "x", TLSCA: at("server.key")}); !errors.Is(err, ErrTLS) {
		t.Errorf("a key as authority: %v", err)
	}
	if _, err := Open(config.Redis{Host: "x", TLSCert: at("none"), TLSKey: at("none")}); !errors.Is(err, ErrTLS) {
		t.Errorf("no certificate: %v", err)
	}
	_ = s
}

// certificate writes name.pem and name.key, signed by ca or by itself.
func certificate(t *testing.T, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if ca == nil {
		ca, caKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}
