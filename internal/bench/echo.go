package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

// serveEcho is the child that is nothing but a ROUTER: it prints its address and sends every message back.
func serveEcho() error {
	runtime.LockOSThread()
	signal.Reset(syscall.SIGTERM) // ends the process as it is
	socket, err := zmq.NewSocket(zmq.ROUTER)
	if err != nil {
		return err
	}
	if err := errors.Join(socket.SetBacklog(1000), socket.Bind("tcp://127.0.0.1:*")); err != nil {
		return err
	}
	addr, err := socket.GetLastEndpoint()
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimPrefix(addr, "tcp://"))
	for {
		frames, err := socket.RecvMessageBytes(0)
		if zmq.AsErrno(err) == zmq.Errno(syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := socket.SendMessage(frames); err != nil {
			return err
		}
	}
}

// startEcho runs this program as the bare ROUTER.
func startEcho(ctx context.Context) (*child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, self, "-echo-server")
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	c, err := startChild(cmd)
	if err = errors.Join(err, write.Close()); err != nil {
		return nil, "", err
	}
	var addr string
	if _, err := fmt.Fscanln(read, &addr); err != nil {
		return nil, "", errors.Join(fmt.Errorf("address of the echo server: %w", err), c.cmd.Process.Kill())
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, "", errors.Join(err, c.cmd.Process.Kill())
	}
	return c, addr, nil
}
