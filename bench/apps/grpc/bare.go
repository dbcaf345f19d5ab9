//go:build !otel

package main

import "google.golang.org/grpc"

func clientOptions() []grpc.DialOption { return nil }

func serverOptions() []grpc.ServerOption { return nil }
