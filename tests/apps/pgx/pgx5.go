//go:build pgx5

package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type (
	Batch          = pgx.Batch
	BatchResults   = pgx.BatchResults
	CommandTag     = pgconn.CommandTag
	Conn           = pgx.Conn
	CopyFromSource = pgx.CopyFromSource
	Identifier     = pgx.Identifier
	Pool           = pgxpool.Pool
	Row            = pgx.Row
	Rows           = pgx.Rows
	Tx             = pgx.Tx
)

const simpleProtocol = pgx.QueryExecModeSimpleProtocol

func newPool(ctx context.Context, dsn string) (*Pool, error) { return pgxpool.New(ctx, dsn) }

func connect(ctx context.Context, dsn string) (*Conn, error) { return pgx.Connect(ctx, dsn) }

func copyFromRows(rows [][]any) CopyFromSource { return pgx.CopyFromRows(rows) }
