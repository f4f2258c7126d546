package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

// serveProxy is the child that is nothing but libzmq's own proxy, XPUB/XSUB and ROUTER/DEALER, before the two
// addresses in upstreams ("publish,request"). It prints its own two.
func serveProxy(upstreams string) error {
	signal.Reset(syscall.SIGTERM) // ends the process as it is
	publish, request, ok := strings.Cut(upstreams, ",")
	if !ok {
		return errors.New("-proxy-server wants publish,request")
	}
	pubs, pubAddr, err := proxyPair(zmq.XSUB, zmq.XPUB, publish)
	if err != nil {
		return err
	}
	reqs, reqAddr, err := proxyPair(zmq.DEALER, zmq.ROUTER, request)
	if err != nil {
		return err
	}
	fmt.Println(pubAddr, reqAddr)
	failed := make(chan error, 2)
	for _, pair := range [][2]*zmq.Socket{pubs, reqs} {
		go func() {
			runtime.LockOSThread()
			failed <- zmq.Proxy(pair[1], pair[0], nil)
		}()
	}
	return <-failed
}

// proxyPair connects one socket to upstream and binds the other. No queue has a bound, so that nothing is dropped.
func proxyPair(up, down zmq.Type, upstream string) (pair [2]*zmq.Socket, addr string, err error) {
	for i, kind := range []zmq.Type{up, down} {
		if pair[i], err = zmq.NewSocket(kind); err != nil {
			return pair, "", err
		}
		err = errors.Join(pair[i].SetSndhwm(0), pair[i].SetRcvhwm(0), pair[i].SetBacklog(1000))
		if err != nil {
			return pair, "", err
		}
	}
	if err := errors.Join(pair[0].Connect("tcp://"+upstream), pair[1].Bind("tcp://127.0.0.1:*")); err != nil {
		return pair, "", err
	}
	addr, err = pair[1].GetLastEndpoint()
	return pair, strings.TrimPrefix(addr, "tcp://"), err
}

// startProxy runs this program as the bare proxy.
func startProxy(ctx context.Context, publish, request string) (c *child, pubAddr, reqAddr string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", "", err
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, self, "-proxy-server", publish+","+request)
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	c, err = startChild(cmd)
	if err = errors.Join(err, write.Close()); err != nil {
		return nil, "", "", err
	}
	if _, err := fmt.Fscanln(read, &pubAddr, &reqAddr); err != nil {
		return nil, "", "", errors.Join(fmt.Errorf("addresses of the proxy: %w", err), c.cmd.Process.Kill())
	}
	return c, pubAddr, reqAddr, nil
}
