package main

import (
	"context"
	"database/sql"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	protocol "google.golang.org/grpc/health/grpc_health_v1"
	_ "modernc.org/sqlite"
)

func plainDatabase() *sql.DB {
	database, err := sql.Open("sqlite", ":memory:")
	check(err)
	return connected(database)
}

// wrappedDatabase has spans of statements alone.
func wrappedDatabase() *sql.DB {
	database, err := otelsql.Open("sqlite", ":memory:", otelsql.WithSpanOptions(otelsql.SpanOptions{
		OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true, OmitConnectorConnect: true,
	}))
	check(err)
	return connected(database)
}

// connected has its only connection already.
func connected(database *sql.DB) *sql.DB {
	database.SetMaxOpenConns(1)
	connection, err := database.Conn(context.Background())
	check(err)
	check(connection.Close())
	return database
}

func plainCalls() *grpc.ClientConn { return calls(nil, nil) }

func wrappedCalls() *grpc.ClientConn {
	return calls(
		[]grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler())},
		[]grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler())},
	)
}

var servers []*grpc.Server

// calls is a connection to a server in this process.
func calls(ofServer []grpc.ServerOption, ofClient []grpc.DialOption) *grpc.ClientConn {
	listener := listen()
	server := grpc.NewServer(ofServer...)
	servers = append(servers, server)
	protocol.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	ofClient = append(ofClient, grpc.WithTransportCredentials(insecure.NewCredentials()))
	connection, err := grpc.NewClient(listener.Addr().String(), ofClient...)
	check(err)
	return connection
}
