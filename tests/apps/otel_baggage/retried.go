package main

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health_v1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// retries has grpc call again what is not available.
const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// attempts is the baggage with which each attempt of a call has come, by the call.
var attempts struct {
	sync.Mutex
	of map[string][]string
}

// attempt notes one, and fails the first two.
func attempt(came metadata.MD) error {
	attempts.Lock()
	defer attempts.Unlock()
	id := came.Get("retried")[0]
	attempts.of[id] = append(attempts.of[id], strings.Join(came.Get("baggage"), "\n"))
	if len(attempts.of[id]) < 3 {
		return status.Error(codes.Unavailable, "again")
	}
	return status.Error(codes.FailedPrecondition, strings.Join(attempts.of[id], " "))
}

// retried is the baggage of each attempt, one behind the other.
func retried(ctx context.Context, connection *grpc.ClientConn) string {
	attempts.Lock()
	attempts.of = map[string][]string{}
	attempts.Unlock()
	ctx = metadata.AppendToOutgoingContext(ctx, "retried", "1")
	_, err := health_v1.NewHealthClient(connection).Check(ctx, &health_v1.HealthCheckRequest{})
	return status.Convert(err).Message()
}
