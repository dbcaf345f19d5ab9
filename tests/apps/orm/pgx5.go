//go:build pgx5

package main

import (
	_ "github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

const driverName = "pgx"

func dialector(dsn string) gorm.Dialector { return postgres.Open(dsn) }
