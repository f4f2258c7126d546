package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/saltern-io/saltern/internal/config"
)

// Times of one connection and one command.
const (
	dialTimeout = 5 * time.Second
	ioTimeout   = 10 * time.Second // without what a blocking read asks for
	poolSize    = 4
)

// maxPassword bounds the password file.
const maxPassword = 64 << 10

// ErrTLS is returned by Open for certificate files that cannot be used.
var ErrTLS = errors.New("redis TLS files")

// Open makes a client; it connects at the first command. It fails only for TLS files that cannot be read or used.
func Open(cfg config.Redis) (*redis.Client, error) {
	o := &redis.Options{
		Network: "tcp", Addr: net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), DB: cfg.DB, Protocol: 2,
		ClientName: "saltern", DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, PoolSize: poolSize,
		DisableIdentity:            true, // CLIENT SETINFO is one more right an ACL user would need
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		CredentialsProviderContext: credentials(cfg),
	}
	if cfg.UnixSocket != "" {
		o.Network, o.Addr = "unix", cfg.UnixSocket
	}
	if cfg.UseTLS() {
		t, err := tlsConfig(cfg)
		if err != nil {
			return nil, err
		}
		o.TLSConfig = t
	}
	logging.Disable() // what matters comes back as an error, and is logged by those who know what it means
	return redis.NewClient(o), nil
}

// credentials are asked for at each connection.
func credentials(cfg config.Redis) func(context.Context) (string, string, error) {
	if cfg.PasswordFile == "" && cfg.Password == "" && cfg.Username == "" {
		return nil
	}
	return func(context.Context) (string, string, error) {
		if cfg.PasswordFile == "" {
			return cfg.Username, cfg.Password, nil
		}
		secret, err := readPassword(cfg.PasswordFile)
		return cfg.Username, secret, err
	}
}

// readPassword is the first line of a file.
func readPassword(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the password of redis: %w", err)
	}
	if info.Size() > maxPassword || !info.Mode().IsRegular() {
		return "", fmt.Errorf("read the password of redis: %s is no small file", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the password of redis: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}

func tlsConfig(cfg config.Redis) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.TLSName}
	if t.ServerName == "" {
		t.ServerName = cfg.Host
	}
	if cfg.TLSCA != "" {
		pem, err := os.ReadFile(cfg.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTLS, err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: %s holds no certificate", ErrTLS, cfg.TLSCA)
		}
	}
	if cfg.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTLS, err)
		}
		// Read again for each connection: certificates are renewed while daemons run.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
			return &pair, err
		}
	}
	return t, nil
}

// Refused reports whether an error is the server's own answer to one command, which the same command will meet again:
// a key of another type, a right that the user does not have for good. Everything else (no connection, a server that is
// loading, full, or a replica) may pass, and the command is to be repeated.
func Refused(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) || errors.Is(err, redis.Nil) {
		return false
	}
	text := answer.Error()
	return strings.HasPrefix(text, "WRONGTYPE") || strings.HasPrefix(text, "ERR value is not") || strings.HasPrefix(text, "ERR The ID specified")
}
