package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// maxTokenBytes bounds a token file; real ones have 64 or 128 characters.
const maxTokenBytes = 4096

// TokenFile is where the commands of one user keep the token that a master issued: stock's file, so that
// either reads what the other wrote. The file says nothing about which master it was.
//
// spec: local-client-and-salt-cli §5, config-and-daemons §2.1
type TokenFile struct {
	Path string        // token_file
	Life time.Duration // token_expire; counted from when the file was written
}

// TokenFileOf is the file of a loaded client configuration.
func TokenFileOf(cfg *config.Master) TokenFile {
	return TokenFile{Path: cfg.TokenFile, Life: cfg.TokenExpire}
}

// Read returns the token, "" when there is none or it is too old to be accepted by the master that issued it.
func (f TokenFile) Read() (string, error) {
	info, err := os.Stat(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("kept token: %w", err)
	}
	if !info.Mode().IsRegular() || time.Since(info.ModTime()) >= f.Life {
		return "", nil
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return "", fmt.Errorf("kept token: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxTokenBytes))
	if err != nil {
		return "", fmt.Errorf("kept token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Write keeps the token for its owner alone; a file of another mode is narrowed before.
func (f TokenFile) Write(token string) error {
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = file.Chmod(0o600)
	if err == nil {
		_, err = file.WriteString(token)
	}
	return errors.Join(err, file.Close())
}

// Login has the master issue a token for credentials, keeps it in file, and returns what goes into requests:
// the token, or the credentials themselves when the master issues none: it then says itself what is wrong
// with them. kept is the error of a token that could not be written; it is good for this run all the same.
// Other errors are those of MakeToken.
//
// spec: local-client-and-salt-cli §5
func (c *Client) Login(ctx context.Context, credentials *wire.Map, file TokenFile) (auth *wire.Map, kept, err error) {
	token, err := c.MakeToken(ctx, credentials)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return credentials, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return wire.NewMap("token", token), file.Write(token), nil
}

// ReadsRootKey reports whether the caller may read root's key below cacheDir. Stock's commands then take the
// caller for the master's own administrator.
func ReadsRootKey(cacheDir string) bool {
	file, err := os.Open(keyFile(cacheDir, "root"))
	if err != nil {
		return false
	}
	_ = file.Close() // only read
	return true
}
